//! The cheapest address to move from each source to each target, without trying them all.
//!
//! A move's *change* is what the address costs on the target minus what it cost at its source.
//! Each vertex of the prefix tree keeps, by source and target, the least change that the pairs
//! below it make up. The vertex above needs two steps to have its own:
//!
//! ```text
//!  least(v) = min( least(a) + w(v) * (held(b, target) - held(b, source)),
//!                  least(b) + w(v) * (held(a, target) - held(a, source)) )      a, b children of v
//! ```
//!
//! because every address below `a` has the same distance to every address below `b`. A move
//! alters the counts on one path only, so only the rows on that path are worked out again.
//!
//! A vertex has a row only for the sources that hold something below it: memory is about
//! addresses × log2(sources) × targets × 8 bytes.

use alloc::vec::Vec;

use super::holdings::Holdings;
use super::work::Work;

/// No address below this vertex can be moved to the target.
const NO_OFFER: i64 = i64::MAX;
/// The source has nothing below this vertex.
const NO_ROW: u32 = u32::MAX;

/// A possible move between a source and a target that the caller named.
#[derive(Clone, Copy)]
pub(super) struct Offer {
    /// Position of the address in the list.
    pub(super) address: usize,
    /// Cost at the target minus cost at the source.
    pub(super) change: i64,
}

/// Least changes by vertex, source and target.
pub(super) struct Offers {
    sources: usize,
    /// Whether sources are nodes, where an address has its cost, or the one pool of addresses
    /// without a node, where it costs nothing.
    sources_are_nodes: bool,
    /// Node of each column.
    targets: Vec<usize>,
    /// Number of the row in `cells` by vertex and source.
    rows: Vec<u32>,
    cells: Vec<i64>,
    free_rows: Vec<u32>,
}

impl Offers {
    /// Offers from one source, number 0: the addresses that no node holds. All nodes are targets.
    pub(super) fn from_pool(work: &Work, holdings: &Holdings) -> Self {
        let mut offers = Self::empty(1, false, (0..work.nodes).collect(), holdings);
        offers.fill(work, holdings, |owner| owner.is_none().then_some(0));
        offers
    }

    /// Offers from every node, numbered as the nodes, to the given ones.
    pub(super) fn between_nodes(work: &Work, holdings: &Holdings, targets: Vec<usize>) -> Self {
        let mut offers = Self::empty(work.nodes, true, targets, holdings);
        offers.fill(work, holdings, |owner| owner);
        offers
    }

    fn empty(
        sources: usize,
        sources_are_nodes: bool,
        targets: Vec<usize>,
        holdings: &Holdings,
    ) -> Self {
        let rows = alloc::vec![NO_ROW; holdings.tree.len() * sources];
        let (cells, free_rows) = (Vec::new(), Vec::new());
        Self {
            sources,
            sources_are_nodes,
            targets,
            rows,
            cells,
            free_rows,
        }
    }

    fn fill(
        &mut self,
        work: &Work,
        holdings: &Holdings,
        source_of: impl Fn(Option<usize>) -> Option<usize>,
    ) {
        for (address, owner) in work.owner.iter().enumerate() {
            if let Some(source) = source_of(*owner) {
                self.add_leaf(work, address, source);
            }
        }
        for &vertex in holdings.tree.upwards() {
            for source in 0..self.sources {
                self.renew_row(holdings, vertex, source);
            }
        }
    }

    /// The least change of a move from the source to the target of this column.
    pub(super) fn least(&self, holdings: &Holdings, source: usize, column: usize) -> Option<i64> {
        self.cell(holdings.tree.top()?, source, column)
    }

    /// Of the addresses with this least change, the first in list order.
    pub(super) fn first(
        &self,
        holdings: &Holdings,
        source: usize,
        column: usize,
        least: i64,
    ) -> Option<Offer> {
        let (mut vertex, mut rest) = (holdings.tree.top()?, least);
        while let Some(children) = holdings.tree.children(vertex) {
            let steps = self.steps(holdings, vertex, children, source, column);
            let leads = self.cell(children[0], source, column) == Some(rest - steps[0]);
            let taken = usize::from(!leads);
            vertex = children[taken];
            rest -= steps[taken];
        }
        Some(Offer {
            address: vertex,
            change: least,
        })
    }

    /// Of the addresses that cost less than `limit` on the target and whose change is negative,
    /// the one with the least change; the first in list order of equals.
    ///
    /// A search, but one that leaves out what the rows rule out.
    pub(super) fn first_below(
        &self,
        holdings: &Holdings,
        source: usize,
        column: usize,
        limit: i64,
    ) -> Option<Offer> {
        let target = self.targets[column];
        let mut best: Option<Offer> = None;
        // Vertices to visit with the change and the cost that their paths have made up so far.
        let mut open = Vec::from([(holdings.tree.top()?, 0, 0)]);
        while let Some((vertex, change, cost)) = open.pop() {
            let Some(least) = self.cell(vertex, source, column) else {
                continue;
            };
            let bound = best.map_or(0, |offer| offer.change);
            if change + least >= bound || cost >= limit {
                continue;
            }
            let Some(children) = holdings.tree.children(vertex) else {
                best = Some(Offer {
                    address: vertex,
                    change,
                });
                continue;
            };
            let steps = self.steps(holdings, vertex, children, source, column);
            let weight = holdings.tree.weight(vertex);
            // The first child goes on top, so that leaves come up in list order.
            for side in [1, 0] {
                let beside = holdings.held(children[1 - side], target);
                open.push((children[side], change + steps[side], cost + weight * beside));
            }
        }
        best
    }

