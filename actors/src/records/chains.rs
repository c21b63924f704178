//! Operations on single records, in the order of their arrival per chain.
//!
//! An operation whose chain is free is done at once. If a client holds the chain, the operation waits,
//! and later ones for the same chain wait behind it: an operation never overtakes another one on the
//! same key. Who waits for the chain is one thread for all ([`ChainWaiter`]); what it then grants is used
//! for a batch of operations. Where the file has no mutexes or the kernel can't wait for many, the chain
//! is tried again after a pause that grows to [`PAUSE_MAX`].
//!
//! Invariants: an operation is in `busy` or was answered; a chain in `busy` has at least one operation;
//! `tickets` has the queues of `busy` that wait for a grant.

use super::counters::DbCounters;
use super::error::RecordError;
use super::locks::LockWatch;
use super::ops::{ChainOp, Performed, perform};
use super::store::{Database, Store};
use crate::log::notice;
use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::notice::Notice;
use ctdb_protocol::record::io::Input;
use ctdb_protocol::record::local::LocalOutcome;
use ctdb_protocol::time::Instant;
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_tdb::{ChainWaiter, Grant, Turn, Wanted};
use slog::Logger;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Most operations that wait for clients. The machine has a few per record in motion, so this is far
/// off; an operation beyond fails like a full disk.
pub(super) const WAITING_MAX: usize = 262_144;
/// Pauses between tries for a chain that a client holds; the last one repeats.
const PAUSES: [Duration; 6] = [
    Duration::from_micros(200),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    PAUSE_MAX,
];
/// Longest pause between tries.
pub(super) const PAUSE_MAX: Duration = Duration::from_millis(10);
/// A held chain is watched for so long before the operation waits: less than waking a thread takes.
const SPIN: Duration = Duration::from_micros(20);
/// Pauses of the processor between two looks.
const SPIN_LOOKS: u32 = 8;
/// A chain that is to be granted is tried all the same after so long: should the thread have failed.
const GRANT_PAUSE: Duration = Duration::from_millis(500);
/// The watch over locks hears of a chain that is held so long.
const WATCH_AFTER: Duration = Duration::from_millis(20);
/// Most operations under one grant: then clients that wait have their turn.
const BATCH_MAX: usize = 64;
/// Shortest time between two records in the log about files that fail.
const FAULT_LOG_PAUSE: Duration = Duration::from_secs(1);

/// An operation that waits.
#[derive(Debug)]
struct Parked {
    key: Bytes,
    op: ChainOp,
    since: Instant,
}

/// Watches a held chain for a moment: mostly its holder is done before another thread could be woken.
fn is_soon_free(database: &Database, chain: u32) -> bool {
    let Some(mutexes) = database.mutexes() else {
        return false;
    };
    let begin = std::time::Instant::now();
    while mutexes.blocker(chain).is_some() {
        if begin.elapsed() >= SPIN {
            return false;
        }
        for _ in 0..SPIN_LOOKS {
            std::hint::spin_loop();
        }
    }
    true
}

/// Operations that wait for one chain.
#[derive(Debug)]
struct Queue {
    ops: VecDeque<Parked>,
    since: Instant,
    /// Under which a grant will come.
    ticket: Option<u64>,
    /// A grant can't come, or is no use.
    is_refused: bool,
    tries: usize,
    next_try: Instant,
    is_watched: bool,
}

impl Queue {
    fn new(now: Instant, ticket: Option<u64>) -> Self {
        let mut queue = Self {
            ops: VecDeque::new(),
            since: now,
            ticket,
            is_refused: false,
            tries: 0,
            next_try: now,
            is_watched: false,
        };
        queue.pause(now);
        queue
    }

    fn pause(&mut self, now: Instant) {
        let pause = match self.ticket {
            Some(_) if !self.is_watched => WATCH_AFTER,
            Some(_) => GRANT_PAUSE,
            None => PAUSES[self.tries.min(PAUSES.len() - 1)],
        };
        self.tries += 1;
        self.next_try = now + pause;
    }
}

