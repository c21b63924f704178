//! LCP2 over several networks, whose distances no prefix tree holds: what each address costs on each node, kept up with
//! every move.
//!
//! Time grows with the square of the addresses, memory with addresses times nodes.

use alloc::collections::{BTreeSet, BinaryHeap};
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::distance;
use super::work::Work;
use crate::id::Pnn;

/// Unassigned addresses by what they cost on one node; of equals the first in list order.
type Cheapest = BinaryHeap<Reverse<(i64, usize)>>;

/// See the module.
struct Several<'a> {
    work: &'a mut Work,
    /// What the addresses of each network have in front of their last word.
    networks: Vec<u128>,
    /// Of each address the number of its network, and its last word.
    places: Vec<(usize, u32)>,
    /// Row by node, column by address: squared distances to the other addresses there.
    costs: Vec<i64>,
}

/// The three steps of [`lcp2`](super::lcp2).
pub(super) fn place(work: &mut Work, no_ip_failback: bool, forced: &BTreeSet<Pnn>) {
    work.unassign_unsuitable();
    let targets = super::lcp2::targets(work, forced);
    let mut several = Several::new(work);
    several.assign_cheapest();
    if !no_ip_failback {
        several.fail_back(&targets);
    }
}

impl<'a> Several<'a> {
    fn new(work: &'a mut Work) -> Self {
        let keys = work.addresses.iter().copied().map(distance::key);
        let mut networks: Vec<u128> = Vec::new();
        // In list order a network's addresses stand together.
        let places: Vec<(usize, u32)> = keys
            .map(|key| {
                let network = key & !u128::from(u32::MAX);
                if networks.last() != Some(&network) {
                    networks.push(network);
                }
                (networks.len() - 1, key as u32)
            })
            .collect();
        let costs = alloc::vec![0; places.len() * work.nodes];
        let mut several = Self {
            work,
            networks,
            places,
            costs,
        };
        for address in 0..several.places.len() {
            if let Some(node) = several.work.owner[address] {
                several.shift(address, node, 1);
            }
        }
        several
    }

    fn cost(&self, address: usize, node: usize) -> i64 {
        self.costs[node * self.places.len() + address]
    }

    /// The address comes to the node (1) or leaves it (-1).
    fn shift(&mut self, address: usize, node: usize, sign: i64) {
        let (network, own) = self.places[address];
        let network = self.networks[network];
        // With last words of zero, which have 32 bits in common.
        let in_front = |other: &u128| distance::alike(network, *other) - u32::BITS;
        let in_front: Vec<u32> = self.networks.iter().map(in_front).collect();
        let row = &mut self.costs[node * self.places.len()..][..self.places.len()];
        for (cost, (network, word)) in row.iter_mut().zip(&self.places) {
            let alike = in_front[*network] + (own ^ word).leading_zeros();
            *cost += sign * distance::squared(alike);
        }
        // It costs itself nothing.
        row[address] -= sign * distance::squared(u128::BITS);
    }

    /// Step 2: makes the cheapest pair of address and node until no more can be made.
    fn assign_cheapest(&mut self) {
        let mut offers: Vec<Cheapest> = (0..self.work.nodes)
            .map(|node| self.cheapest(node))
            .collect();
        loop {
            let first = |(node, offers): (usize, &mut Cheapest)| {
                while let Some(Reverse((cost, address))) = offers.peek().copied() {
                    if self.work.owner[address].is_none() {
                        return Some((cost, address, node));
                    }
                    offers.pop();
                }
                None
            };
            let best = offers.iter_mut().enumerate().filter_map(first).min();
            let Some((_, address, node)) = best else {
                return;
            };
            self.work.owner[address] = Some(node);
            self.shift(address, node, 1);
            // Costs elsewhere are what they were.
            offers[node] = self.cheapest(node);
        }
    }

    fn cheapest(&self, node: usize) -> Cheapest {
        let unassigned = (0..self.places.len()).filter(|at| self.work.owner[*at].is_none());
        let takes = unassigned.filter(|at| self.work.can_take(*at, node));
        takes.map(|at| Reverse((self.cost(at, node), at))).collect()
    }

    /// Step 3.
    fn fail_back(&mut self, targets: &[usize]) {
        let mut imbalances: Vec<i64> = (0..self.work.nodes)
            .map(|node| self.held(node).map(|at| self.cost(at, node)).sum::<i64>() / 2)
            .collect();
        let mut sources: Vec<usize> = (0..self.work.nodes).collect();
        loop {
            sources.sort_unstable_by_key(|node| (Reverse(imbalances[*node]), *node));
            let best = sources.iter().find_map(|source| {
                let (address, target) = self.best_move(*source, targets, &imbalances)?;
                Some((*source, address, target))
            });
            let Some((source, address, target)) = best else {
                return;
            };
            imbalances[source] -= self.cost(address, source);
            imbalances[target] += self.cost(address, target);
            self.work.owner[address] = Some(target);
            self.shift(address, source, -1);
            self.shift(address, target, 1);
        }
    }

    fn held(&self, node: usize) -> impl Iterator<Item = usize> {
        let owners = self.work.owner.iter().enumerate();
        let held = owners.filter(move |(_, owner)| **owner == Some(node));
        held.map(|(address, _)| address)
    }

    /// The best move that helps from a node: the address and its target.
    fn best_move(
        &self,
        source: usize,
        targets: &[usize],
        imbalances: &[i64],
    ) -> Option<(usize, usize)> {
        let mut best: Option<(i64, usize, usize)> = None;
        for address in self.held(source) {
            let leaves = self.cost(address, source);
            for &target in targets {
                let comes = self.cost(address, target);
                let after = imbalances[target] + comes;
                let helps = comes < leaves && after < imbalances[source];
                // The source's own imbalance is part of every sum and left out.
                let sum = after - leaves;
                if helps
                    && best.is_none_or(|(least, ..)| sum < least)
                    && self.work.can_take(address, target)
                {
                    best = Some((sum, address, target));
                }
            }
        }
        best.map(|(_, address, target)| (address, target))
    }
}
