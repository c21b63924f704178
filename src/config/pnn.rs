//! Finds out which line of the nodes file is this node.

use std::net::IpAddr;

use ctdb_protocol::settings::NodeEntry;

use super::nearest::nearest;

/// Why no entry is this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotFound {
    pub(super) message: String,
    /// The entry closest to a configured address.
    pub(super) nearest: Option<String>,
}

/// This node's number: the entry of the configured address, else the first that can be bound.
pub(super) fn find(
    nodes: &[NodeEntry],
    configured: Option<IpAddr>,
    can_bind: impl Fn(IpAddr) -> bool,
) -> Result<(u32, IpAddr), NotFound> {
    let live = || (0u32..).zip(nodes).filter(|(_, node)| !node.deleted);
    let found = match configured {
        Some(address) => live().find(|(_, node)| node.address == address),
        None => live().find(|(_, node)| can_bind(node.address)),
    };
    if let Some((pnn, node)) = found {
        return Ok((pnn, node.address));
    }
    let Some(address) = configured else {
        let message =
            "own address not found: this host has none of the listed addresses".to_owned();
        return Err(NotFound {
            message,
            nearest: None,
        });
    };
    let names: Vec<String> = live().map(|(_, node)| node.address.to_string()).collect();
    let nearest = nearest(&address.to_string(), names.iter().map(String::as_str));
    Err(NotFound {
        message: format!("own address {address} is not in the nodes list"),
        nearest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes() -> Vec<NodeEntry> {
        [
            ("10.0.0.1", false),
            ("0.0.0.0", true),
            ("10.0.0.3", false),
            ("10.0.0.4", false),
        ]
        .map(|(address, deleted)| NodeEntry {
            address: address.parse().expect("ip"),
            deleted,
        })
        .to_vec()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_configured_address_decides() {
        let found = find(&nodes(), Some(ip("10.0.0.4")), |_| panic!("not asked"));
        assert_eq!(found, Ok((3, ip("10.0.0.4"))));
    }

    #[test]
    fn else_the_first_bindable_one_with_deleted_numbers_kept() {
        let found = find(&nodes(), None, |address| address != ip("10.0.0.1"));
        assert_eq!(found, Ok((2, ip("10.0.0.3"))));
    }

    #[test]
    fn not_found_names_the_nearest() {
        let error = find(&nodes(), Some(ip("10.0.0.33")), |_| true).expect_err("not listed");
        assert_eq!(error.nearest.as_deref(), Some("10.0.0.3"));
        assert!(find(&nodes(), None, |_| false).is_err());
        assert!(
            find(&nodes(), Some(ip("0.0.0.0")), |_| true).is_err(),
            "deleted ones are nobody"
        );
    }
}
