//! Who counts, and how many must agree.

use crate::id::Pnn;
use alloc::collections::BTreeSet;
use serde::{Deserialize, Serialize};

/// The nodes that count in an election: all of the nodes file but deleted ones and those that said goodbye.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Electorate {
    present: BTreeSet<Pnn>,
    departed: BTreeSet<Pnn>,
    /// How many count when nobody has departed.
    configured: usize,
    has_lock: bool,
}

impl Electorate {
    /// All nodes that are not deleted; `has_lock` if a cluster lock is configured.
    pub fn new(nodes: impl IntoIterator<Item = Pnn>, has_lock: bool) -> Self {
        let present: BTreeSet<Pnn> = nodes.into_iter().collect();
        Self {
            configured: present.len(),
            present,
            departed: BTreeSet::new(),
            has_lock,
        }
    }

    /// The nodes file changed: these are in it and not deleted. A new one counts at once, running or not, as it
    /// would after a restart of all.
    pub fn reconfigure(&mut self, nodes: impl IntoIterator<Item = Pnn>) {
        let nodes: BTreeSet<Pnn> = nodes.into_iter().collect();
        self.departed.retain(|pnn| nodes.contains(pnn));
        self.present = nodes.difference(&self.departed).copied().collect();
        self.configured = nodes.len();
    }

    /// A node left in order: it holds nothing and counts no more until it is heard again.
    pub fn depart(&mut self, pnn: Pnn) {
        if self.present.remove(&pnn) {
            self.departed.insert(pnn);
        }
    }

    /// A node is heard.
    pub fn arrive(&mut self, pnn: Pnn) {
        if self.departed.remove(&pnn) {
            self.present.insert(pnn);
        }
    }

    /// Nodes that count now.
    pub fn voters(&self) -> impl Iterator<Item = Pnn> + '_ {
        self.present.iter().copied()
    }

    /// Nodes that left in order.
    pub fn departed(&self) -> impl Iterator<Item = Pnn> + '_ {
        self.departed.iter().copied()
    }

    /// How many count now.
    pub fn size(&self) -> usize {
        self.present.len()
    }

    /// Whether a cluster lock decides between two equal halves.
    pub const fn has_lock(&self) -> bool {
        self.has_lock
    }

    /// How many others a leader needs on its side: with the lock one half of all is enough, without it a
    /// majority is needed. Two nodes without a lock are the exception: either may lead alone, as nobody
    /// could take over otherwise (split brain is possible then, and said so at start). What is left of
    /// a larger cluster is no such exception: those that departed may come back to one of the two.
    pub fn followers_needed(&self) -> usize {
        let size = self.present.len();
        match (self.has_lock, size) {
            (_, 0 | 1) => 0,
            (false, 2) if self.configured == 2 => 0,
            (true, _) => size.div_ceil(2) - 1,
            (false, _) => size / 2,
        }
    }

    /// Whether `count` nodes are more than half of all.
    pub fn is_majority(&self, count: usize) -> bool {
        2 * count > self.present.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_nodes_file_changes_who_counts() {
        let mut electorate = Electorate::new((0..3).map(Pnn), false);
        electorate.depart(Pnn(2));
        electorate.reconfigure((0..5).map(Pnn));
        assert_eq!((electorate.size(), electorate.followers_needed()), (4, 2));
        electorate.reconfigure([0, 1, 3].map(Pnn));
        assert_eq!((electorate.size(), electorate.departed().count()), (3, 0));
        electorate.arrive(Pnn(2));
        assert_eq!(electorate.size(), 3, "deleted nodes do not come back");
    }

    #[test]
    fn needed_followers_by_size() {
        let needed = |size, lock| Electorate::new((0..size).map(Pnn), lock).followers_needed();
        let with_lock: alloc::vec::Vec<_> = (0..9).map(|n| needed(n, true)).collect();
        let without: alloc::vec::Vec<_> = (0..9).map(|n| needed(n, false)).collect();
        assert_eq!(with_lock, [0, 0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!(without, [0, 0, 0, 1, 2, 2, 3, 3, 4]);
    }

    /// Found by the simulator: of three nodes without a lock one departs and comes back to one of the
    /// others only, while the third is cut off; that one must not lead alone.
    #[test]
    fn two_that_are_left_of_three_are_not_a_cluster_of_two() {
        let mut electorate = Electorate::new((0..3).map(Pnn), false);
        electorate.depart(Pnn(2));
        assert_eq!((electorate.size(), electorate.followers_needed()), (2, 1));
    }

    #[test]
    fn a_departed_node_counts_again_when_heard() {
        let mut electorate = Electorate::new((0..3).map(Pnn), false);
        electorate.depart(Pnn(2));
        assert_eq!(electorate.size(), 2);
        electorate.arrive(Pnn(2));
        assert_eq!((electorate.size(), electorate.followers_needed()), (3, 1));
    }
}