/// All operations of one shard.
#[derive(Debug)]
pub(super) struct Chains {
    own: Pnn,
    log: Logger,
    watch: LockWatch,
    counters: DbCounters,
    waiter: Option<ChainWaiter>,
    busy: BTreeMap<(DbId, u32), Queue>,
    /// Databases that this thread has locked as a whole so that nobody changes them, itself included.
    frozen: BTreeSet<DbId>,
    tickets: BTreeMap<u64, (DbId, u32)>,
    last_ticket: u64,
    waiting: usize,
    earliest: Option<Instant>,
    next_fault_log: Instant,
}

impl Chains {
    pub(super) fn new(own: Pnn, log: &Logger, watch: &LockWatch) -> Self {
        Self {
            own,
            log: log.clone(),
            watch: watch.clone(),
            counters: watch.counters().clone(),
            waiter: None,
            busy: BTreeMap::new(),
            frozen: BTreeSet::new(),
            tickets: BTreeMap::new(),
            last_ticket: 0,
            waiting: 0,
            earliest: None,
            next_fault_log: Instant::ZERO,
        }
    }

    /// From now on `waiter` waits for chains; what it says must come to [`Chains::turn`].
    pub(super) fn use_waiter(&mut self, waiter: ChainWaiter) {
        self.waiter = Some(waiter);
    }

    /// Holds operations on `db` back, or goes on with them as their chains are granted.
    pub(super) fn freeze(&mut self, db: DbId, frozen: bool) {
        if frozen {
            self.frozen.insert(db);
        } else {
            self.frozen.remove(&db);
        }
    }

    /// When [`Chains::retry`] has something to do.
    pub(super) const fn next_try(&self) -> Option<Instant> {
        self.earliest
    }

    /// Does `op` now, or as soon as its chain is free.
    pub(super) fn submit(
        &mut self,
        store: &Store,
        (db, key): (DbId, Bytes),
        op: ChainOp,
        now: Instant,
        answers: &mut VecDeque<Input>,
    ) {
        let Some(database) = store.get(db) else {
            return op.fail(db, key, RecordError::NoDatabase(db), answers);
        };
        let chain = database.chain(&key);
        if !op.waits() {
            return self.try_once(database, (key, op), now, answers);
        }
        let back = if self.busy.contains_key(&(db, chain)) {
            Some((key, op))
        } else {
            match self.run(database, (key, op), None, now, answers) {
                Some((key, op)) if is_soon_free(database, chain) => {
                    self.run(database, (key, op), None, now, answers)
                }
                back => back,
            }
        };
        if let Some((key, op)) = back {
            self.park(database, key, op, now, answers);
        }
    }

    /// Does `op` unless somebody holds its chain or waits for it.
    fn try_once(
        &mut self,
        database: &Database,
        (key, op): (Bytes, ChainOp),
        now: Instant,
        answers: &mut VecDeque<Input>,
    ) {
        let db = database.entry().id;
        let is_waited_for = self.busy.contains_key(&(db, database.chain(&key)));
        let back = if is_waited_for {
            Some((key, op))
        } else {
            self.run(database, (key, op), None, now, answers)
        };
        if let Some((key, _)) = back {
            let outcome = LocalOutcome::Kept;
            answers.push_back(Input::Local { db, key, outcome });
        }
    }

    /// Tries the chains whose time has come, and empties those that are free.
    pub(super) fn retry(&mut self, store: &Store, now: Instant, answers: &mut VecDeque<Input>) {
        let due =
            |(place, queue): (&(DbId, u32), &Queue)| (queue.next_try <= now).then_some(*place);
        let places: Vec<_> = self.busy.iter().filter_map(due).collect();
        for place in places {
            let Some(queue) = self.busy.get_mut(&place) else {
                continue;
            };
            if queue.ticket.is_some() && now.since(queue.since) < GRANT_PAUSE {
                self.watch_only(place, now);
            } else {
                self.work(store, place, None, now, answers);
            }
        }
        self.set_earliest();
    }

