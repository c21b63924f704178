//! The record machine of one shard of databases: requester, lmaster and dmaster in one.
//!
//! Invariants:
//! * one record of a volatile database has at most one dmaster among the members of a composition;
//! * a message of another composition changes nothing;
//! * the newest copy that a member of the last composition holds survives a recovery.
//!
//! The shell feeds a shard only with what concerns its databases; `Prepare`, `Commit`, `Suspend`,
//! `PeerDown` and `Forget` go to all shards.

use super::change::Change;
use super::database::{Database, Phase};
use super::io::{CallId, Effect, Input};
use super::message::{RecordBody, RecordMessage};
use super::outlet::{Outlet, Wakes};
use super::replica::message::ReplicaMessage;
use crate::id::{DbId, Generation, Pnn};
use crate::limits::DATABASES_MAX;
use crate::machine::{Effects, Machine};
use crate::membership::io::Recover;
use crate::membership::message::{Composition, DbInfo, Scope};
use crate::notice::Notice;
use crate::rng::Rng;
use crate::time::Instant;
use crate::timing::Timing;
use crate::wire::bytes::Bytes;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

/// Most messages kept of a composition that this node was not prepared for yet; each has up to
/// [`crate::limits::DIRECTORY_BATCH`] records.
pub(super) const AHEAD_MAX: usize = 16_384;

/// The machine.
#[derive(Debug)]
pub struct RecordMachine {
    own: Pnn,
    timing: Timing,
    rng: Rng,
    composition: Composition,
    /// The composition is completely served.
    committed: bool,
    /// The last composition that was served to its end, as long as its directories are here.
    before: Option<Generation>,
    /// A rebuild began since.
    is_rebuilt: bool,
    suspended: bool,
    databases: BTreeMap<DbId, Database>,
    /// Parts of directories that overtook their `Prepare`, which travels on another link.
    ahead: Vec<(Pnn, RecordMessage)>,
    loopback: VecDeque<RecordMessage>,
    wakes: Wakes,
}

impl RecordMachine {
    /// A machine of node `own` that serves nothing until its first `Prepare`.
    pub fn new(own: Pnn, timing: Timing, seed: u64) -> Self {
        Self {
            own,
            timing,
            rng: Rng::new(seed),
            composition: Composition {
                generation: Generation::INVALID,
                ..Composition::default()
            },
            committed: false,
            before: None,
            is_rebuilt: false,
            suspended: true,
            databases: BTreeMap::new(),
            ahead: Vec::new(),
            loopback: VecDeque::new(),
            wakes: Wakes::new(),
        }
    }

    fn on_input(&mut self, now: Instant, input: Input, effects: &mut Effects<Effect>) {
        match input {
            Input::Recover(recover) => self.on_recover(now, recover, effects),
            Input::Message { peer, message } => self.on_message(now, peer, message, effects),
            Input::PeerDown { peer } => {
                self.each(now, effects, |database, out| {
                    database.on_peer_down(peer, out);
                });
            }
            Input::Forget { calls } => {
                let calls: BTreeSet<CallId> = calls.into_iter().collect();
                self.each(now, effects, |database, out| database.forget(&calls, out));
            }
            Input::Opened { db, kind } => {
                let committed = self.committed;
                self.on_one(now, db, effects, |database, out| {
                    database.on_opened(kind, out);
                    if committed && database.fresh && database.phase == Phase::Closed {
                        database.serve_new(out);
                    }
                });
            }
            Input::Closed { db } => {
                self.databases.remove(&db);
            }
            Input::Timeout => self.on_timeout(now, effects),
            Input::Call { db, .. }
            | Input::SetReadonly { db }
            | Input::SetSticky { db, .. }
            | Input::Local { db, .. }
            | Input::Replica { db, .. }
            | Input::Schedule { db, .. }
            | Input::Vacuum { db, .. }
            | Input::Sifted { db, .. } => {
                let generation = self.composition.generation;
                self.on_known(now, db, generation, input, effects);
            }
            Input::Scanned { generation, db, .. } | Input::Wiped { generation, db } => {
                self.on_known(now, db, generation, input, effects);
            }
        }
    }

    fn on_recover(&mut self, now: Instant, recover: Recover, effects: &mut Effects<Effect>) {
        match recover {
            Recover::Prepare(composition) => self.on_prepare(now, composition, effects),
            Recover::Rebuild {
                generation,
                contributors,
                scope,
                databases,
            } => {
                if self.takes_part(generation) {
                    self.on_rebuild(now, contributors, scope, databases, effects);
                }
            }
            Recover::Serve { generation, db } => {
                if self.takes_part(generation) {
                    self.on_one(now, db, effects, Database::serve);
                }
            }
            Recover::Commit { generation } => {
                if self.takes_part(generation) {
                    self.committed = true;
                    self.each(now, effects, |database, out| {
                        let is_new = database.fresh && database.opened;
                        if is_new && database.phase == Phase::Closed {
                            database.serve_new(out);
                        }
                    });
                }
            }
            Recover::Suspend => {
                self.suspended = true;
                self.committed = false;
                self.before = None;
                self.each(now, effects, |database, out| {
                    database.close(out);
                    database.forget_composition();
                });
            }
        }
    }

    fn takes_part(&self, generation: Generation) -> bool {
        !self.suspended && generation == self.composition.generation
    }

