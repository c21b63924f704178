//! The planners' working copy of the input: a list of addresses by position, and the steps that
//! more than one algorithm takes.

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::IpAddr;

use super::{Input, Plan, distance};
use crate::id::Pnn;

/// Addresses in list order, with the nodes that are able to host each and the one that does.
///
/// Positions (`usize`) stand for addresses and nodes; a position never changes.
pub(super) struct Work {
    pub(super) nodes: usize,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) owner: Vec<Option<usize>>,
    /// Row by address, column by node.
    able: Vec<bool>,
    takeover_allowed: bool,
}

impl Work {
    /// Sorts the addresses into list order: falling 128-bit value, as CTDB walks its tree of
    /// addresses upwards and puts each in front of the last.
    pub(super) fn new(input: &Input) -> Self {
        let nodes = input.nodes as usize;
        let mut entries: Vec<_> = input.addresses.iter().collect();
        // Stable: `10.0.0.1` and `::10.0.0.1` have one value and stay in the order of the map.
        entries.sort_by_key(|(address, _)| Reverse(distance::key(**address)));

        let mut able = alloc::vec![false; entries.len() * nodes];
        for (index, (_, state)) in entries.iter().enumerate() {
            for pnn in state.able.iter().filter(|pnn| pnn.0 < input.nodes) {
                able[index * nodes + pnn.0 as usize] = true;
            }
        }
        let present = |pnn: Pnn| (pnn.0 < input.nodes).then_some(pnn.0 as usize);
        Self {
            nodes,
            addresses: entries.iter().map(|(address, _)| **address).collect(),
            owner: entries
                .iter()
                .map(|(_, state)| state.current.and_then(present))
                .collect(),
            able,
            takeover_allowed: !input.no_ip_takeover,
        }
    }

    /// Whether a prefix tree holds the distances of all addresses.
    pub(super) fn is_one_network(&self) -> bool {
        distance::are_one_network(self.addresses.iter().copied().map(distance::key))
    }

    /// May the node go on hosting the address?
    fn can_host(&self, address: usize, node: usize) -> bool {
        self.able[address * self.nodes + node]
    }

    /// May the node be given the address? Nobody may while takeovers are forbidden.
    pub(super) fn can_take(&self, address: usize, node: usize) -> bool {
        self.takeover_allowed && self.can_host(address, node)
    }

    /// The nodes that may be given the address, as a row of flags.
    pub(super) fn takers(&self, address: usize) -> &[bool] {
        if self.takeover_allowed {
            &self.able[address * self.nodes..][..self.nodes]
        } else {
            &[]
        }
    }

    /// Takes every address from a holder that is no longer able to host it.
    pub(super) fn unassign_unsuitable(&mut self) {
        for address in 0..self.owner.len() {
            if self.owner[address].is_some_and(|node| !self.can_host(address, node)) {
                self.owner[address] = None;
            }
        }
    }

    /// The number of addresses on each node.
    pub(super) fn counts(&self) -> Vec<usize> {
        let mut counts = alloc::vec![0; self.nodes];
        for node in self.owner.iter().flatten() {
            counts[*node] += 1;
        }
        counts
    }

    /// The node with the fewest addresses of those that may be given this one; of equals the one
    /// with the lowest pnn.
    pub(super) fn least_loaded(&self, address: usize, counts: &[usize]) -> Option<usize> {
        (0..self.nodes)
            .filter(|node| self.can_take(address, *node))
            .min_by_key(|node| counts[*node])
    }

    /// Gives each address without a node to the least loaded one, in list order.
    pub(super) fn assign_to_least_loaded(&mut self) {
        let mut counts = self.counts();
        for address in 0..self.owner.len() {
            if self.owner[address].is_some() {
                continue;
            }
            self.owner[address] = self.least_loaded(address, &counts);
            if let Some(node) = self.owner[address] {
                counts[node] += 1;
            }
        }
    }

    pub(super) fn into_plan(self) -> Plan {
        let owners = self
            .owner
            .into_iter()
            .map(|owner| owner.map(|node| Pnn(node as u32)));
        self.addresses.into_iter().zip(owners).collect()
    }
}
