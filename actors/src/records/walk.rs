//! Walks over whole databases, a slice at a time, so that calls are served in between.
//!
//! A slice ends after [`SLICE`] or [`BATCH_BYTES`]. Chains that a client holds are put aside and
//! visited when they are free; a walk with nothing else left pauses. A record that stays put is seen
//! exactly once.
//!
//! A wipe goes chain by chain as well. That is enough: a client writes only a record that is there and
//! names this node as dmaster, so behind the walk nothing can appear, and a chain that a client holds
//! while the walk passes is visited later.

use super::error::RecordError;
use super::store::Database;
use ctdb_protocol::id::{DbId, Generation, Pnn};
use ctdb_protocol::limits::DIRECTORY_BATCH;
use ctdb_protocol::record::header::RecordHeader;
use ctdb_protocol::record::holdings::{Holding, Holdings};
use ctdb_protocol::record::io::Input;
use ctdb_protocol::record::message::Grave;
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_protocol::wire::message::DbKind;
use ctdb_tdb::{Scan, ScanState, Tdb};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A slice begins no new portion after this time.
const SLICE: Duration = Duration::from_micros(600);
/// Records (and empty chains) between two looks at the clock.
const PORTION: u32 = 64;
/// A slice begins no new portion when it holds so much.
const BATCH_BYTES: usize = 1 << 20;

/// What a traverse shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraverseRecord {
    /// The key.
    pub key: Bytes,
    /// Header and data.
    pub value: Bytes,
}

/// Whether a sink takes more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkState {
    /// Give it more.
    Ready,
    /// Its queue is full: ask again in a while.
    Full,
    /// Nobody wants the rest.
    Gone,
}

/// Gets the records of a traverse. Called on the shard's thread: it must not wait.
pub trait TraverseSink: Send {
    /// Asked before each batch.
    fn state(&self) -> SinkState;
    /// Some records, of about 1 MiB at most unless the last one is larger.
    fn batch(&mut self, records: Vec<TraverseRecord>);
    /// The end: all was shown, or why not. Not called when it is [`SinkState::Gone`].
    fn done(&mut self, end: Result<(), RecordError>);
}

/// What a walk is for.
pub(super) enum Goal {
    /// Tell the machine what is here.
    Scan(Generation),
    /// Delete everything; keys that were seen and still stand wait in the list.
    Wipe(Generation, VecDeque<Vec<u8>>),
    /// Find what the vacuum run of this number can delete.
    Sift(u64),
    /// Show records to somebody, volatile ones without data too or not.
    Traverse(bool, Box<dyn TraverseSink>),
}

/// How a slice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slice {
    /// There is more to do at once.
    More,
    /// All that is left waits for somebody.
    Pause,
    /// The walk is over.
    Done,
}

/// A walk.
pub(super) struct Walk {
    db: DbId,
    goal: Goal,
    scan: Scan,
    seen_all: bool,
}

impl Walk {
    pub(super) fn new(database: &Database, goal: Goal) -> Self {
        let (db, scan) = (database.entry().id, Scan::new(database.tdb()));
        Self {
            db,
            goal,
            scan,
            seen_all: false,
        }
    }

    pub(super) const fn db(&self) -> DbId {
        self.db
    }

    /// Whether the walk was for the machine and for another composition than `generation`.
    pub(super) fn is_older_than(&self, generation: Generation) -> bool {
        matches!(self.goal, Goal::Scan(of) | Goal::Wipe(of, _) if of != generation)
    }

    /// Whether the walk is for the vacuum.
    pub(super) const fn is_sift(&self) -> bool {
        matches!(self.goal, Goal::Sift(_))
    }

    /// The database goes away.
    pub(super) fn abandon(self) {
        if let Goal::Traverse(_, mut sink) = self.goal
            && sink.state() != SinkState::Gone
        {
            sink.done(Err(RecordError::Detached));
        }
    }

    /// Goes on for a while. An error concerns one chain, behind which the walk goes on.
    pub(super) fn slice(
        &mut self,
        database: &Database,
        own: Pnn,
        answers: &mut VecDeque<Input>,
    ) -> (Slice, Option<ctdb_tdb::Error>) {
        let until = Instant::now() + SLICE;
        match &mut self.goal {
            Goal::Scan(generation) => {
                let mut holdings = Holdings::new();
                let (state, error) = show(&mut self.scan, database, until, &mut |key, value| {
                    if let Some(copy) = Holding::of(key, value, own) {
                        holdings.push(copy);
                    }
                    if holdings.len() >= DIRECTORY_BATCH {
                        BATCH_BYTES
                    } else {
                        0
                    }
                });
                let (generation, db, done) = (*generation, self.db, state == Slice::Done);
                if done || !holdings.is_empty() {
                    answers.push_back(Input::Scanned {
                        generation,
                        db,
                        holdings,
                        done,
                    });
                }
                (state, error)
            }
            Goal::Traverse(with_empty, sink) => {
                match sink.state() {
                    SinkState::Ready => {}
                    SinkState::Full => return (Slice::Pause, None),
                    SinkState::Gone => return (Slice::Done, None),
                }
                let shown = Shown::new(database, *with_empty, own);
                let mut records = Vec::new();
                let (state, error) = show(&mut self.scan, database, until, &mut |key, value| {
                    records.extend(shown.record(key, value));
                    key.len() + value.len()
                });
                if !records.is_empty() {
                    sink.batch(records);
                }
                if state == Slice::Done {
                    sink.done(Ok(()));
                }
                (state, error)
            }
            Goal::Sift(run) => {
                let (run, db) = (*run, self.db);
                let (graves, done, error) = sift(&mut self.scan, database, until, own);
                answers.push_back(Input::Sifted {
                    db,
                    run,
                    graves,
                    done,
                });
                (if done { Slice::Done } else { Slice::More }, error)
            }
            Goal::Wipe(generation, keys) => {
                let (generation, db) = (*generation, self.db);
                let (state, error) = wipe(&mut self.scan, keys, &mut self.seen_all, database);
                if state == Slice::Done {
                    answers.push_back(Input::Wiped { generation, db });
                }
                (state, error)
            }
        }
    }
}

