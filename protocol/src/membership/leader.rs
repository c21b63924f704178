//! The coordinator's side of one recovery: who has answered, whose records count, what is still missing.
//!
//! It only keeps the books and says what to order next; [`super::machine`] sends the orders, to this node
//! as to any other. One recovery has one generation: whatever goes wrong, the next try takes a new one,
//! so a late answer can never be taken for one of the present try.

use super::contributors::{Answer, contributors, scope};
use super::message::{Composition, DbInfo, MembershipMessage, Scope};
use crate::id::{DbId, Generation, Pnn};
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

#[derive(Clone, Debug)]
enum Step {
    /// Members stop serving.
    Preparing(BTreeMap<Pnn, Answer>),
    /// What is missing of each database.
    Rebuilding(BTreeMap<DbId, Missing>),
}

/// lmasters that a database still waits for.
#[derive(Clone, Debug)]
struct Missing {
    /// Before it is served.
    ready: BTreeSet<Pnn>,
    /// Before its recovery is over.
    whole: BTreeSet<Pnn>,
}

/// A recovery under way.
#[derive(Clone, Debug)]
pub(super) struct Recovery {
    composition: Composition,
    began: Instant,
    databases: u32,
    scope: Scope,
    step: Step,
}

impl Recovery {
    /// `Prepare` goes out now.
    pub(super) fn new(now: Instant, composition: Composition) -> Self {
        Self {
            composition,
            began: now,
            databases: 0,
            scope: Scope::Whole,
            step: Step::Preparing(BTreeMap::new()),
        }
    }

    /// What is being recovered.
    pub(super) const fn composition(&self) -> &Composition {
        &self.composition
    }

    /// Its number.
    pub(super) const fn generation(&self) -> Generation {
        self.composition.generation
    }

    /// When it began.
    pub(super) const fn began(&self) -> Instant {
        self.began
    }

    /// How many databases it recovers.
    pub(super) const fn databases(&self) -> u32 {
        self.databases
    }

    /// How much of them.
    pub(super) const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether a wish for a recovery is fulfilled by this one: nobody has begun to rebuild yet.
    pub(super) const fn is_preparing(&self) -> bool {
        matches!(self.step, Step::Preparing(_))
    }

    /// Members that have not answered `Prepare`.
    pub(super) fn silent(&self) -> Vec<Pnn> {
        match &self.step {
            Step::Preparing(answers) => {
                let members = self.composition.members.iter().copied();
                members.filter(|pnn| !answers.contains_key(pnn)).collect()
            }
            Step::Rebuilding(_) => Vec::new(),
        }
    }

    /// A member is prepared. When it was the last one, the order to rebuild.
    pub(super) fn prepared(&mut self, peer: Pnn, answer: Answer) -> Option<MembershipMessage> {
        let Step::Preparing(answers) = &mut self.step else {
            return None;
        };
        if !self.composition.members.contains(&peer) {
            return None;
        }
        answers.insert(peer, answer);
        if answers.len() < self.composition.members.len() {
            return None;
        }
        let (newest, contributors) = contributors(answers);
        self.scope = scope(answers, newest, &contributors);
        let databases = union(answers);
        self.databases = databases.len() as u32;
        let lmasters: BTreeSet<Pnn> = self.composition.vnnmap.iter().copied().collect();
        let missing = || Missing {
            ready: lmasters.clone(),
            whole: lmasters.clone(),
        };
        let waiting = databases.iter().map(|db| (db.id, missing()));
        self.step = Step::Rebuilding(waiting.collect());
        Some(MembershipMessage::Rebuild {
            generation: self.composition.generation,
            newest,
            contributors,
            scope: self.scope.clone(),
            databases,
        })
    }

    /// An lmaster is ready with `db`. When it was the last one, the order to serve.
    pub(super) fn ready(&mut self, peer: Pnn, db: DbId, whole: bool) -> Option<MembershipMessage> {
        let Step::Rebuilding(waiting) = &mut self.step else {
            return None;
        };
        let missing = waiting.get_mut(&db)?;
        let was_last = missing.ready.remove(&peer) && missing.ready.is_empty();
        if whole {
            missing.whole.remove(&peer);
        }
        if missing.ready.is_empty() && missing.whole.is_empty() {
            waiting.remove(&db);
        }
        was_last.then_some(MembershipMessage::Serve {
            generation: self.composition.generation,
            db,
        })
    }

    /// Whether every database is served, and every lmaster knows everything.
    pub(super) fn is_done(&self) -> bool {
        matches!(&self.step, Step::Rebuilding(waiting) if waiting.is_empty())
    }
}

/// All databases that anyone has, by id. If nodes differ about a kind, the one that keeps most wins.
fn union(answers: &BTreeMap<Pnn, Answer>) -> Vec<DbInfo> {
    let mut all: BTreeMap<DbId, DbInfo> = BTreeMap::new();
    for info in answers.values().flat_map(|answer| &answer.databases) {
        let known = all.entry(info.id).or_insert_with(|| info.clone());
        known.kind = known.kind.max(info.kind);
    }
    all.into_values().collect()
}
