//! The watch over record locks: takes them back from the dead, and names who sits on one.
//!
//! A client that ends with a record lock held mostly leaves it to the kernel, which marks the mutex. One
//! that had closed the file, or unmapped it, leaves a mutex that is held for ever. A thread of its own
//! looks for those, since it has to read the whole mutex area of a file and much of `/proc`:
//!
//! | it looks | at |
//! |---|---|
//! | every 100 ms | files in which this daemon waits for a lock, for an operation or for a walk |
//! | for half a second after a client has gone | all files |
//! | every second | some files, half a million chains: about 0.2 % of a core |
//!
//! What may be taken back is decided by [`ctdb_tdb::Census`]. All else is only named in the log: a client
//! that closed the file and lives on, one in another PID namespace, one that is alive and holds the lock
//! for long. The last can be killed, if the admin allowed it.
//!
//! ```text
//!  shards ──opened, waits, served──► LockWatch ──► thread: Rounds ──► log
//!  sessions ──client came, gone────►     (shared state, no queue)
//! ```

mod holder;
mod rounds;
mod sweep;
#[cfg(test)]
mod tests;
mod warn;

use super::counters::DbCounters;
use super::store::Database;
use crate::log::text;
use ctdb_protocol::id::{ClientId, DbId};
use ctdb_protocol::notice::Level;
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_tdb::Mutexes;
use rounds::Rounds;
use slog::Logger;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Between looks while somebody waits.
const HURRY: Duration = Duration::from_millis(100);
/// Between looks otherwise.
const REST: Duration = Duration::from_secs(1);
/// How long all files are looked at after a client has gone: the kernel still tidies up behind it.
const AFTER_CLIENT: Duration = Duration::from_millis(500);
/// How long a file is looked at often after a walk stopped in it.
const AFTER_WALK: Duration = Duration::from_millis(500);
/// Clients that are gone and still known by name.
const GONE_MAX: usize = 1_024;

/// When to speak and when to act about clients that are alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockLimits {
    /// A lock that is waited for so long is named in the log, and each time so long again.
    pub warn_after: Duration,
    /// Its holder is killed after so long; `None`: never.
    pub evict_after: Option<Duration>,
    /// Run each time a wait is named, as 4.17 runs it.
    pub script: Option<PathBuf>,
    /// Whether the threads that wait for chains ask for real-time scheduling: a client that takes a chain
    /// again at once is else nearly always quicker.
    pub realtime: bool,
}

impl Default for LockLimits {
    fn default() -> Self {
        Self {
            warn_after: Duration::from_secs(10),
            evict_after: None,
            script: None,
            realtime: false,
        }
    }
}

/// A file under watch.
#[derive(Debug)]
struct Watched {
    name: String,
    path: PathBuf,
    /// Nothing where record locks are the kernel's: it releases them itself.
    mutexes: Option<Arc<Mutexes>>,
    /// Whether the numbers that shards give to chains are those of the file.
    numbers_chains: bool,
}

impl Watched {
    fn chains(&self) -> u64 {
        self.mutexes
            .as_ref()
            .map_or(0, |mutexes| u64::from(mutexes.chains()))
    }
}

/// An operation of this daemon that waits for a chain.
#[derive(Clone, Debug)]
struct Wait {
    key: Bytes,
    since: Instant,
}

