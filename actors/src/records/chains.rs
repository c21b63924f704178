//! Operations on single records, in the order of their arrival per chain.
//!
//! An operation whose chain is free is done at once. If a client holds the chain, the operation waits,
//! and later ones for the same chain wait behind it: an operation never overtakes another one on the
//! same key. A waiting chain is tried again after a pause that grows to [`PAUSE_MAX`].
//!
//! Invariant: an operation is in `busy` or was answered; a chain in `busy` has at least one operation.

use super::error::RecordError;
use super::locks::LockWatch;
use super::message::StoredRecord;
use super::store::{Database, Store};
use crate::log::notice;
use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::notice::Notice;
use ctdb_protocol::record::header::RecordHeader;
use ctdb_protocol::record::io::Input;
use ctdb_protocol::record::local::{self, LocalOp, LocalOutcome};
use ctdb_protocol::time::Instant;
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_protocol::wire::message::DbKind;
use ctdb_tdb::ChainLock;
use slog::Logger;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::sync::oneshot;

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
/// The watch over locks hears of a chain that is held so long.
const WATCH_AFTER: Duration = Duration::from_millis(20);
/// Shortest time between two records in the log about files that fail.
const FAULT_LOG_PAUSE: Duration = Duration::from_secs(1);

/// Where the answer to a request goes. A requester that is gone is no error.
pub(super) type Answer<T> = oneshot::Sender<Result<T, RecordError>>;

/// What to do with one record.
#[derive(Debug)]
pub(super) enum ChainOp {
    /// For the machine.
    Machine(LocalOp),
    /// Look at it.
    Read(Answer<Option<StoredRecord>>),
    /// New data under the present header, if this node is dmaster.
    Write(Bytes, Answer<()>),
}

impl ChainOp {
    /// Ends an operation that could not be done.
    fn fail(self, db: DbId, key: Bytes, error: RecordError, answers: &mut VecDeque<Input>) {
        match self {
            Self::Machine(_) => {
                let outcome = LocalOutcome::Failed;
                answers.push_back(Input::Local { db, key, outcome });
            }
            Self::Read(answer) => drop(answer.send(Err(error))),
            Self::Write(_, answer) => drop(answer.send(Err(error))),
        }
    }
}

/// Operations that wait for one chain.
#[derive(Debug)]
struct Queue {
    ops: VecDeque<(Bytes, ChainOp)>,
    since: Instant,
    tries: usize,
    next_try: Instant,
    is_watched: bool,
}

impl Queue {
    fn new(now: Instant) -> Self {
        Self {
            ops: VecDeque::new(),
            since: now,
            tries: 0,
            next_try: now + PAUSES[0],
            is_watched: false,
        }
    }

    fn pause(&mut self, now: Instant) {
        self.tries = (self.tries + 1).min(PAUSES.len() - 1);
        self.next_try = now + PAUSES[self.tries];
    }
}

/// All operations of one shard.
#[derive(Debug)]
pub(super) struct Chains {
    own: Pnn,
    log: Logger,
    watch: LockWatch,
    busy: BTreeMap<(DbId, u32), Queue>,
    waiting: usize,
    earliest: Option<Instant>,
    next_fault_log: Instant,
}

