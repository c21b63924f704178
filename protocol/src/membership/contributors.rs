//! Whose records count in a recovery.
//!
//! Those of the newest composition that clients may have worked with. It was served, if somebody says so. It may
//! have been worked with before that: in the middle of a recovery a record whose dmaster is gone gets a new one, whose
//! clients then change it in the file, without asking. lmasters decide so when all members have carried out `Rebuild`
//! and told what they hold. So a composition counts as soon as nobody is known to have missed its `Rebuild`; its members
//! lose nothing by that, and who was no member is what the decisions were made without.

use super::message::{Composition, DbInfo, Scope, Stamp};
use crate::id::Pnn;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What a member answered to `Prepare`.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// See [`super::message::MembershipMessage::Prepared`].
    pub(super) committed: Stamp,
    /// See [`super::message::MembershipMessage::Prepared`].
    pub(super) prepared: Stamp,
    /// See [`super::message::MembershipMessage::Prepared`].
    pub(super) rebuilt_with: Vec<Pnn>,
    /// See [`super::message::MembershipMessage::Prepared`].
    pub(super) intact: Option<Composition>,
    /// See [`super::message::MembershipMessage::Prepared`].
    pub(super) databases: Vec<DbInfo>,
}

impl Answer {
    fn has_records(&self) -> bool {
        self.committed != Stamp::NONE
    }

    /// Whether it tells that no lmaster decided anything in `composition`, of which it was a member: it holds what was
    /// before that, and did not take part.
    fn missed(&self, composition: Stamp) -> bool {
        self.has_records() && self.committed < composition && self.prepared != composition
    }

    /// Whether its records are those of `newest`. Who dropped his for its `Rebuild` has none, and may not have been done
    /// with that.
    fn counts(&self, newest: Stamp) -> bool {
        newest == Stamp::NONE
            || self.committed == newest
            || self.prepared == newest && self.has_records()
    }
}

/// How much a recovery must go through, in which the records of `contributors` count, those of `newest`.
pub(super) fn scope(answers: &BTreeMap<Pnn, Answer>, newest: Stamp, contributors: &[Pnn]) -> Scope {
    let before_of = |pnn| {
        let answer = answers.get(pnn)?;
        let intact = answer.intact.as_ref();
        intact.filter(|_| answer.committed == newest)
    };
    let before = contributors.iter().map(before_of);
    match before.reduce(|one, other| one.filter(|one| other == Some(*one))) {
        Some(Some(before)) => Scope::Touched(before.clone()),
        _ => Scope::Whole,
    }
}

/// The newest composition that counts, and the members that hold its records. If nobody has served any: everybody.
pub(super) fn contributors(answers: &BTreeMap<Pnn, Answer>) -> (Stamp, Vec<Pnn>) {
    let may_have_begun = |answer: &&Answer| {
        let missed = |pnn| {
            answers
                .get(pnn)
                .is_some_and(|member| member.missed(answer.prepared))
        };
        answer.has_records() && !answer.rebuilt_with.iter().any(missed)
    };
    let served = answers.values().map(|answer| answer.committed);
    let begun = answers
        .values()
        .filter(may_have_begun)
        .map(|answer| answer.prepared);
    let newest = served.chain(begun).max().unwrap_or(Stamp::NONE);
    let counting = answers.iter().filter(|(_, answer)| answer.counts(newest));
    (newest, counting.map(|(pnn, _)| *pnn).collect())
}