/// What shards and sessions tell.
#[derive(Debug, Default)]
struct State {
    databases: BTreeMap<DbId, Arc<Watched>>,
    /// By database and chain; at most one for each chain in which operations wait.
    waits: BTreeMap<(DbId, u32), Wait>,
    /// When a walk last stopped at a lock, by database.
    walks: BTreeMap<DbId, Instant>,
    /// Processes of the connected clients, and of the last [`GONE_MAX`] that went.
    clients: BTreeMap<ClientId, i32>,
    gone: VecDeque<ClientId>,
    /// A client came whose process can't be seen from here.
    is_foreign: bool,
    last_gone: Option<Instant>,
    ended: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one map operation: a panic elsewhere leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next look, the last of which was at `last`; false at the end.
    fn wait(&self, last: Instant) -> bool {
        let mut state = self.state();
        while !state.ended {
            let now = Instant::now();
            let left = (last + state.pause(now)).saturating_duration_since(now);
            if left.is_zero() {
                return true;
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

impl State {
    fn is_alarmed(&self, now: Instant) -> bool {
        self.last_gone
            .is_some_and(|gone| now.saturating_duration_since(gone) < AFTER_CLIENT)
    }

    /// The newest connection of a process.
    fn client_of(&self, pid: u32) -> Option<ClientId> {
        let mut newest_first = self.clients.iter().rev();
        let found = newest_first.find(|(_, of)| u32::try_from(**of) == Ok(pid));
        found.map(|(client, _)| *client)
    }

    fn is_walked(&self, db: DbId, now: Instant) -> bool {
        self.walks
            .get(&db)
            .is_some_and(|at| now.saturating_duration_since(*at) < AFTER_WALK)
    }

    fn has_walks(&self, now: Instant) -> bool {
        self.walks.keys().any(|db| self.is_walked(*db, now))
    }

    fn pause(&self, now: Instant) -> Duration {
        if !self.waits.is_empty() || self.is_alarmed(now) || self.has_walks(now) {
            HURRY
        } else {
            REST
        }
    }
}

/// Ends the thread when the last handle goes.
#[derive(Debug, Default)]
struct Life(Arc<Shared>);

impl Drop for Life {
    fn drop(&mut self) {
        self.0.state().ended = true;
        self.0.changed.notify_one();
    }
}

/// The handle. Its calls take a lock that is held for moments only. The default one watches nothing.
#[derive(Clone, Debug, Default)]
pub struct LockWatch {
    life: Arc<Life>,
    counters: DbCounters,
    is_realtime: bool,
}

impl LockWatch {
    /// Starts the thread. Without it locks of the dead stay, which is logged.
    pub fn start(log: &Logger, limits: LockLimits) -> Self {
        let watch = Self {
            is_realtime: limits.realtime,
            ..Self::default()
        };
        let rounds = Rounds::new(Arc::clone(&watch.life.0), log, limits);
        let thread = thread::Builder::new().name("lock watch".into());
        if let Err(error) = thread.spawn(move || rounds.run()) {
            let said = format_args!("Record locks are not watched: {error}");
            text(log, Level::Err, said);
        }
        watch
    }

    /// Whether the threads that wait for chains ask for real-time scheduling.
    pub(super) const fn is_realtime(&self) -> bool {
        self.is_realtime
    }

    /// How often locks were waited for, and how long.
    pub const fn counters(&self) -> &DbCounters {
        &self.counters
    }

    /// A file was opened.
    pub(super) fn opened(&self, database: &Database) {
        let entry = database.entry();
        let watched = Arc::new(Watched {
            name: entry.name.clone(),
            path: entry.path.clone(),
            mutexes: database.mutexes().cloned(),
            numbers_chains: database.numbers_chains(),
        });
        self.state().databases.insert(entry.id, watched);
    }

    /// A file is about to be closed.
    pub(super) fn closed(&self, db: DbId) {
        let mut state = self.state();
        state.databases.remove(&db);
        state.walks.remove(&db);
    }

    /// Operations wait since `since` for a chain; the first one for `key`.
    pub(super) fn waits(&self, db: DbId, chain: u32, key: Bytes, since: Instant) {
        let wait = Wait { key, since };
        self.state().waits.insert((db, chain), wait);
        self.life.0.changed.notify_one();
    }

    /// Nothing waits for that chain any more.
    pub(super) fn served(&self, db: DbId, chain: u32) {
        self.state().waits.remove(&(db, chain));
    }

    /// A walk over the whole database waits for somebody; told again and again.
    pub(super) fn walk_waits(&self, db: DbId) {
        self.state().walks.insert(db, Instant::now());
        self.life.0.changed.notify_one();
    }

    /// A client connected.
    pub fn client_came(&self, pid: i32, client: ClientId) {
        let mut state = self.state();
        // The kernel gives no number for a process that is outside of our PID namespace.
        state.is_foreign |= pid == 0;
        state.clients.insert(client, pid);
    }

    /// A client disconnected. May be told twice.
    pub fn client_gone(&self, client: ClientId) {
        let mut state = self.state();
        if !state.clients.contains_key(&client) || state.gone.contains(&client) {
            return;
        }
        state.last_gone = Some(Instant::now());
        state.gone.push_back(client);
        if state.gone.len() > GONE_MAX
            && let Some(oldest) = state.gone.pop_front()
        {
            state.clients.remove(&oldest);
        }
        drop(state);
        self.life.0.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.life.0.state()
    }
}
