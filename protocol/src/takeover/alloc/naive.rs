//! The three algorithms as their rules are worded, with no care for speed: what the planners are
//! compared with.

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::IpAddr;

use super::distance::{alike, key, squared};
use super::{Algorithm, Input, Plan};
use crate::id::Pnn;

struct Naive<'a> {
    input: &'a Input,
    list: Vec<IpAddr>,
    owner: Vec<Option<u32>>,
}

pub(super) fn plan(algorithm: Algorithm, input: &Input) -> Plan {
    let mut list: Vec<IpAddr> = input.addresses.keys().copied().collect();
    list.sort_by_key(|address| Reverse(key(*address)));
    let holder = |address| input.addresses[address].current.map(|pnn| pnn.0);
    let owner = list.iter().map(holder).collect();
    let mut naive = Naive { input, list, owner };
    match algorithm {
        Algorithm::Deterministic => naive.deterministic(),
        Algorithm::Nondeterministic => naive.nondeterministic(),
        Algorithm::Lcp2 => naive.lcp2(),
    }
    naive
        .list
        .iter()
        .copied()
        .zip(naive.owner.iter().map(|owner| owner.map(Pnn)))
        .collect()
}

impl Naive<'_> {
    fn able(&self, at: usize, node: u32) -> bool {
        node < self.input.nodes
            && self.input.addresses[&self.list[at]]
                .able
                .contains(&Pnn(node))
    }

    fn takers(&self, at: usize) -> Vec<u32> {
        let able = |node: &u32| !self.input.no_ip_takeover && self.able(at, *node);
        (0..self.input.nodes).filter(able).collect()
    }

    fn count(&self, node: u32) -> usize {
        self.owner
            .iter()
            .filter(|owner| **owner == Some(node))
            .count()
    }

    fn unassign_unsuitable(&mut self) {
        for at in 0..self.list.len() {
            self.owner[at] = self.owner[at].filter(|node| self.able(at, *node));
        }
    }

    fn give_to_least(&mut self, at: usize) {
        if let Some(node) = self
            .takers(at)
            .into_iter()
            .min_by_key(|node| self.count(*node))
        {
            self.owner[at] = Some(node);
        }
    }

    fn assign_unassigned(&mut self) {
        for at in 0..self.list.len() {
            if self.owner[at].is_none() {
                self.give_to_least(at);
            }
        }
    }

    fn deterministic(&mut self) {
        for at in 0..self.list.len() {
            let home = self.input.home_nodes.get(&self.list[at]).map(|pnn| pnn.0);
            let valid = home.filter(|node| *node < self.input.nodes);
            self.owner[at] = valid.or_else(|| (at as u32).checked_rem(self.input.nodes));
        }
        self.unassign_unsuitable();
        self.assign_unassigned();
    }

    fn nondeterministic(&mut self) {
        self.unassign_unsuitable();
        self.assign_unassigned();
        let mut moves = 0;
        while !self.input.no_ip_failback && moves < self.list.len() + 5 {
            let fullest = (0..self.list.len())
                .filter(|at| self.owner[*at].is_some())
                .find_map(|at| {
                    let takers = self.takers(at);
                    let most = takers.iter().rev().max_by_key(|node| self.count(**node))?;
                    let least = takers.iter().min_by_key(|node| self.count(**node))?;
                    (self.count(*most) > self.count(*least) + 1).then_some(*most)
                });
            let Some(fullest) = fullest else { break };
            let first = self.owner.iter().position(|owner| *owner == Some(fullest));
            self.give_to_least(first.expect("the fullest node holds something"));
            moves += 1;
        }
    }

    fn distance(&self, a: usize, b: usize) -> i64 {
        squared(alike(key(self.list[a]), key(self.list[b])))
    }

    fn cost(&self, at: usize, node: u32) -> i64 {
        let others = (0..self.list.len()).filter(|other| *other != at);
        let there = others.filter(|other| self.owner[*other] == Some(node));
        there.map(|other| self.distance(at, other)).sum()
    }

    fn imbalance(&self, node: u32) -> i64 {
        let there = (0..self.list.len()).filter(|at| self.owner[*at] == Some(node));
        there.map(|at| self.cost(at, node)).sum::<i64>() / 2
    }

    fn lcp2(&mut self) {
        self.unassign_unsuitable();
        let target =
            |node: &u32| self.count(*node) == 0 || self.input.force_rebalance.contains(&Pnn(*node));
        let targets: Vec<u32> = (0..self.input.nodes).filter(target).collect();
        while let Some((_, at, node)) = (0..self.list.len())
            .filter(|at| self.owner[*at].is_none())
            .flat_map(|at| self.takers(at).into_iter().map(move |node| (at, node)))
            .map(|(at, node)| (self.cost(at, node), at, node))
            .min()
        {
            self.owner[at] = Some(node);
        }
        while !self.input.no_ip_failback && self.fail_back_one(&targets) {}
    }

    fn fail_back_one(&mut self, targets: &[u32]) -> bool {
        let imbalances: Vec<i64> = (0..self.input.nodes).map(|n| self.imbalance(n)).collect();
        let mut sources: Vec<u32> = (0..self.input.nodes).collect();
        sources.sort_by_key(|node| Reverse(imbalances[*node as usize]));
        for source in sources {
            let before = imbalances[source as usize];
            let mut best: Option<(i64, usize, u32)> = None;
            for at in (0..self.list.len()).filter(|at| self.owner[*at] == Some(source)) {
                let leaves = self.cost(at, source);
                for node in self
                    .takers(at)
                    .into_iter()
                    .filter(|node| targets.contains(node))
                {
                    let comes = self.cost(at, node);
                    let after = imbalances[node as usize] + comes;
                    let sum = before - leaves + after;
                    let better = best.is_none_or(|(least, _, _)| sum < least);
                    if after < before && comes < leaves && better {
                        best = Some((sum, at, node));
                    }
                }
            }
            if let Some((_, at, node)) = best {
                self.owner[at] = Some(node);
                return true;
            }
        }
        false
    }
}
