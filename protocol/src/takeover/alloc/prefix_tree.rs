//! The addresses as a binary tree of their common prefixes.
//!
//! ```text
//!            10.1.0.0/22 (118)            leaf      = address, numbered by list position
//!            /               \            inner     = longest prefix common to all below
//!     10.1.2.0/30 (126)    10.1.1.1       children  = the half that comes first in the list first
//!       /        \
//!   10.1.2.2   10.1.2.1
//! ```
//!
//! The common prefix of two addresses is that of the lowest inner vertex above both, so whatever
//! adds up distances over all addresses of a node adds up along one path here.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::distance;

/// Marks the top of the tree in `parent`.
const NOTHING: usize = usize::MAX;

/// Vertices `0..leaves` are the addresses, those above are inner ones.
pub(super) struct PrefixTree {
    leaves: usize,
    /// Children of the inner vertices.
    children: Vec<[usize; 2]>,
    /// Squared common prefix of the inner vertices.
    weights: Vec<i64>,
    parent: Vec<usize>,
    /// Inner vertices, each after those below it.
    upwards: Vec<usize>,
}

impl PrefixTree {
    /// Builds the tree of addresses that stand in list order (falling value).
    pub(super) fn new(addresses: &[IpAddr]) -> Self {
        let leaves = addresses.len();
        let mut tree = Self {
            leaves,
            children: Vec::with_capacity(leaves),
            weights: Vec::with_capacity(leaves),
            parent: alloc::vec![NOTHING; (2 * leaves).saturating_sub(1)],
            upwards: Vec::with_capacity(leaves),
        };
        // `open` are the inner vertices on the way to the last leaf that still wait for their
        // second child, deepest last.
        let mut open: Vec<usize> = Vec::new();
        let mut loose = 0;
        for (last, pair) in addresses.windows(2).enumerate() {
            let prefix = distance::common_prefix(distance::key(pair[0]), distance::key(pair[1]));
            let weight = distance::squared(prefix);
            while let Some(vertex) = open.pop_if(|vertex| tree.weight(*vertex) > weight) {
                loose = tree.close(vertex, loose);
            }
            let vertex = leaves + tree.children.len();
            tree.children.push([loose, NOTHING]);
            tree.weights.push(weight);
            open.push(vertex);
            loose = last + 1;
        }
        while let Some(vertex) = open.pop() {
            loose = tree.close(vertex, loose);
        }
        tree
    }

    fn close(&mut self, vertex: usize, second: usize) -> usize {
        self.children[vertex - self.leaves][1] = second;
        for child in self.children[vertex - self.leaves] {
            self.parent[child] = vertex;
        }
        self.upwards.push(vertex);
        vertex
    }

    /// The number of vertices, leaves included.
    pub(super) fn len(&self) -> usize {
        self.parent.len()
    }

    /// The vertex above all others; `None` without addresses.
    pub(super) fn top(&self) -> Option<usize> {
        self.upwards
            .last()
            .copied()
            .or((self.leaves > 0).then_some(0))
    }

    /// Inner vertices, each after those below it.
    pub(super) fn upwards(&self) -> &[usize] {
        &self.upwards
    }

    /// The two children of an inner vertex, list order; `None` for a leaf.
    pub(super) fn children(&self, vertex: usize) -> Option<[usize; 2]> {
        vertex
            .checked_sub(self.leaves)
            .map(|inner| self.children[inner])
    }

    /// Cost of two addresses whose paths part at this inner vertex.
    pub(super) fn weight(&self, vertex: usize) -> i64 {
        self.weights[vertex - self.leaves]
    }

    /// The inner vertices above a vertex, lowest first.
    pub(super) fn above(&self, vertex: usize) -> impl Iterator<Item = usize> {
        let parent = |vertex: usize| Some(self.parent[vertex]).filter(|above| *above != NOTHING);
        core::iter::successors(parent(vertex), move |vertex| parent(*vertex))
    }
}
