//! Which node serves which flows: each flow falls into one of 4,096 buckets by its hash, and each bucket goes to the
//! node that scores highest for it (rendezvous hashing, Thaler and Ravishankar 1998).
//!
//! The table depends on nothing but the set of nodes. So every node computes the same one, a new leader goes on with
//! the old leader's, a node that joins takes only the buckets that it wins, and one that leaves gives only its own.

use crate::id::Pnn;
use crate::rng::Rng;
use alloc::vec::Vec;

/// Number of buckets.
pub const BUCKETS: usize = 4_096;

/// The node of each bucket, by the bucket's number; empty without nodes.
pub fn table(servers: &[Pnn]) -> Vec<Pnn> {
    if servers.is_empty() {
        return Vec::new();
    }
    let best = |bucket| {
        servers
            .iter()
            .copied()
            .max_by_key(|pnn| score(bucket, *pnn))
    };
    (0..BUCKETS as u64).filter_map(best).collect()
}

/// Same on all nodes and for ever: of a mixed cluster each would else send flows elsewhere.
fn score(bucket: u64, pnn: Pnn) -> u64 {
    Rng::new(bucket << 32 | u64::from(pnn.0)).next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: u32) -> Vec<Pnn> {
        (0..count).map(Pnn).collect()
    }

    fn share(table: &[Pnn], pnn: Pnn) -> usize {
        table.iter().filter(|owner| **owner == pnn).count()
    }

    #[test]
    fn nobody_serves_nothing_and_one_serves_all() {
        assert!(table(&[]).is_empty());
        assert_eq!(table(&[Pnn(7)]), alloc::vec![Pnn(7); BUCKETS]);
    }

    #[test]
    fn shares_are_even_within_a_tenth_up_to_eight_nodes() {
        for count in 2..=8 {
            let table = table(&nodes(count));
            let even = BUCKETS / count as usize;
            for pnn in nodes(count) {
                let share = share(&table, pnn);
                assert!(
                    share.abs_diff(even) * 10 <= even,
                    "{count}: {pnn} has {share}"
                );
            }
        }
    }

    #[test]
    fn who_joins_takes_its_share_and_nothing_else_moves() {
        for count in 1..64 {
            let (old, new) = (table(&nodes(count)), table(&nodes(count + 1)));
            let moved = old.iter().zip(&new).filter(|(old, new)| old != new);
            let moved: Vec<&Pnn> = moved.map(|(_, new)| new).collect();
            assert!(moved.iter().all(|new| **new == Pnn(count)));
            // A part of 1/N, N being the nodes there are now, and 2 % of all.
            let most = BUCKETS / (count as usize + 1) + BUCKETS * 2 / 100;
            assert!(moved.len() <= most, "{count}: {} moved", moved.len());
        }
    }

    #[test]
    fn who_leaves_gives_only_its_own() {
        let all = nodes(9);
        let old = table(&all);
        for gone in nodes(9) {
            let left: Vec<Pnn> = all.iter().copied().filter(|pnn| *pnn != gone).collect();
            let new = table(&left);
            for (old, new) in old.iter().zip(&new) {
                assert!(old == new || *old == gone);
            }
        }
    }
}