    /// Accounts for an address that has moved: `holdings` are those after the move.
    ///
    /// `to` is the source that it belongs to now, if any; `nodes` are those whose counts changed.
    pub(super) fn moved(
        &mut self,
        work: &Work,
        holdings: &Holdings,
        address: usize,
        (from, to): (usize, Option<usize>),
        nodes: &[usize],
    ) {
        self.drop_row(address, from);
        if let Some(to) = to {
            self.add_leaf(work, address, to);
        }
        let changed = |(_, target): &(usize, &usize)| nodes.contains(target);
        let columns: Vec<usize> = self
            .targets
            .iter()
            .enumerate()
            .filter(changed)
            .map(|(column, _)| column)
            .collect();
        for vertex in holdings.tree.above(address) {
            for source in 0..self.sources {
                if source == from || Some(source) == to {
                    self.renew_row(holdings, vertex, source);
                } else if self.row(vertex, source).is_some() {
                    self.renew_cells(holdings, vertex, source, columns.iter().copied());
                }
            }
        }
    }

    fn add_leaf(&mut self, work: &Work, address: usize, source: usize) {
        let row = self.take_row(address, source);
        for (column, target) in self.targets.iter().enumerate() {
            let change = if work.can_take(address, *target) {
                0
            } else {
                NO_OFFER
            };
            self.cells[row + column] = change;
        }
    }

    /// Works out a whole row of an inner vertex, which appears or goes as its children's do.
    fn renew_row(&mut self, holdings: &Holdings, vertex: usize, source: usize) {
        let Some(children) = holdings.tree.children(vertex) else {
            return;
        };
        if children
            .iter()
            .all(|child| self.row(*child, source).is_none())
        {
            self.drop_row(vertex, source);
            return;
        }
        self.take_row(vertex, source);
        self.renew_cells(holdings, vertex, source, 0..self.targets.len());
    }

    fn renew_cells(
        &mut self,
        holdings: &Holdings,
        vertex: usize,
        source: usize,
        columns: impl Iterator<Item = usize>,
    ) {
        let Some(row) = self.row(vertex, source) else {
            return;
        };
        let Some(children) = holdings.tree.children(vertex) else {
            return;
        };
        let weight = holdings.tree.weight(vertex);
        let rows = children.map(|child| self.row(child, source));
        let held = children.map(|child| holdings.row(child));
        let saved = children.map(|child| self.saved(holdings, child, source));
        for column in columns {
            let target = self.targets[column];
            let mut least = NO_OFFER;
            for side in [0, 1] {
                let below = rows[side].map_or(NO_OFFER, |row| self.cells[row + column]);
                if below != NO_OFFER {
                    let beside = i64::from(held[1 - side][target]) - saved[1 - side];
                    least = least.min(below + weight * beside);
                }
            }
            self.cells[row + column] = least;
        }
    }

    /// What the vertex adds to the change of the addresses below each of its children.
    fn steps(
        &self,
        holdings: &Holdings,
        vertex: usize,
        children: [usize; 2],
        source: usize,
        column: usize,
    ) -> [i64; 2] {
        let target = self.targets[column];
        let [first, second] = children
            .map(|child| holdings.held(child, target) - self.saved(holdings, child, source));
        let weight = holdings.tree.weight(vertex);
        [weight * second, weight * first]
    }

    /// Addresses below the vertex that an address of the source gets away from.
    fn saved(&self, holdings: &Holdings, vertex: usize, source: usize) -> i64 {
        if self.sources_are_nodes {
            holdings.held(vertex, source)
        } else {
            0
        }
    }

    fn cell(&self, vertex: usize, source: usize, column: usize) -> Option<i64> {
        let row = self.row(vertex, source)?;
        Some(self.cells[row + column]).filter(|least| *least != NO_OFFER)
    }

    /// Where the row's cells begin.
    fn row(&self, vertex: usize, source: usize) -> Option<usize> {
        let row = self.rows[vertex * self.sources + source];
        (row != NO_ROW).then_some(row as usize * self.targets.len())
    }

    /// The row's beginning; a row is found for it if it has none.
    fn take_row(&mut self, vertex: usize, source: usize) -> usize {
        let width = self.targets.len();
        let row = &mut self.rows[vertex * self.sources + source];
        if *row == NO_ROW {
            *row = self.free_rows.pop().unwrap_or_else(|| {
                let end = self.cells.len();
                self.cells.resize(end + width, NO_OFFER);
                end.checked_div(width).unwrap_or(0) as u32
            });
        }
        *row as usize * width
    }

    fn drop_row(&mut self, vertex: usize, source: usize) {
        let row = core::mem::replace(&mut self.rows[vertex * self.sources + source], NO_ROW);
        if row != NO_ROW {
            self.free_rows.push(row);
        }
    }
}
