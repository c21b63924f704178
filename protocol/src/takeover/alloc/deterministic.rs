//! Algorithm 0: the same healthy nodes always give the same placement.
//!
//! Present holders count for nothing, so there is no failback step: an address returns to its own
//! node whenever that can host it.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use super::work::Work;
use crate::id::Pnn;

/// Puts each address on its own node, then what cannot be there on the least loaded one.
///
/// An address's own node is the one named in `home_nodes`, else its position modulo the number
/// of nodes.
pub(super) fn place(work: &mut Work, home_nodes: &BTreeMap<IpAddr, Pnn>) {
    let nodes = work.nodes;
    if nodes == 0 {
        return;
    }
    for (position, address) in work.addresses.iter().enumerate() {
        let home = home_nodes.get(address).map(|pnn| pnn.0 as usize);
        let own = home
            .filter(|node| *node < nodes)
            .unwrap_or(position % nodes);
        work.owner[position] = Some(own);
    }
    work.unassign_unsuitable();
    work.assign_to_least_loaded();
}