/// Finds empty records of this node. What a client holds is in use: the vacuum does not wait for it.
fn sift(
    scan: &mut Scan,
    database: &Database,
    until: Instant,
    own: Pnn,
) -> (Vec<Grave>, bool, Option<ctdb_tdb::Error>) {
    let mut graves = Vec::new();
    let (state, error) = show(scan, database, until, &mut |key, value| {
        graves.extend(grave(key, value, own));
        if graves.len() >= DIRECTORY_BATCH {
            BATCH_BYTES
        } else {
            key.len()
        }
    });
    (graves, state != Slice::More, error)
}

/// Finds keys and deletes what was found.
fn wipe(
    scan: &mut Scan,
    keys: &mut VecDeque<Vec<u8>>,
    seen_all: &mut bool,
    database: &Database,
) -> (Slice, Option<ctdb_tdb::Error>) {
    let (mut scanned, mut error) = (Slice::Pause, None);
    // While many keys wait for their chains no more are looked for.
    if !*seen_all && keys.len() < DIRECTORY_BATCH {
        let until = Instant::now() + SLICE / 2;
        (scanned, error) = show(scan, database, until, &mut |key, _| {
            keys.push_back(key.to_vec());
            0
        });
        *seen_all = scanned == Slice::Done;
    }
    let before = keys.len();
    let (deleted, failed) = delete(keys, database, Instant::now() + SLICE / 2);
    let state = if *seen_all && keys.is_empty() {
        Slice::Done
    } else if [scanned, deleted].contains(&Slice::More) || keys.len() < before {
        Slice::More
    } else {
        Slice::Pause
    };
    (state, error.or(failed))
}

/// Shows records to `visit`, which answers their weight in bytes, until the slice is full.
fn show(
    scan: &mut Scan,
    database: &Database,
    until: Instant,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> usize,
) -> (Slice, Option<ctdb_tdb::Error>) {
    let mut bytes = 0;
    loop {
        let mut visitor = |key: &[u8], value: &[u8]| bytes += visit(key, value);
        match scan.advance(database.tdb(), PORTION, &mut visitor) {
            Ok(ScanState::Done) => return (Slice::Done, None),
            Ok(ScanState::Busy) => return (Slice::Pause, None),
            Ok(ScanState::More) if bytes >= BATCH_BYTES || Instant::now() >= until => {
                return (Slice::More, None);
            }
            Ok(ScanState::More) => {}
            Err(error) => return (Slice::More, Some(error)),
        }
    }
}

/// Deletes what can be deleted; keys of held chains, and those that fail, go to the end of the list.
fn delete(
    keys: &mut VecDeque<Vec<u8>>,
    database: &Database,
    until: Instant,
) -> (Slice, Option<ctdb_tdb::Error>) {
    let mut failed = None;
    for number in 0..keys.len() {
        if number % 16 == 15 && Instant::now() >= until {
            return (Slice::More, failed);
        }
        let Some(key) = keys.pop_front() else { break };
        match delete_one(&key, database.tdb()) {
            Ok(true) => {}
            Ok(false) => keys.push_back(key),
            Err(error) => {
                failed = Some(error);
                keys.push_back(key);
            }
        }
    }
    let slice = if keys.is_empty() {
        Slice::Done
    } else {
        Slice::Pause
    };
    (slice, failed)
}

/// Deletes a record; false if its chain is held.
fn delete_one(key: &[u8], tdb: &Tdb) -> ctdb_tdb::Result<bool> {
    let Some(_guard) = tdb.chain_lock_nonblock(key)? else {
        return Ok(false);
    };
    tdb.delete(key)?;
    Ok(true)
}

/// A record that the vacuum can delete, as far as this node knows.
fn grave(key: &[u8], value: &[u8], own: Pnn) -> Option<Grave> {
    let (header, data) = RecordHeader::split(value)?;
    (header.dmaster == own && data.is_empty()).then(|| Grave {
        key: key.into(),
        rsn: header.rsn,
    })
}

/// Which records a traverse shows.
struct Shown {
    all: bool,
    with_empty: bool,
    own: Pnn,
}

impl Shown {
    fn new(database: &Database, with_empty: bool, own: Pnn) -> Self {
        let all = database.entry().kind != DbKind::Volatile;
        Self {
            all,
            with_empty,
            own,
        }
    }

    fn record(&self, key: &[u8], value: &[u8]) -> Option<TraverseRecord> {
        let (header, data) = RecordHeader::split(value)?;
        let wanted =
            self.all || header.dmaster == self.own && (self.with_empty || !data.is_empty());
        wanted.then(|| TraverseRecord {
            key: key.into(),
            value: value.into(),
        })
    }
}
