//! No address is answered by two nodes at one instant (design, section 5: addresses are leased).

use ctdb_protocol::id::Pnn;
use std::collections::BTreeMap;
use std::net::IpAddr;

pub(super) fn check(answering: impl Iterator<Item = (IpAddr, Pnn)>) -> Result<(), String> {
    let mut seen: BTreeMap<IpAddr, Pnn> = BTreeMap::new();
    for (address, pnn) in answering {
        if let Some(other) = seen.insert(address, pnn) {
            return Err(format!(
                "{address} is answered by node {other} and node {pnn}"
            ));
        }
    }
    Ok(())
}
