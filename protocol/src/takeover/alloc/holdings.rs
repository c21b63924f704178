//! Who holds how many addresses below each vertex of the prefix tree, and what that costs.

use alloc::vec::Vec;

use super::prefix_tree::PrefixTree;

/// Counts by vertex and node, kept up along one path for each change.
pub(super) struct Holdings {
    pub(super) tree: PrefixTree,
    nodes: usize,
    /// Row by vertex, column by node.
    held: Vec<u32>,
}

impl Holdings {
    pub(super) fn new(tree: PrefixTree, nodes: usize) -> Self {
        let held = alloc::vec![0; tree.len() * nodes];
        Self { tree, nodes, held }
    }

    /// Adds an address to what a node holds.
    pub(super) fn add(&mut self, address: usize, node: usize) {
        self.held[address * self.nodes + node] += 1;
        for vertex in self.tree.above(address) {
            self.held[vertex * self.nodes + node] += 1;
        }
    }

    /// Takes away an address that the node holds.
    pub(super) fn remove(&mut self, address: usize, node: usize) {
        self.held[address * self.nodes + node] -= 1;
        for vertex in self.tree.above(address) {
            self.held[vertex * self.nodes + node] -= 1;
        }
    }

    /// Addresses that the node holds at or below the vertex.
    pub(super) fn held(&self, vertex: usize, node: usize) -> i64 {
        i64::from(self.held[vertex * self.nodes + node])
    }

    /// Counts of all nodes at or below the vertex.
    pub(super) fn row(&self, vertex: usize) -> &[u32] {
        &self.held[vertex * self.nodes..][..self.nodes]
    }

    /// Cost of an address on a node: squared distances to the other addresses there.
    pub(super) fn cost(&self, address: usize, node: usize) -> i64 {
        let mut below = self.held(address, node);
        let mut cost = 0;
        for vertex in self.tree.above(address) {
            let here = self.held(vertex, node);
            cost += self.tree.weight(vertex) * (here - below);
            below = here;
        }
        cost
    }

    /// Imbalance of each node: squared distances of all its pairs of addresses.
    pub(super) fn imbalances(&self) -> Vec<i64> {
        let mut imbalances = alloc::vec![0; self.nodes];
        for &vertex in self.tree.upwards() {
            let Some([first, second]) = self.tree.children(vertex) else {
                continue;
            };
            for (node, imbalance) in imbalances.iter_mut().enumerate() {
                let pairs = self.held(first, node) * self.held(second, node);
                *imbalance += self.tree.weight(vertex) * pairs;
            }
        }
        imbalances
    }
}
