//! Algorithm 2, the default: keep alike addresses apart.
//!
//! Addresses of one subnet are reached over one network, so each subnet is spread over the nodes
//! on its own. A node's *imbalance* is the sum of the squared distances (see
//! [`distance`](super::distance)) of all its pairs of addresses; an address *costs* its node the
//! squared distances to the others there.
//!
//! 1. Holders that are no longer able lose their addresses.
//! 2. Of all addresses without a node and all nodes able to take them, the cheapest pair is made,
//!    again and again. First in list order, then lowest pnn wins a tie.
//! 3. Failback, towards nodes that had nothing after step 1 and those forced: from the most
//!    imbalanced node downwards, the first that has a move which helps makes its best one; then
//!    from the top again, until no node has any. A move helps if the address costs less than
//!    before and the target ends below the imbalance that its source had. The best is that with
//!    the least sum of both nodes' imbalances.
//!
//! Addresses of one network are planned here; those of several by [`several`](super::several), by the same rules.
//!
//! Every move lowers the sum of all imbalances, so step 3 ends.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::holdings::Holdings;
use super::offers::{Offer, Offers};
use super::prefix_tree::PrefixTree;
use super::work::Work;
use crate::id::Pnn;

/// Places what has no node, then moves addresses to nodes that had none.
pub(super) fn place(work: &mut Work, no_ip_failback: bool, forced: &BTreeSet<Pnn>) {
    work.unassign_unsuitable();
    let targets = targets(work, forced);
    let mut holdings = Holdings::new(PrefixTree::new(&work.addresses), work.nodes);
    for (address, owner) in work.owner.iter().enumerate() {
        if let Some(node) = owner {
            holdings.add(address, *node);
        }
    }
    assign_cheapest(work, &mut holdings);
    if !no_ip_failback && !targets.is_empty() {
        Failback::new(work, holdings, targets).run();
    }
}

/// Nodes to which addresses may fail back: those that have nothing after step 1, and those forced.
pub(super) fn targets(work: &Work, forced: &BTreeSet<Pnn>) -> Vec<usize> {
    let counts = work.counts();
    let is_target = |node: &usize| counts[*node] == 0 || forced.contains(&Pnn(*node as u32));
    (0..work.nodes).filter(is_target).collect()
}

/// Step 2: makes the cheapest pair of address and node until no more can be made.
fn assign_cheapest(work: &mut Work, holdings: &mut Holdings) {
    if work.owner.iter().all(Option::is_some) {
        return;
    }
    let mut offers = Offers::from_pool(work, holdings);
    loop {
        let least = |node| offers.least(holdings, 0, node);
        let Some(cost) = (0..work.nodes).filter_map(least).min() else {
            return;
        };
        let pair = (0..work.nodes)
            .filter(|node| least(*node) == Some(cost))
            .filter_map(|node| Some((offers.first(holdings, 0, node, cost)?.address, node)))
            .min();
        let Some((address, node)) = pair else { return };
        work.owner[address] = Some(node);
        holdings.add(address, node);
        offers.moved(work, holdings, address, (0, None), &[node]);
    }
}

/// Step 3.
struct Failback<'a> {
    work: &'a mut Work,
    holdings: Holdings,
    imbalances: Vec<i64>,
    targets: Vec<usize>,
    offers: Offers,
    /// Pairs that were found to have no move that helps, and of which neither node has changed
    /// since. Row by source node, column by target.
    hopeless: Vec<bool>,
}

impl<'a> Failback<'a> {
    fn new(work: &'a mut Work, holdings: Holdings, targets: Vec<usize>) -> Self {
        let offers = Offers::between_nodes(work, &holdings, targets.clone());
        let imbalances = holdings.imbalances();
        let hopeless = alloc::vec![false; work.nodes * targets.len()];
        Self {
            work,
            holdings,
            imbalances,
            targets,
            offers,
            hopeless,
        }
    }

    fn run(&mut self) {
        let mut sources: Vec<usize> = (0..self.work.nodes).collect();
        loop {
            sources.sort_unstable_by_key(|node| (Reverse(self.imbalances[*node]), *node));
            let best = sources.iter().find_map(|&source| {
                let (offer, target) = self.best_move(source)?;
                Some((source, offer, target))
            });
            let Some((source, offer, target)) = best else {
                return;
            };
            self.make(source, offer, target);
        }
    }

    /// The best move from a node, and its target.
    fn best_move(&mut self, source: usize) -> Option<(Offer, usize)> {
        let mut best: Option<((i64, usize, usize), Offer)> = None;
        for column in 0..self.targets.len() {
            let place = source * self.targets.len() + column;
            if self.hopeless[place] {
                continue;
            }
            let Some(offer) = self.look_up(source, column) else {
                self.hopeless[place] = true;
                continue;
            };
            let target = self.targets[column];
            // The source's own imbalance is part of every sum and left out.
            let rank = (
                self.imbalances[target] + offer.change,
                offer.address,
                target,
            );
            if best.is_none_or(|(best_rank, _)| rank < best_rank) {
                best = Some((rank, offer));
            }
        }
        best.map(|((_, _, target), offer)| (offer, target))
    }

    fn look_up(&self, source: usize, column: usize) -> Option<Offer> {
        let target = self.targets[column];
        let limit = self.imbalances[source] - self.imbalances[target];
        let least = self.offers.least(&self.holdings, source, column)?;
        if limit <= 0 || least >= 0 {
            return None;
        }
        let offer = self.offers.first(&self.holdings, source, column, least)?;
        if self.holdings.cost(offer.address, target) < limit {
            return Some(offer);
        }
        self.offers
            .first_below(&self.holdings, source, column, limit)
    }

    fn make(&mut self, source: usize, offer: Offer, target: usize) {
        let address = offer.address;
        self.imbalances[source] -= self.holdings.cost(address, source);
        self.imbalances[target] += self.holdings.cost(address, target);
        self.holdings.remove(address, source);
        self.holdings.add(address, target);
        self.work.owner[address] = Some(target);
        let path = (source, Some(target));
        self.offers
            .moved(self.work, &self.holdings, address, path, &[source, target]);

        let width = self.targets.len();
        for node in [source, target] {
            self.hopeless[node * width..][..width].fill(false);
        }
        for column in 0..width {
            if [source, target].contains(&self.targets[column]) {
                self.hopeless
                    .iter_mut()
                    .skip(column)
                    .step_by(width)
                    .for_each(|pair| *pair = false);
            }
        }
    }
}
