//! Carries out the effects of a record machine: everything but the machine itself and its timers.

use super::chains::Chains;
use super::content::{ContentStep, Contents, Progress};
use super::error::{OpenError, RecordError};
use super::locks::LockWatch;
use super::message::{Commit, VacuumDb};
use super::ops::ChainOp;
use super::replica::{Answers, Replicas, Work};
use super::store::{Database, Store};
use super::vacuum::Vacuums;
use super::walk::{Goal, Slice, Walk};
use super::{CallDone, DataOut};
use crate::clock::Clock;
use crate::fatal::Fatal;
use crate::log::{notice, text};
use crate::post::Slot;
use ctdb_protocol::id::{DbId, Generation, Pnn};
use ctdb_protocol::membership;
use ctdb_protocol::membership::io::Recover;
use ctdb_protocol::notice::{Level, Notice, ShownDb};
use ctdb_protocol::record::holdings::Holdings;
use ctdb_protocol::record::io::{Effect, Input};
use ctdb_protocol::record::local::LocalOp;
use ctdb_protocol::record::replica::io::{CommitId, Request};
use ctdb_protocol::record::vacuum::VacuumReport;
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_protocol::wire::message::{DataMessage, DbKind};
use ctdb_tdb::Turn;
use slog::Logger;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Where a shard sends what is not for itself.
pub struct Wiring {
    /// The peers.
    pub links: Box<dyn DataOut>,
    /// The sessions of local clients. Called on the shard's thread: it must not wait.
    pub call_done: Box<dyn FnMut(CallDone) + Send>,
    /// Membership.
    pub membership: Slot<membership::io::Input>,
    /// The log.
    pub log: Logger,
    /// The watch over locks.
    pub locks: LockWatch,
}

/// Pause of a walk when all that is left waits for somebody; as long as that of an operation.
const WALK_PAUSE: Duration = super::chains::PAUSE_MAX;

/// The shell of one shard.
pub(super) struct Shell {
    pub(super) store: Store,
    pub(super) chains: Chains,
    pub(super) walks: VecDeque<Walk>,
    /// Databases that the machine wants open; taken by the actor, which can wait for the files.
    pub(super) wanted: Vec<(String, DbKind)>,
    pub(super) replicas: Replicas,
    contents: Contents,
    vacuums: Vacuums,
    /// What clients committed and nobody answered yet.
    commits: BTreeMap<CommitId, oneshot::Sender<Result<i32, RecordError>>>,
    last_commit: u64,
    /// For threads of databases; there once the actor has an address.
    answers: Option<Answers>,
    wiring: Wiring,
    clock: Clock,
    own: Pnn,
}

impl Shell {
    pub(super) fn new(store: Store, wiring: Wiring, clock: Clock) -> Self {
        let own = store.config().own;
        let chains = Chains::new(own, &wiring.log, &wiring.locks);
        let (walks, wanted) = (VecDeque::new(), Vec::new());
        Self {
            store,
            chains,
            walks,
            wanted,
            replicas: Replicas::default(),
            contents: Contents::default(),
            vacuums: Vacuums::default(),
            commits: BTreeMap::new(),
            last_commit: 0,
            answers: None,
            wiring,
            clock,
            own,
        }
    }

    /// The part of an input that concerns this shard: membership tells all shards of all databases.
    pub(super) fn concern(&mut self, input: Input) -> Option<Input> {
        if let Input::Recover(Recover::Prepare(_) | Recover::Suspend) = &input {
            self.end_replacements();
        }
        match &input {
            Input::SetReadonly { db } => self.store.table().set_readonly(*db),
            Input::SetSticky { db, .. } => self.store.table().set_sticky(*db),
            _ => {}
        }
        let config = self.store.config();
        match input {
            Input::Recover(Recover::Rebuild {
                generation,
                contributors,
                scope,
                mut databases,
            }) => {
                databases.retain(|info| config.is_ours(info.id));
                Some(Input::Recover(Recover::Rebuild {
                    generation,
                    contributors,
                    scope,
                    databases,
                }))
            }
            Input::Recover(Recover::Serve { db, .. }) if !config.is_ours(db) => None,
            other => Some(other),
        }
    }