    /// Does what waits for a chain that was granted.
    pub(super) fn turn(
        &mut self,
        store: &Store,
        turn: Turn,
        now: Instant,
        answers: &mut VecDeque<Input>,
    ) {
        let (ticket, grant) = match turn {
            Turn::Granted(grant) => (grant.ticket(), Some(grant)),
            Turn::Refused(ticket) => (ticket, None),
        };
        // Without a queue nobody wants the grant any more, which is dropped then.
        let Some(place) = self.tickets.remove(&ticket) else {
            return;
        };
        if let Some(queue) = self.busy.get_mut(&place) {
            queue.ticket = None;
            queue.is_refused = grant.is_none();
        }
        self.work(store, place, grant, now, answers);
        self.set_earliest();
    }

    /// Ends all operations that wait for a database that goes away.
    pub(super) fn forget(&mut self, db: DbId, answers: &mut VecDeque<Input>) {
        let all = (db, 0)..=(db, u32::MAX);
        let gone: Vec<_> = self.busy.range(all).map(|(place, _)| *place).collect();
        for place in gone {
            let Some(mut queue) = self.busy.remove(&place) else {
                continue;
            };
            self.waiting -= queue.ops.len();
            while let Some(Parked { key, op, .. }) = queue.ops.pop_front() {
                self.counters.ends(db, None, queue.ops.is_empty());
                op.fail(db, key, RecordError::Detached, answers);
            }
            self.end(place, &queue);
        }
        self.counters.forget(db);
        self.set_earliest();
    }

    /// Logs that a file failed, but not for each of the many operations that then fail.
    pub(super) fn log_fault(&mut self, database: &Database, error: &ctdb_tdb::Error, now: Instant) {
        if now >= self.next_fault_log {
            self.next_fault_log = now + FAULT_LOG_PAUSE;
            let (name, reason) = (database.entry().name.clone(), error.to_string());
            notice(&self.log, &Notice::DatabaseFailed { name, reason });
        }
    }

    fn watch_only(&mut self, place: (DbId, u32), now: Instant) {
        if let Some(mut queue) = self.busy.remove(&place) {
            self.watch(place, &mut queue, now);
            queue.pause(now);
            self.busy.insert(place, queue);
        }
    }

    /// Does what can be done of a queue.
    fn work(
        &mut self,
        store: &Store,
        place: (DbId, u32),
        grant: Option<Grant>,
        now: Instant,
        answers: &mut VecDeque<Input>,
    ) {
        let Some(mut queue) = self.busy.remove(&place) else {
            return;
        };
        let before = queue.ops.len();
        self.waiting -= before;
        self.drain(store, place.0, &mut queue, grant.as_ref(), now, answers);
        // It is not the chain that keeps them, but the freelist.
        queue.is_refused |= grant.is_some() && queue.ops.len() == before;
        // Before it is asked for again: the chain is released first.
        drop(grant);
        if queue.ops.is_empty() {
            return self.end(place, &queue);
        }
        if let (None, false, Some(database)) = (queue.ticket, queue.is_refused, store.get(place.0))
        {
            queue.ticket = self.ask(database, place.1);
        }
        self.watch(place, &mut queue, now);
        queue.pause(now);
        self.waiting += queue.ops.len();
        self.busy.insert(place, queue);
    }