impl Chains {
    pub(super) fn new(own: Pnn, log: &Logger, watch: &LockWatch) -> Self {
        let (busy, log) = (BTreeMap::new(), log.clone());
        let next_fault_log = Instant::ZERO;
        Self {
            own,
            log,
            watch: watch.clone(),
            busy,
            waiting: 0,
            earliest: None,
            next_fault_log,
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
        let back = if self.busy.is_empty() || !self.busy.contains_key(&(db, database.chain(&key))) {
            self.run(database, key, op, now, answers)
        } else {
            Some((key, op))
        };
        if let Some((key, op)) = back {
            self.park(database, key, op, now, answers);
        }
    }

    /// Tries the chains whose time has come, and empties those that are free.
    pub(super) fn retry(&mut self, store: &Store, now: Instant, answers: &mut VecDeque<Input>) {
        let due =
            |(place, queue): (&(DbId, u32), &Queue)| (queue.next_try <= now).then_some(*place);
        let places: Vec<_> = self.busy.iter().filter_map(due).collect();
        for place in places {
            let Some(mut queue) = self.busy.remove(&place) else {
                continue;
            };
            self.waiting -= queue.ops.len();
            self.drain(store, place.0, &mut queue, now, answers);
            if queue.ops.is_empty() {
                self.unwatch(place, &queue);
            } else {
                self.watch(place, &mut queue, now);
                queue.pause(now);
                self.waiting += queue.ops.len();
                self.busy.insert(place, queue);
            }
        }
        self.earliest = self.busy.values().map(|queue| queue.next_try).min();
    }

    /// Ends all operations that wait for a database that goes away.
    pub(super) fn forget(&mut self, db: DbId, answers: &mut VecDeque<Input>) {
        let gone: Vec<_> = self
            .busy
            .range((db, 0)..=(db, u32::MAX))
            .map(|(p, _)| *p)
            .collect();
        for place in gone {
            let Some(queue) = self.busy.remove(&place) else {
                continue;
            };
            self.unwatch(place, &queue);
            for (key, op) in queue.ops {
                self.waiting -= 1;
                op.fail(db, key, RecordError::Detached, answers);
            }
        }
        self.earliest = self.busy.values().map(|queue| queue.next_try).min();
    }

    /// Logs that a file failed, but not for each of the many operations that then fail.
    pub(super) fn log_fault(&mut self, database: &Database, error: &ctdb_tdb::Error, now: Instant) {
        if now >= self.next_fault_log {
            self.next_fault_log = now + FAULT_LOG_PAUSE;
            let (name, reason) = (database.entry().name.clone(), error.to_string());
            notice(&self.log, &Notice::DatabaseFailed { name, reason });
        }
    }

    fn drain(
        &mut self,
        store: &Store,
        db: DbId,
        queue: &mut Queue,
        now: Instant,
        answers: &mut VecDeque<Input>,
    ) {
        while let Some((key, op)) = queue.ops.pop_front() {
            let Some(database) = store.get(db) else {
                op.fail(db, key, RecordError::NoDatabase(db), answers);
                continue;
            };
            if let Some(back) = self.run(database, key, op, now, answers) {
                queue.ops.push_front(back);
                return;
            }
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
        let queue = self.busy.entry(place).or_insert_with(|| Queue::new(now));
        queue.ops.push_back((key, op));
        self.waiting += 1;
        let next_try = queue.next_try;
        self.earliest = Some(
            self.earliest
                .map_or(next_try, |earliest| earliest.min(next_try)),
        );
    }

    /// Tells the watch of a chain that is held for longer than work with a record takes.
    fn watch(&self, (db, chain): (DbId, u32), queue: &mut Queue, now: Instant) {
        let waited = now.since(queue.since);
        if queue.is_watched || waited < WATCH_AFTER {
            return;
        }
        if let Some((key, _)) = queue.ops.front() {
            queue.is_watched = true;
            let since = std::time::Instant::now().checked_sub(waited);
            let since = since.unwrap_or_else(std::time::Instant::now);
            self.watch.waits(db, chain, key.clone(), since);
        }
    }

    fn unwatch(&self, (db, chain): (DbId, u32), queue: &Queue) {
        if queue.is_watched {
            self.watch.served(db, chain);
        }
    }

    /// Does `op` if its chain is free, otherwise gives it back.
    fn run(
        &mut self,
        database: &Database,
        key: Bytes,
        op: ChainOp,
        now: Instant,
        answers: &mut VecDeque<Input>,
    ) -> Option<(Bytes, ChainOp)> {
        let db = database.entry().id;
        match perform(database, &key, op, self.own) {
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

/// What came of a try.
enum Performed {
    Busy(ChainOp),
    Answered,
    Outcome(LocalOutcome),
    Failed(ChainOp, ctdb_tdb::Error),
}

/// Does `op` under the chain's lock, unless somebody holds it.
fn perform(database: &Database, key: &[u8], op: ChainOp, own: Pnn) -> Performed {
    let guard = match database.tdb().chain_lock_nonblock(key) {
        Ok(Some(guard)) => guard,
        Ok(None) => return Performed::Busy(op),
        Err(error) => return Performed::Failed(op, error),
    };
    match op {
        ChainOp::Machine(op) => match apply(&guard, &op, own) {
            Ok(outcome) => return Performed::Outcome(outcome),
            Err(error) => return Performed::Failed(ChainOp::Machine(op), error),
        },
        ChainOp::Read(answer) => drop(answer.send(read(&guard).map_err(Into::into))),
        ChainOp::Write(data, answer) => {
            drop(answer.send(write(&guard, database, &data, own)));
        }
    }
    Performed::Answered
}

/// One step of the machine on the record whose chain is held. The old value is looked at in place.
fn apply(guard: &ChainLock<'_>, op: &LocalOp, own: Pnn) -> ctdb_tdb::Result<LocalOutcome> {
    let (tdb, key) = (guard.tdb(), guard.key());
    let present = tdb.parse(key, |value| local::apply(op, own, Some(value)))?;
    let (outcome, value) = present.unwrap_or_else(|| local::apply(op, own, None));
    if let Some(value) = value {
        tdb.store(key, &value)?;
    }
    Ok(outcome)
}

fn read(guard: &ChainLock<'_>) -> ctdb_tdb::Result<Option<StoredRecord>> {
    let split = |value: &[u8]| {
        let (header, data) = RecordHeader::split(value)?;
        Some(StoredRecord {
            header,
            data: data.to_vec(),
        })
    };
    Ok(guard.tdb().parse(guard.key(), split)?.flatten())
}

/// Stores new data as a client does: the header stays (client-protocol.md section 5.4).
fn write(
    guard: &ChainLock<'_>,
    database: &Database,
    data: &[u8],
    own: Pnn,
) -> Result<(), RecordError> {
    if database.entry().kind != DbKind::Volatile {
        return Err(RecordError::NotVolatile(database.entry().name.clone()));
    }
    let head = |value: &[u8]| RecordHeader::split(value).map(|(header, _)| header);
    let header = guard.tdb().parse(guard.key(), head)?.flatten();
    match header.filter(|header| header.dmaster == own) {
        Some(header) => Ok(guard
            .tdb()
            .storev(guard.key(), &[&header.to_bytes(), data])?),
        None => Err(RecordError::NotDmaster),
    }
}