    /// Carries out one effect; what is known at once is appended to `answers`.
    pub(super) fn carry(&mut self, effect: Effect, answers: &mut VecDeque<Input>) {
        match effect {
            Effect::Local { db, key, op } => {
                let counters = self.wiring.locks.counters();
                match op {
                    LocalOp::Delegate => counters.delegates(db),
                    LocalOp::EndDelegations => counters.revokes(db),
                    _ => {}
                }
                self.submit(db, key, ChainOp::Machine(op), answers);
            }
            Effect::Send { peer, message } => {
                self.wiring
                    .links
                    .send_data(peer, DataMessage::Record(message));
            }
            Effect::Reply { call, data } => (self.wiring.call_done)(CallDone { call, data }),
            Effect::Scan { generation, db } => self.walk(db, generation, Goal::Scan, answers),
            Effect::Wipe { generation, db } => {
                let goal = |generation| Goal::Wipe(generation, VecDeque::new());
                self.walk(db, generation, goal, answers);
            }
            Effect::Sift { db, run } => self.sift(db, run, answers),
            Effect::Vacuumed { db, report } => {
                let took = self.vacuums.done(db, report, self.clock.now(), answers);
                self.wiring.locks.counters().vacuumed(db, took);
            }
            Effect::Open { name, kind } => self.wanted.push((name, kind)),
            Effect::Ready {
                generation,
                db,
                whole,
            } => {
                let ready = membership::io::Input::Ready {
                    generation,
                    db,
                    whole,
                };
                self.wiring.membership.send(ready);
            }
            Effect::Replica { db, id, job } => self.replicas.job(db, id, job, answers),
            Effect::CommitDone { commit, status } => {
                if let Some(answer) = self.commits.remove(&commit) {
                    // The client may be gone.
                    drop(answer.send(Ok(status)));
                }
            }
            Effect::WantRecovery { reason } => self.want_recovery(reason),
            Effect::Log(text) => notice(&self.wiring.log, &text),
        }
    }

    /// Does an operation on a record now, or when its chain is free.
    pub(super) fn submit(
        &mut self,
        db: DbId,
        key: Bytes,
        op: ChainOp,
        answers: &mut VecDeque<Input>,
    ) {
        if self.replicas.has(db) {
            return self.replicas.submit(db, key, op, answers);
        }
        // An operation that runs at once needs no clock, so it is read only when something waits.
        let now = self.clock.now();
        self.chains.submit(&self.store, (db, key), op, now, answers);
    }

    /// Tries again what waits for clients.
    pub(super) fn retry(&mut self, answers: &mut VecDeque<Input>) {
        self.chains.retry(&self.store, self.clock.now(), answers);
    }

    pub(super) const fn locks(&self) -> &LockWatch {
        &self.wiring.locks
    }

    /// Logs that held chains are tried again and again.
    pub(super) fn has_no_waiter(&self, error: &io::Error) {
        let said = format_args!("Record locks are polled: {error}");
        text(&self.wiring.log, Level::Notice, said);
    }

    /// Does what waits for a chain whose turn has come.
    pub(super) fn turn(&mut self, turn: Turn, answers: &mut VecDeque<Input>) {
        let now = self.clock.now();
        self.chains.turn(&self.store, turn, now, answers);
    }

    /// Starts a walk for the machine; those of older compositions end.
    fn walk(
        &mut self,
        db: DbId,
        generation: Generation,
        goal: impl FnOnce(Generation) -> Goal,
        answers: &mut VecDeque<Input>,
    ) {
        self.walks
            .retain(|walk| walk.db() != db || !walk.is_older_than(generation));
        let goal = goal(generation);
        match (self.store.get(db), goal) {
            (Some(database), goal) => self.walks.push_back(Walk::new(database, goal)),
            // A database that is not here holds nothing.
            (None, Goal::Scan(_)) => {
                let (holdings, done) = (Holdings::new(), true);
                answers.push_back(Input::Scanned {
                    generation,
                    db,
                    holdings,
                    done,
                });
            }
            (None, _) => answers.push_back(Input::Wiped { generation, db }),
        }
    }

    /// Begins a vacuum run.
    pub(super) fn vacuum(
        &mut self,
        request: VacuumDb,
        answer: oneshot::Sender<Result<VacuumReport, RecordError>>,
        inputs: &mut VecDeque<Input>,
    ) {
        // The machine knows no others.
        if let Err(error) = self.store.expect(request.db) {
            return drop(answer.send(Err(error)));
        }
        self.vacuums.ask(request, answer, self.clock.now(), inputs);
    }

