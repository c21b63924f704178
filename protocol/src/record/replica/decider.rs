//! The node that decides during a recovery whose content is right: the owner of the slot of the vnnmap that the
//! database's id chooses, so that the work of many databases is spread.
//!
//! A sound copy beats what is left of a damaged one; then the highest sequence number wins. Copies with the same
//! number that differ hold transactions that not every member had: nobody was told that they are done,
//! unless by the members of the newest composition while others were cut off, so their copy is preferred.
//! What is left is decided by the number of records, the digest and the lowest node.

use super::Replica;
use super::message::{Copy, ReplicaMessage};
use crate::id::Pnn;
use crate::record::outlet::Outlet;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;

/// What it knows.
#[derive(Debug, Default)]
pub(super) struct Decider {
    told: BTreeMap<Pnn, (Option<Copy>, bool)>,
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
        counts: bool,
        out: &mut Outlet<'_>,
    ) {
        if self.decider.filling.is_some() {
            return;
        }
        self.decider.told.insert(peer, (copy, counts));
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
        let differs = |(pnn, (copy, _)): (&Pnn, &(Option<Copy>, bool))| {
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
fn best(told: &BTreeMap<Pnn, (Option<Copy>, bool)>) -> Option<(Pnn, Copy)> {
    let worth = |copy: &Copy, counts: bool, pnn: Pnn| {
        let (records, digest) = (copy.records, copy.digest);
        (
            copy.healthy,
            copy.seqnum,
            counts,
            records,
            digest,
            Reverse(pnn),
        )
    };
    let candidates = told.iter().filter_map(|(pnn, (copy, counts))| {
        let copy = (*copy)?;
        Some((worth(&copy, *counts, *pnn), *pnn, copy))
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

    #[test]
    fn winners() {
        let table = [
            // The highest number, whoever has it.
            ([(copy(true, 5, 1), true), (copy(true, 6, 2), false)], 1),
            // Of equal ones that of the newest composition.
            ([(copy(true, 5, 9), false), (copy(true, 5, 1), true)], 1),
            // A damaged file never wins against a sound one.
            ([(copy(false, 9, 9), true), (copy(true, 0, 1), false)], 1),
            // Something is always decided, and the same by everybody.
            ([(copy(true, 5, 1), true), (copy(true, 5, 2), true)], 1),
            ([(copy(true, 5, 1), true), (copy(true, 5, 1), true)], 0),
        ];
        for (copies, winner) in table {
            let told = copies
                .into_iter()
                .zip(0..)
                .map(|((copy, counts), pnn)| (Pnn(pnn), (Some(copy), counts)))
                .collect();
            assert_eq!(
                best(&told).map(|(pnn, _)| pnn),
                Some(Pnn(winner)),
                "{copies:?}"
            );
        }
        assert_eq!(best(&BTreeMap::from([(Pnn(0), (None, true))])), None);
    }
}
