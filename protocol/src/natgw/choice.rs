//! Who shall be the gateway: 4.17's rules, among the nodes whose interface to the outside has a link. Without that a group
//! whose services all need the outside would stay with a gateway that has none.

use super::group::Group;
use crate::flags::{Capabilities, NodeFlags, RunState};
use crate::id::Pnn;
use crate::membership::view::NodeView;
use alloc::collections::BTreeSet;
use core::net::IpAddr;

/// What a node needs to have none of, first choice first.
const CHOICES: [NodeFlags; 3] = [
    // Healthy.
    NodeFlags::all(),
    // Unhealthy or banned will do,
    NodeFlags::DISCONNECTED
        .union(NodeFlags::DELETED)
        .union(NodeFlags::DISABLED)
        .union(NodeFlags::STOPPED),
    // and stopped too, where there is nothing else.
    NodeFlags::DISCONNECTED
        .union(NodeFlags::DELETED)
        .union(NodeFlags::DISABLED),
];

/// What restricts a choice besides the file.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Only nodes that say that they may be a gateway (`CTDB_NATGW_SLAVE_ONLY` not set there).
    pub capable_only: bool,
    /// Nodes of several groups, and those that take no part now.
    pub refused: BTreeSet<IpAddr>,
    /// Nodes without a link to the outside: only if there is nobody else.
    pub cut_off: BTreeSet<IpAddr>,
}

/// The gateway of a group among the nodes, given by number with their private addresses.
pub fn choose<'a>(
    group: &Group,
    nodes: impl Iterator<Item = (Pnn, IpAddr, &'a NodeView)> + Clone,
    limits: &Limits,
) -> Option<(Pnn, IpAddr)> {
    let able = nodes.filter(|(_, address, node)| {
        let is_listed = group.may_lead(*address);
        let is_capable = node.state.capabilities.contains(Capabilities::NATGW);
        is_listed
            && (is_capable || !limits.capable_only)
            && !limits.refused.contains(address)
            && node.state.run_state != RunState::Shutdown
    });
    let best = |linked: bool| {
        CHOICES.iter().find_map(|unwanted| {
            let mut fit = able.clone().filter(|(_, address, node)| {
                limits.cut_off.contains(address) != linked && !node.flags.intersects(*unwanted)
            });
            fit.next().map(|(pnn, address, _)| (pnn, address))
        })
    };
    best(true).or_else(|| best(false))
}