    /// Looks for empty records; those of older runs are of no use any more.
    fn sift(&mut self, db: DbId, run: u64, answers: &mut VecDeque<Input>) {
        self.walks.retain(|walk| walk.db() != db || !walk.is_sift());
        if let Some(database) = self.store.get(db) {
            let walk = Walk::new(database, Goal::Sift(run));
            self.walks.push_back(walk);
        } else {
            let (graves, done) = (Vec::new(), true);
            answers.push_back(Input::Sifted {
                db,
                run,
                graves,
                done,
            });
        }
    }

    /// Shows a database to somebody.
    pub(super) fn traverse(
        &mut self,
        db: DbId,
        with_empty: bool,
        sink: Box<dyn super::TraverseSink>,
    ) -> Result<(), RecordError> {
        if self.replicas.has(db) {
            let sent = self.replicas.send(db, Work::Walk(sink));
            return sent.map_err(|refused| refused.1);
        }
        let walk = Walk::new(self.store.expect(db)?, Goal::Traverse(with_empty, sink));
        self.walks.push_back(walk);
        Ok(())
    }

    /// Does one slice of the walk whose turn it is. Answers how long to wait before the next slice;
    /// `None` if no walk is left.
    pub(super) fn slice(&mut self, answers: &mut VecDeque<Input>) -> Option<Duration> {
        for _ in 0..self.walks.len() {
            let mut walk = self.walks.pop_front()?;
            let Some(database) = self.store.get(walk.db()) else {
                continue;
            };
            if self.contents.is_frozen(walk.db()) {
                self.walks.push_back(walk);
                continue;
            }
            let (slice, error) = walk.slice(database, self.own, answers);
            if let Some(error) = error {
                self.chains.log_fault(database, &error, self.clock.now());
            }
            if slice == Slice::Pause {
                self.wiring.locks.walk_waits(walk.db());
            }
            if slice != Slice::Done {
                self.walks.push_back(walk);
            }
            if slice != Slice::Pause {
                return (!self.walks.is_empty()).then_some(Duration::ZERO);
            }
        }
        (!self.walks.is_empty()).then_some(WALK_PAUSE)
    }

    /// Takes an open database in and tells the machine and membership.
    pub(super) fn opened(&mut self, mut database: Database, answers: &mut VecDeque<Input>) {
        if let Some(set_aside) = database.take_notice() {
            notice(&self.wiring.log, &set_aside);
        }
        let (db, kind) = (database.entry().id, database.entry().kind);
        let name = database.entry().name.clone();
        self.wiring.locks.opened(&database);
        let membership = &self.wiring.membership;
        self.store.insert(database, |list| {
            membership.send(membership::io::Input::Databases(list));
        });
        notice(
            &self.wiring.log,
            &Notice::DatabaseAttached {
                name,
                db: ShownDb(db),
            },
        );
        self.employ();
        answers.push_back(Input::Opened { db, kind });
    }

    /// Gives each database whose content is replicated a thread of its own.
    fn employ(&mut self) {
        let Some(answers) = &self.answers else {
            return;
        };
        for mut database in self.store.take_replicas() {
            if let Some(set_aside) = database.take_notice() {
                notice(&self.wiring.log, &set_aside);
            }
            self.replicas.employ(database, answers.clone());
        }
    }

    /// Does one step of replacing a content.
    pub(super) fn content_step(
        &mut self,
        db: DbId,
        step: ContentStep,
        answer: oneshot::Sender<Result<Progress, RecordError>>,
    ) {
        if self.replicas.has(db) {
            return self.replica_step(db, step, answer);
        }
        // A requester that is gone is no error.
        drop(answer.send(self.volatile_step(db, step)));
    }

    fn replica_step(
        &mut self,
        db: DbId,
        step: ContentStep,
        answer: oneshot::Sender<Result<Progress, RecordError>>,
    ) {
        let work = match step {
            ContentStep::Freeze => {
                self.contents.freeze(db);
                Work::Freeze(true, answer)
            }
            ContentStep::Thaw => {
                self.contents.thaw(db);
                Work::Freeze(false, answer)
            }
            ContentStep::Commit(tid) => match self.contents.replacement(db, tid) {
                Ok(replacement) => Work::Replace(replacement, answer),
                Err(error) => return drop(answer.send(Err(error))),
            },
            step => return drop(answer.send(self.contents.note(db, step))),
        };
        if let Err(refused) = self.replicas.send(db, work) {
            let (work, error) = *refused;
            if let Work::Freeze(_, answer) | Work::Replace(_, answer) = work {
                drop(answer.send(Err(error)));
            }
        }
    }

