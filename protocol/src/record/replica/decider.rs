//! The node that decides during a recovery whose content is right: the owner of the slot of the vnnmap that the
//! database's id chooses, so that the work of many databases is spread.
//!
//! A sound copy beats what is left of a damaged one; then the highest sequence number wins. Of copies with the same
//! number that differ, most hold a transaction that not every member had, of which nobody was told that it is
//! done: a copy of which somebody knows better is preferred. If there are two such copies, or none, that of the
//! newest composition is: two sides of a split may have made them. What is left is decided by the number of
//! records, the digest and the lowest node.

use super::Replica;
use super::message::{Copy, ReplicaMessage};
use crate::id::Pnn;
use crate::record::outlet::Outlet;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;

/// What a member knows of its copy; the greater one wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    /// See [`ReplicaMessage::Tell`].
    pub(super) sure: bool,
    /// See [`ReplicaMessage::Tell`].
    pub(super) counts: bool,
}

/// What it knows.
#[derive(Debug, Default)]
pub(super) struct Decider {
    told: BTreeMap<Pnn, (Option<Copy>, Mark)>,
    /// Members that get other content and are not done; `None` before the decision.
    filling: Option<BTreeSet<Pnn>>,
    /// The chosen copy is sound.
    healthy: bool,
}

/// The node that decides about `db`; `None` before the first composition.
pub(super) fn decider_of(replica: &Replica, out: &Outlet<'_>) -> Option<Pnn> {
    let slots = &out.composition.vnnmap;
    let slot = (replica.db.0 as usize).checked_rem(slots.len())?;
    slots.get(slot).copied()
}

impl Replica {
    pub(super) fn on_tell(
        &mut self,
        peer: Pnn,
        copy: Option<Copy>,
        mark: Mark,
        out: &mut Outlet<'_>,
    ) {
        if self.decider.filling.is_some() {
            return;
        }
        self.decider.told.insert(peer, (copy, mark));
        let members = &out.composition.members;
        if members
            .iter()
            .all(|member| self.decider.told.contains_key(member))
        {
            self.decide(out);
        }
    }

    fn decide(&mut self, out: &mut Outlet<'_>) {
        let Some((source, best)) = best(&self.decider.told) else {
            // Nobody has the database in this way.
            return self.announce(out);
        };
        let differs = |(pnn, (copy, _)): (&Pnn, &(Option<Copy>, Mark))| {
            copy.is_some_and(|copy| !copy.is_same(&best))
                .then_some(*pnn)
        };
        let filling: Vec<Pnn> = self.decider.told.iter().filter_map(differs).collect();
        self.decider.healthy = best.healthy;
        self.decider.filling = Some(filling.iter().copied().collect());
        if filling.is_empty() {
            self.announce(out);
        } else {
            self.send(source, ReplicaMessage::Supply { to: filling }, out);
        }
    }

    pub(super) fn on_filled(&mut self, peer: Pnn, out: &mut Outlet<'_>) {
        let Some(filling) = &mut self.decider.filling else {
            return;
        };
        if filling.remove(&peer) && filling.is_empty() {
            self.announce(out);
        }
    }

    fn announce(&self, out: &mut Outlet<'_>) {
        let healthy = self.decider.healthy;
        for member in out.composition.members.clone() {
            self.send(member, ReplicaMessage::Equal { healthy }, out);
        }
    }
}

/// The copy that wins, and its node.
fn best(told: &BTreeMap<Pnn, (Option<Copy>, Mark)>) -> Option<(Pnn, Copy)> {
    let worth = |copy: &Copy, mark: Mark, pnn: Pnn| {
        let (records, digest) = (copy.records, copy.digest);
        (
            copy.healthy,
            copy.seqnum,
            mark,
            records,
            digest,
            Reverse(pnn),
        )
    };
    let candidates = told.iter().filter_map(|(pnn, (copy, mark))| {
        let copy = (*copy)?;
        Some((worth(&copy, *mark, *pnn), *pnn, copy))
    });
    let (_, pnn, copy) = candidates.max_by_key(|(worth, _, _)| *worth)?;
    Some((pnn, copy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(healthy: bool, seqnum: u64, digest: u64) -> Copy {
        Copy {
            seqnum,
            digest,
            records: 1,
            empty: 0,
            healthy,
        }
    }

    const NOTHING: Mark = Mark {
        sure: false,
        counts: false,
    };
    const SURE: Mark = Mark {
        sure: true,
        ..NOTHING
    };
    const COUNTS: Mark = Mark {
        counts: true,
        ..NOTHING
    };
    const BOTH: Mark = Mark {
        sure: true,
        counts: true,
    };

    #[test]
    fn winners() {
        let table = [
            // The highest number, whoever has it.
            ([(copy(true, 5, 1), BOTH), (copy(true, 6, 2), NOTHING)], 1),
            // Of equal ones that of which a client was told, then that of the newest composition.
            ([(copy(true, 5, 9), COUNTS), (copy(true, 5, 1), SURE)], 1),
            ([(copy(true, 5, 9), NOTHING), (copy(true, 5, 1), COUNTS)], 1),
            ([(copy(true, 5, 9), SURE), (copy(true, 5, 1), BOTH)], 1),
            // A damaged file never wins against a sound one.
            ([(copy(false, 9, 9), BOTH), (copy(true, 0, 1), NOTHING)], 1),
            // Something is always decided, and the same by everybody.
            ([(copy(true, 5, 1), BOTH), (copy(true, 5, 2), BOTH)], 1),
            ([(copy(true, 5, 1), BOTH), (copy(true, 5, 1), BOTH)], 0),
        ];
        for (copies, winner) in table {
            let told = copies
                .into_iter()
                .zip(0..)
                .map(|((copy, mark), pnn)| (Pnn(pnn), (Some(copy), mark)))
                .collect();
            assert_eq!(
                best(&told).map(|(pnn, _)| pnn),
                Some(Pnn(winner)),
                "{copies:?}"
            );
        }
        assert_eq!(best(&BTreeMap::from([(Pnn(0), (None, BOTH))])), None);
    }
}