    fn on_prepare(&mut self, now: Instant, composition: Composition, fx: &mut Effects<Effect>) {
        self.suspended = !composition.members.contains(&self.own);
        let last = core::mem::replace(&mut self.composition, composition).generation;
        if core::mem::take(&mut self.committed) {
            self.before = Some(last);
        } else if self.is_rebuilt {
            self.before = None;
        }
        self.is_rebuilt = false;
        self.each(now, fx, Database::close);
        self.each(now, fx, Database::advance_all);
        for (peer, message) in core::mem::take(&mut self.ahead) {
            self.on_message(now, peer, message, fx);
        }
    }

    fn on_rebuild(
        &mut self,
        now: Instant,
        contributors: Vec<Pnn>,
        scope: Scope,
        databases: Vec<DbInfo>,
        fx: &mut Effects<Effect>,
    ) {
        let contributes = contributors.contains(&self.own);
        let change = match scope {
            Scope::Touched(before) => {
                if contributes && self.before != Some(before.generation) {
                    let reason = "a node does not know the directories of the composition before";
                    return fx.push(Effect::WantRecovery {
                        reason: reason.into(),
                    });
                }
                Some(Change::new(before, contributors.into_iter().collect()))
            }
            Scope::Whole => {
                self.before = None;
                None
            }
        };
        self.is_rebuilt = true;
        for info in databases {
            self.on_one(now, info.id, fx, |database, out| {
                database.begin_rebuild(info, contributes, change.as_ref(), out);
            });
        }
    }

    fn on_message(
        &mut self,
        now: Instant,
        peer: Pnn,
        message: RecordMessage,
        effects: &mut Effects<Effect>,
    ) {
        if !self.takes_part(message.generation) {
            return self.keep_ahead(peer, message, effects);
        }
        if self.composition.members.contains(&peer) {
            self.on_one(now, message.db, effects, |database, out| {
                database.on_message(peer, message.body, out);
            });
        }
    }

    /// Keeps a part of a directory for a `Prepare` to come; everything else of another composition is
    /// dropped, because nobody asks before all members have told what they hold.
    fn keep_ahead(&mut self, peer: Pnn, message: RecordMessage, effects: &mut Effects<Effect>) {
        let is_directory = matches!(
            message.body,
            RecordBody::Directory { .. }
                | RecordBody::DirectoryEnd
                | RecordBody::Replica(ReplicaMessage::Tell { .. })
        ) || message.body.is_about_change();
        if !is_directory || message.generation <= self.composition.generation {
            return;
        }
        if self.ahead.len() < AHEAD_MAX {
            self.ahead.push((peer, message));
        } else if self.ahead.len() == AHEAD_MAX {
            effects.push(Effect::Log(Notice::QueueFull {
                connection: String::from("directories of a composition to come"),
                queued: AHEAD_MAX as u64,
            }));
        }
    }

    fn on_timeout(&mut self, now: Instant, effects: &mut Effects<Effect>) {
        while let Some((at, db, key)) = self.wakes.pop_first() {
            if at > now {
                self.wakes.insert((at, db, key));
                return;
            }
            let (databases, mut out) = self.split(now, effects);
            if let Some(database) = databases.get_mut(&db) {
                database.on_wake(&key, &mut out);
            }
        }
    }

    /// For a database that is here; what a client asks of another one is not answered.
    fn on_known(
        &mut self,
        now: Instant,
        db: DbId,
        generation: Generation,
        input: Input,
        effects: &mut Effects<Effect>,
    ) {
        let (databases, mut out) = self.split(now, effects);
        if let Some(database) = databases.get_mut(&db) {
            database.input(generation, input, &mut out);
        }
    }

    /// For a database that may become known by this.
    fn on_one(
        &mut self,
        now: Instant,
        db: DbId,
        effects: &mut Effects<Effect>,
        act: impl FnOnce(&mut Database, &mut Outlet<'_>),
    ) {
        let (databases, mut out) = self.split(now, effects);
        if databases.len() < DATABASES_MAX || databases.contains_key(&db) {
            let database = databases.entry(db).or_insert_with(|| Database::new(db));
            act(database, &mut out);
        }
    }

    fn each(
        &mut self,
        now: Instant,
        effects: &mut Effects<Effect>,
        mut act: impl FnMut(&mut Database, &mut Outlet<'_>),
    ) {
        let (databases, mut out) = self.split(now, effects);
        for database in databases.values_mut() {
            act(database, &mut out);
        }
    }

    fn split<'a>(
        &'a mut self,
        now: Instant,
        effects: &'a mut Effects<Effect>,
    ) -> (&'a mut BTreeMap<DbId, Database>, Outlet<'a>) {
        let out = Outlet {
            own: self.own,
            now,
            timing: &self.timing,
            composition: &self.composition,
            suspended: self.suspended,
            committed: self.committed,
            rng: &mut self.rng,
            loopback: &mut self.loopback,
            wakes: &mut self.wakes,
            effects,
        };
        (&mut self.databases, out)
    }
}

impl Machine for RecordMachine {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, now: Instant, input: Input, effects: &mut Effects<Effect>) {
        self.on_input(now, input, effects);
        while let Some(message) = self.loopback.pop_front() {
            self.on_message(now, self.own, message, effects);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.wakes
            .first()
            .map(|(at, _, _): &(Instant, DbId, Bytes)| *at)
    }
}