    fn volatile_step(&mut self, db: DbId, step: ContentStep) -> Result<Progress, RecordError> {
        let database = self.store.expect(db)?;
        match step {
            ContentStep::Freeze if self.contents.is_frozen(db) => Ok(Progress::Done(0)),
            ContentStep::Freeze => {
                if !database.tdb().lock_all_nonblock()? {
                    return Ok(Progress::Again);
                }
                self.contents.freeze(db);
                self.chains.freeze(db, true);
                Ok(Progress::Done(0))
            }
            ContentStep::Thaw => {
                if let Some(changed) = self.contents.thaw(db) {
                    self.chains.freeze(db, false);
                    database.tdb().unlock_all()?;
                    if changed {
                        let name = database.entry().name.clone();
                        self.want_recovery(format!("the content of {name} was replaced"));
                    }
                }
                Ok(Progress::Done(0))
            }
            ContentStep::Commit(tid) => self.contents.store(database, tid),
            step => self.contents.note(db, step),
        }
    }

    /// A recovery finds out anew what every node has: nothing may be half replaced.
    fn end_replacements(&mut self) {
        for db in self.contents.take_all() {
            if let Some(database) = self.store.get(db) {
                self.chains.freeze(db, false);
                if let Err(error) = database.tdb().unlock_all() {
                    self.chains.log_fault(database, &error, self.clock.now());
                }
            } else {
                let (answer, _) = oneshot::channel();
                // A thread that is too far behind is told by the recovery's own jobs.
                let _ = self.replicas.send(db, Work::Freeze(false, answer));
            }
        }
    }

    fn want_recovery(&self, reason: String) {
        let request = membership::io::Request::Recover { reason };
        let membership = &self.wiring.membership;
        membership.send(membership::io::Input::Request(request));
    }

    /// Begins a client's transaction.
    pub(super) fn commit(
        &mut self,
        Commit {
            db,
            changes,
            patience,
        }: Commit,
        answer: oneshot::Sender<Result<i32, RecordError>>,
        inputs: &mut VecDeque<Input>,
    ) {
        if !self.replicas.has(db) {
            return drop(answer.send(Err(RecordError::NoDatabase(db))));
        }
        self.last_commit += 1;
        let commit = CommitId(self.last_commit);
        self.commits.insert(commit, answer);
        let until = self.clock.now() + patience;
        let request = Request::Commit {
            commit,
            changes,
            until,
        };
        inputs.push_back(Input::Replica { db, request });
    }

    /// Logs that a database could not be opened.
    pub(super) fn not_opened(&self, name: &str, error: &OpenError) {
        let (name, reason) = (name.to_owned(), error.to_string());
        notice(&self.wiring.log, &Notice::DatabaseFailed { name, reason });
    }

    /// Lets a database go and ends all that was under way in it.
    pub(super) fn close(&mut self, db: DbId, answers: &mut VecDeque<Input>) -> Option<Database> {
        let membership = &self.wiring.membership;
        let publish = |list| membership.send(membership::io::Input::Databases(list));
        let database = self.store.remove(db, publish)?;
        self.wiring.locks.closed(db);
        self.chains.forget(db, answers);
        self.vacuums.forget(db);
        for walk in std::mem::take(&mut self.walks) {
            if walk.db() == db {
                walk.abandon();
            } else {
                self.walks.push_back(walk);
            }
        }
        answers.push_back(Input::Closed { db });
        Some(database)
    }

    /// Tells the machine and membership what is open from the start.
    pub(super) fn announce(
        &mut self,
        feed: impl Fn(Input) + Send + Sync + 'static,
        fatal: &Fatal,
        answers: &mut VecDeque<Input>,
    ) {
        for database in self.store.iter() {
            let (db, kind) = (database.entry().id, database.entry().kind);
            self.wiring.locks.opened(database);
            answers.push_back(Input::Opened { db, kind });
        }
        self.answers = Some(Answers {
            feed: Arc::new(feed),
            own: self.own,
            health: self.store.config().health.clone(),
            log: self.wiring.log.clone(),
            fatal: fatal.clone(),
        });
        self.employ();
        let membership = &self.wiring.membership;
        let publish = |list| membership.send(membership::io::Input::Databases(list));
        self.store.table().publish(publish);
    }
}
