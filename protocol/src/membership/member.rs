//! The participant of a recovery: every node, the leader too, carries out the same orders.
//!
//! ```text
//!            Prepare              Rebuild             Serve(db)…          Commit
//!  NORMAL ──────────► ACTIVE g ──────────► ACTIVE g ────────────► … ────────────► NORMAL g
//! ```
//! Two marks decide whose records count later: `holds`, the newest composition whose records are here,
//! and `rebuilt`, the last one whose `Rebuild` was carried out. If anyone may have acted on `rebuilt`, this
//! node is as good as he is; if nobody did, what it held before still counts ([`super::contributors`]). A
//! `Prepare` alone leaves no mark: a node that was prepared but never rebuilt may hold older records.
//! Invariant: `holds <= rebuilt` as stamps.

use super::io::{Effect, Recover};
use super::message::{Composition, DbInfo, MembershipMessage, Scope, Stamp};
use super::view::RecoveryMode;
use crate::id::{DbId, Generation, Pnn, Term};
use crate::machine::Effects;
use crate::notice::Notice;
use crate::record;
use crate::time::Instant;
use alloc::vec::Vec;

/// Highest number of a generation that is accepted; two thousand million recoveries lie between the first one of a
/// cluster and this one.
pub(super) const NUMBER_MAX: u32 = 0xffff_0000;

/// This node's part in the composition.
#[derive(Clone, Debug)]
pub(super) struct Member {
    own: Pnn,
    composition: Composition,
    /// Leadership that prepared `composition`.
    term: Term,
    mode: RecoveryMode,
    /// Highest generation heard of, from anyone.
    highest: Generation,
    rebuilt: Stamp,
    rebuilt_with: Vec<Pnn>,
    holds: Stamp,
    committed: Stamp,
    /// The composition of `committed`.
    served: Composition,
    suspended: bool,
    /// The next recovery must go through everything, whatever the marks say.
    damaged: bool,
    began: Option<Instant>,
    ended: Option<Instant>,
    databases: Vec<DbInfo>,
}

impl Member {
    /// Belongs to no composition.
    pub(super) fn new(own: Pnn) -> Self {
        Self {
            own,
            composition: nothing(),
            term: Term(0),
            mode: RecoveryMode::Active,
            highest: Generation::INVALID,
            rebuilt: Stamp::NONE,
            rebuilt_with: Vec::new(),
            holds: Stamp::NONE,
            committed: Stamp::NONE,
            served: nothing(),
            suspended: false,
            damaged: false,
            began: None,
            ended: None,
            databases: Vec::new(),
        }
    }

    /// The composition in force or being prepared.
    pub(super) const fn composition(&self) -> &Composition {
        &self.composition
    }

    /// Whether the composition is served.
    pub(super) const fn mode(&self) -> RecoveryMode {
        self.mode
    }

    /// The composition last completely recovered.
    pub(super) const fn committed(&self) -> Generation {
        self.committed.generation
    }

    /// The generation that is served, or [`Generation::INVALID`] during a recovery: a leader that missed
    /// the `Prepare` must see that this node waits for a recovery.
    pub(super) fn in_force(&self) -> Generation {
        match self.mode {
            RecoveryMode::Normal => self.composition.generation,
            RecoveryMode::Active => Generation::INVALID,
        }
    }

    /// Begin and end of the last recovery here.
    pub(super) const fn times(&self) -> (Option<Instant>, Option<Instant>) {
        (self.began, self.ended)
    }

    /// Databases open here.
    pub(super) fn set_databases(&mut self, databases: Vec<DbInfo>) {
        self.databases = databases;
    }

    /// A generation was heard of; an impossible one counts for nothing.
    pub(super) fn saw(&mut self, generation: Generation) {
        if generation.number <= NUMBER_MAX {
            self.highest = self.highest.max(generation);
        }
    }

    /// Highest generation heard of.
    pub(super) const fn highest(&self) -> Generation {
        self.highest
    }

    /// Takes no part any more; the marks stay, they still say how old the records here are.
    pub(super) fn suspend(&mut self, fx: &mut Effects<Effect>) {
        if self.suspended {
            return;
        }
        self.suspended = true;
        self.damaged = true;
        self.composition = nothing();
        fx.push(records(Recover::Suspend));
        self.set_mode(RecoveryMode::Active, fx);
    }

    /// What is here may not be what the directories say.
    pub(super) fn damage(&mut self) {
        self.damaged = true;
    }