    fn drain(
        &mut self,
        store: &Store,
        db: DbId,
        queue: &mut Queue,
        grant: Option<&Grant>,
        now: Instant,
        answers: &mut VecDeque<Input>,
    ) {
        for _ in 0..BATCH_MAX {
            let Some(Parked { key, op, since }) = queue.ops.pop_front() else {
                return;
            };
            let is_last = queue.ops.is_empty();
            let Some(database) = store.get(db) else {
                self.counters.ends(db, None, is_last);
                op.fail(db, key, RecordError::NoDatabase(db), answers);
                continue;
            };
            if let Some((key, op)) = self.run(database, (key, op), grant, now, answers) {
                queue.ops.push_front(Parked { key, op, since });
                return;
            }
            self.counters.ends(db, Some(now.since(since)), is_last);
        }
    }

    fn park(
        &mut self,
        database: &Database,
        key: Bytes,
        op: ChainOp,
        now: Instant,
        answers: &mut VecDeque<Input>,
    ) {
        let db = database.entry().id;
        if self.waiting >= WAITING_MAX {
            return op.fail(db, key, RecordError::TooManyWait, answers);
        }
        let place = (db, database.chain(&key));
        let is_first = !self.busy.contains_key(&place);
        if is_first {
            let ticket = self.ask(database, place.1);
            self.busy.insert(place, Queue::new(now, ticket));
        }
        let Some(queue) = self.busy.get_mut(&place) else {
            return;
        };
        let since = now;
        queue.ops.push_back(Parked { key, op, since });
        self.counters.waits(db, is_first);
        self.waiting += 1;
        let next_try = queue.next_try;
        let earliest = self.earliest.map_or(next_try, |at| at.min(next_try));
        self.earliest = Some(earliest);
    }

    /// Lets the thread wait for a chain, if it can.
    fn ask(&mut self, database: &Database, chain: u32) -> Option<u64> {
        let (waiter, mutexes) = (self.waiter.as_ref()?, database.mutexes()?);
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.tickets.insert(ticket, (database.entry().id, chain));
        waiter.want(Wanted {
            ticket,
            mutexes: Arc::clone(mutexes),
            chain,
        });
        Some(ticket)
    }

    /// Nothing waits for a chain any more.
    fn end(&mut self, (db, chain): (DbId, u32), queue: &Queue) {
        if queue.is_watched {
            self.watch.served(db, chain);
        }
        if let (Some(ticket), Some(waiter)) = (queue.ticket, &self.waiter) {
            self.tickets.remove(&ticket);
            waiter.forget(ticket);
        }
    }

    /// Tells the watch of a chain that is held for longer than work with a record takes.
    fn watch(&self, (db, chain): (DbId, u32), queue: &mut Queue, now: Instant) {
        let Some(first) = queue.ops.front() else {
            return;
        };
        if queue.is_watched && first.since != queue.since {
            queue.is_watched = false;
            self.watch.served(db, chain);
        }
        queue.since = first.since;
        let waited = now.since(queue.since);
        if !queue.is_watched && waited >= WATCH_AFTER {
            queue.is_watched = true;
            let since = std::time::Instant::now().checked_sub(waited);
            let since = since.unwrap_or_else(std::time::Instant::now);
            self.watch.waits(db, chain, first.key.clone(), since);
        }
    }

    fn set_earliest(&mut self) {
        self.earliest = self.busy.values().map(|queue| queue.next_try).min();
    }

    /// Does `op` if its chain is free or granted, otherwise gives it back.
    fn run(
        &mut self,
        database: &Database,
        (key, op): (Bytes, ChainOp),
        grant: Option<&Grant>,
        now: Instant,
        answers: &mut VecDeque<Input>,
    ) -> Option<(Bytes, ChainOp)> {
        let db = database.entry().id;
        if self.frozen.contains(&db) {
            return Some((key, op));
        }
        match perform(database, &key, op, self.own, grant) {
            Performed::Busy(op) => return Some((key, op)),
            Performed::Answered => {}
            Performed::Outcome(outcome) => answers.push_back(Input::Local { db, key, outcome }),
            Performed::Failed(op, error) => {
                self.log_fault(database, &error, now);
                op.fail(db, key, error.into(), answers);
            }
        }
        None
    }
}
