//! Algorithm 1: as few moves as possible, as many addresses on one node as on another.
//!
//! The rule for evening out is a search over all addresses for each single move. Addresses that
//! the same nodes can host give the same answer, so it is enough to look at one of each such
//! group; with the usual handful of groups a move costs a few hundred steps instead of millions.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::work::Work;

/// CTDB gives up evening out after this many moves more than there are addresses.
const SPARE_MOVES: usize = 5;

/// Keeps what works, places the rest on the least loaded nodes, then evens out.
pub(super) fn place(work: &mut Work, no_ip_failback: bool) {
    work.unassign_unsuitable();
    work.assign_to_least_loaded();
    if !no_ip_failback {
        even_out(work);
    }
}

/// Moves single addresses while the nodes that can host some address differ by two or more.
fn even_out(work: &mut Work) {
    let groups = groups(work);
    let mut counts = work.counts();
    let mut held: Vec<BTreeSet<usize>> = alloc::vec![BTreeSet::new(); work.nodes];
    for (address, owner) in work.owner.iter().enumerate() {
        if let Some(node) = owner {
            held[*node].insert(address);
        }
    }
    for _ in 0..work.owner.len() + SPARE_MOVES {
        let Some(fullest) = groups.iter().find_map(|group| uneven(group, &counts)) else {
            return;
        };
        // The first address of the fullest node moves, whether or not it is of this group.
        let Some(&address) = held[fullest].first() else {
            return;
        };
        let taker = work.least_loaded(address, &counts);
        let Some(taker) = taker.filter(|taker| *taker != fullest) else {
            // It stays where it is, and so would it in all moves that are left.
            return;
        };
        held[fullest].remove(&address);
        counts[fullest] -= 1;
        held[taker].insert(address);
        counts[taker] += 1;
        work.owner[address] = Some(taker);
    }
}

/// The sets of nodes that can host the assigned addresses, each once, by first occurrence.
fn groups(work: &Work) -> Vec<Vec<usize>> {
    let mut seen = BTreeSet::new();
    (0..work.owner.len())
        .filter(|address| work.owner[*address].is_some() && seen.insert(work.takers(*address)))
        .map(|address| {
            (0..work.nodes)
                .filter(|node| work.can_take(address, *node))
                .collect()
        })
        .collect()
}

/// The fullest node of an uneven group; of equals the one with the lowest pnn.
fn uneven(group: &[usize], counts: &[usize]) -> Option<usize> {
    let (mut most, mut least) = (*group.first()?, usize::MAX);
    for &node in group {
        if counts[node] > counts[most] {
            most = node;
        }
        least = least.min(counts[node]);
    }
    (counts[most] > least + 1).then_some(most)
}
