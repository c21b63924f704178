//! LVS: the variables of the seed (`CTDB_PUBLIC_INTERFACE`, `CTDB_LVS_PUBLIC_IP`) and those of 4.17's 91.lvs.

use std::net::IpAddr;
use std::path::Path;

use ctdb_protocol::settings::{GroupLine, Lvs, PublicAddress};

use super::error::Place;
use super::files::read_text;
use super::group_file;
use super::legacy::Legacy;
use super::load::Loader;
use super::paths::text;

const ADDRESS: &str = "CTDB_LVS_PUBLIC_IP";
const INTERFACE: &str = "CTDB_LVS_PUBLIC_IFACE";
/// The seed's variable; [`INTERFACE`] wins.
const PUBLIC_INTERFACE: &str = "CTDB_PUBLIC_INTERFACE";
const NODES: &str = "CTDB_LVS_NODES";

/// What this node's configuration says of LVS; `own` is its private address.
pub(super) fn settings(loader: &mut Loader, legacy: &Legacy, own: IpAddr) -> Option<Lvs> {
    let variables = &legacy.script_variables;
    let set = |name: &str| variables.get(name).filter(|value| !value.is_empty());
    let Some(address) = set(ADDRESS) else {
        if set(NODES).is_some() {
            loader.refuse_variable(legacy, ADDRESS, "is not set, although CTDB_LVS_NODES is");
        }
        return None;
    };
    let Some(address) = address.parse().ok().filter(is_usable) else {
        let message = format!("\"{address}\" is no address that clients can reach");
        loader.refuse_variable(legacy, ADDRESS, message);
        return None;
    };
    let group = group(loader, legacy, set(NODES));
    let interface = set(INTERFACE).or_else(|| set(PUBLIC_INTERFACE)).cloned();
    let mut lines = group.iter().flatten();
    let follows = lines.any(|line| line.address == own && line.follower_only);
    if interface.is_none() && !follows {
        let message = "is not set: name the interface towards the clients";
        loader.refuse_variable(legacy, INTERFACE, message);
    }
    Some(Lvs {
        address,
        interface,
        group,
    })
}

/// An address is either a public one or that of LVS.
pub(super) fn refuse_public(
    loader: &mut Loader,
    legacy: &Legacy,
    lvs: Option<&Lvs>,
    public: &[PublicAddress],
) {
    let address = lvs.map(|lvs| lvs.address);
    if public.iter().any(|public| Some(public.address) == address) {
        let message = "is a public address too: take it out of the list of those";
        loader.refuse_variable(legacy, ADDRESS, message);
    }
}

/// The group file, if one is named or stands in its usual place.
fn group(loader: &mut Loader, legacy: &Legacy, named: Option<&String>) -> Option<Vec<GroupLine>> {
    let default = text(&loader.layout.etc.join("lvs_nodes"));
    let file = named.unwrap_or(&default);
    match read_text(Path::new(file)) {
        Ok(Some(content)) => Some(group_file::parse(file, &content, &mut loader.findings)),
        Ok(None) if named.is_none() => None,
        Ok(None) => {
            loader.refuse_variable(legacy, NODES, format!("{file} does not exist"));
            None
        }
        Err(message) => {
            loader.findings.refuse(&Place::whole(file), "", message);
            None
        }
    }
}

fn is_usable(address: &IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && !address.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::Directory;

    const SEED: &str = "CTDB_PUBLIC_INTERFACE=eth1\nCTDB_LVS_PUBLIC_IP=10.1.1.237\n";

    fn cluster(options: &str) -> Directory {
        let directory = Directory::with_nodes();
        directory.write("etc/ctdb/script.options", options);
        directory
    }

    fn lvs(directory: &Directory) -> Option<Lvs> {
        directory.load().expect("valid").settings.lvs
    }

    #[test]
    fn the_lines_of_the_manual_alone_make_a_group_of_all_who_announce_it() {
        let expected = Lvs {
            address: IpAddr::from([10, 1, 1, 237]),
            interface: Some("eth1".into()),
            group: None,
        };
        assert_eq!(lvs(&cluster(SEED)), Some(expected));
        assert_eq!(lvs(&cluster("CTDB_PUBLIC_INTERFACE=eth1\n")), None);
    }

    #[test]
    fn a_group_file_in_its_place_or_named_and_the_newer_name_of_the_interface() {
        let directory = cluster(&format!("{SEED}CTDB_LVS_PUBLIC_IFACE=eth2\n"));
        directory.write("etc/ctdb/lvs_nodes", "10.0.0.1\n10.0.0.2 follower-only\n");
        let found = lvs(&directory).expect("LVS");
        assert_eq!(found.interface.as_deref(), Some("eth2"));
        assert_eq!(found.group.expect("a file").len(), 2);
        let file = directory.path("etc/ctdb/site_a");
        directory.write("etc/ctdb/site_a", "10.0.0.2 slave-only\n");
        // One that never leads needs no interface.
        directory.write(
            "etc/ctdb/script.options",
            &format!(
                "CTDB_LVS_PUBLIC_IP=fd88::1\nCTDB_LVS_NODES={}\n",
                file.display()
            ),
        );
        let found = lvs(&directory).expect("LVS");
        assert_eq!(
            (found.interface, found.group.map(|g| g.len())),
            (None, Some(1))
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (options, part) in [
            (
                "CTDB_LVS_NODES=/nowhere\n",
                "CTDB_LVS_PUBLIC_IP: is not set, although CTDB_LVS_NODES is",
            ),
            (
                "CTDB_LVS_PUBLIC_IP=10.1.1.237\n",
                "CTDB_LVS_PUBLIC_IFACE: is not set: name the",
            ),
            (
                "CTDB_PUBLIC_INTERFACE=eth1\nCTDB_LVS_PUBLIC_IP=10.1.1\n",
                "/etc/ctdb/script.options:2: CTDB_LVS_PUBLIC_IP: \"10.1.1\" is no address",
            ),
            (
                "CTDB_PUBLIC_INTERFACE=eth1\nCTDB_LVS_PUBLIC_IP=10.1.1.1\nCTDB_LVS_NODES=/nowhere/lvs\n",
                "/etc/ctdb/script.options:3: CTDB_LVS_NODES: /nowhere/lvs does not exist",
            ),
        ] {
            let errors = cluster(options).errors();
            assert!(
                errors.iter().any(|error| error.contains(part)),
                "{errors:?}"
            );
        }
    }
}