    /// Whether the directories are those of the composition that was served to its end.
    fn is_intact(&self) -> bool {
        !self.damaged
            && self.committed != Stamp::NONE
            && self.holds == self.committed
            && self.rebuilt == self.committed
    }

    /// Whether a `Rebuild` does what was asked for here, perhaps after `Prepare` was answered.
    pub(super) fn suffices(&self, scope: &Scope, contributors: &[Pnn]) -> bool {
        *scope == Scope::Whole || !self.damaged || !contributors.contains(&self.own)
    }

    /// May take part again.
    pub(super) fn resume(&mut self) {
        self.suspended = false;
    }

    /// Stops serving the old composition; returns the answer to the leader.
    pub(super) fn prepare(
        &mut self,
        now: Instant,
        term: Term,
        composition: Composition,
        fx: &mut Effects<Effect>,
    ) -> MembershipMessage {
        let generation = composition.generation;
        let refused = generation <= self.highest_prepared();
        if !refused {
            self.saw(generation);
            self.term = term;
            // Repeats of one recovery count as one: addresses are dropped when it lasts too long.
            if self.mode == RecoveryMode::Normal || self.began <= self.ended {
                self.began = Some(now);
            }
            self.composition = composition.clone();
            fx.push(records(Recover::Prepare(composition)));
            self.set_mode(RecoveryMode::Active, fx);
        }
        let prepared = if refused {
            Stamp {
                term: self.term,
                generation: self.highest_prepared(),
            }
        } else {
            self.rebuilt
        };
        MembershipMessage::Prepared {
            generation,
            committed: self.holds,
            prepared,
            rebuilt_with: self.rebuilt_with.clone(),
            intact: self.is_intact().then(|| self.served.clone()),
            databases: self.databases.clone(),
        }
    }

    fn highest_prepared(&self) -> Generation {
        self.composition.generation.max(self.rebuilt.generation)
    }

    /// Rebuilds the directories.
    pub(super) fn rebuild(
        &mut self,
        generation: Generation,
        newest: Stamp,
        contributors: Vec<Pnn>,
        (scope, databases): (Scope, Vec<DbInfo>),
        fx: &mut Effects<Effect>,
    ) {
        if !self.is_recovering(generation) {
            return;
        }
        if contributors.contains(&self.own) {
            self.holds = newest;
        } else if self.holds != Stamp::NONE {
            fx.push(Effect::Log(Notice::StaleDataDropped {
                generation: self.holds.generation,
            }));
            self.holds = Stamp::NONE;
        }
        self.rebuilt = self.stamp();
        self.rebuilt_with.clone_from(&self.composition.members);
        if self.suffices(&scope, &contributors) {
            self.damaged = false;
        }
        fx.push(records(Recover::Rebuild {
            generation,
            contributors,
            scope,
            databases,
        }));
    }

    /// Serves one database.
    pub(super) fn serve(&mut self, generation: Generation, db: DbId, fx: &mut Effects<Effect>) {
        if self.is_recovering(generation) && self.rebuilt == self.stamp() {
            self.holds = self.stamp();
            fx.push(records(Recover::Serve { generation, db }));
        }
    }

    /// The recovery is over.
    pub(super) fn commit(
        &mut self,
        now: Instant,
        generation: Generation,
        fx: &mut Effects<Effect>,
    ) {
        if !self.is_recovering(generation) || self.rebuilt != self.stamp() {
            return;
        }
        self.holds = self.stamp();
        self.committed = self.stamp();
        self.served = self.composition.clone();
        self.ended = Some(now);
        fx.push(records(Recover::Commit { generation }));
        self.set_mode(RecoveryMode::Normal, fx);
        fx.push(Effect::Recovered(generation));
    }

    fn is_recovering(&self, generation: Generation) -> bool {
        !self.suspended
            && self.mode == RecoveryMode::Active
            && self.composition.generation == generation
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            term: self.term,
            generation: self.composition.generation,
        }
    }

    fn set_mode(&mut self, mode: RecoveryMode, fx: &mut Effects<Effect>) {
        if self.mode != mode {
            self.mode = mode;
            let mode = match mode {
                RecoveryMode::Normal => "NORMAL",
                RecoveryMode::Active => "ACTIVE",
            };
            fx.push(Effect::Log(Notice::RecoveryMode { mode: mode.into() }));
        }
    }
}

fn nothing() -> Composition {
    Composition {
        generation: Generation::INVALID,
        ..Composition::default()
    }
}

fn records(order: Recover) -> Effect {
    Effect::Records(record::io::Input::Recover(order))
}
