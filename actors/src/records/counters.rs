//! Counters of databases, each for itself and in all: STATISTICS and `DB_STATISTICS`.

use super::hot_keys::HotKeys;
use ctdb_protocol::client::db_statistics::DbStatistics;
use ctdb_protocol::client::statistics::{BUCKETS, Latency, LockStatistics};
use ctdb_protocol::id::DbId;
use ctdb_protocol::limits::DATABASES_MAX;
use ctdb_protocol::record::message::{RecordBody, RecordMessage};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Upper bounds of all buckets but the last, as 4.17 has them.
const BOUNDS: [Duration; 10] = [
    Duration::from_millis(1),
    Duration::from_millis(10),
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(32),
    Duration::from_secs(64),
];

/// Read-only copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delegations {
    /// Copies made for other nodes.
    pub made: u32,
    /// Records whose copies were called back so that they could be written.
    pub revoked: u32,
}

/// What is counted of one database, or of all.
#[derive(Debug, Default)]
struct Counts {
    locks: LockStatistics,
    hop_count_buckets: [u32; BUCKETS],
    max_hop_count: u32,
    delegations: Delegations,
    vacuum: Latency,
    hot_keys: HotKeys,
}

#[derive(Debug, Default)]
struct Counted {
    all: Counts,
    databases: BTreeMap<DbId, Counts>,
}

/// How far requests for records travelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hops {
    /// The longest way.
    pub max: u32,
    /// Requests by number of hops: none, 1, 2 to 3, 4 to 7, and so on.
    pub buckets: [u32; BUCKETS],
}

/// The counters; copies count together. Of locks only waits are counted, as in 4.17: a lock that is free
/// costs nothing here.
#[derive(Clone, Debug, Default)]
pub struct DbCounters(Arc<Mutex<Counted>>);

impl DbCounters {
    /// Counters of one database.
    pub fn of(&self, db: DbId) -> DbStatistics {
        let counted = self.counted();
        let Some(counts) = counted.databases.get(&db) else {
            return DbStatistics::default();
        };
        DbStatistics {
            locks: counts.locks,
            vacuum_latency: counts.vacuum,
            ro_delegations: counts.delegations.made,
            ro_revokes: counts.delegations.revoked,
            hop_count_buckets: counts.hop_count_buckets,
            hot_keys: counts.hot_keys.shown(),
        }
    }

    /// Locks of all databases together, those that are gone too.
    pub fn locks(&self) -> LockStatistics {
        self.counted().all.locks
    }

    /// Requests for records of all databases together.
    pub fn hops(&self) -> Hops {
        let all = &self.counted().all;
        Hops {
            max: all.max_hop_count,
            buckets: all.hop_count_buckets,
        }
    }

    /// Read-only copies of all databases together.
    pub fn delegations(&self) -> Delegations {
        self.counted().all.delegations
    }

    /// Begins anew; what waits now stays counted as waiting.
    pub fn reset(&self) {
        let mut counted = self.counted();
        let Counted { all, databases } = &mut *counted;
        for one in databases.values_mut().chain([all]) {
            let locks = LockStatistics {
                num_current: one.locks.num_current,
                num_pending: one.locks.num_pending,
                ..LockStatistics::default()
            };
            *one = Counts {
                locks,
                ..Counts::default()
            };
        }
    }

    /// A message about a record came from a peer: counts the requests for records of this node, and the
    /// records that come to it, as 4.17 does. The clock is read for the latter only.
    pub fn message(&self, message: &RecordMessage, now: impl FnOnce() -> Instant) {
        let hops = match &message.body {
            RecordBody::Give { hops, .. } => *hops,
            RecordBody::Migrate { key, .. } => {
                let mut counted = self.counted();
                if let Some(counts) = counted.of(message.db) {
                    counts.hot_keys.came(key, now());
                }
                return;
            }
            _ => return,
        };
        self.change(message.db, |counts| {
            let bucket = (u32::BITS - hops.leading_zeros()) as usize;
            let bucket = &mut counts.hop_count_buckets[bucket.min(BUCKETS - 1)];
            *bucket = bucket.wrapping_add(1);
            counts.max_hop_count = counts.max_hop_count.max(hops);
        });
    }

    /// Another operation waits; `is_first`: no other one waits for the same chain.
    pub(super) fn waits(&self, db: DbId, is_first: bool) {
        self.change(db, |Counts { locks, .. }| {
            let waiting = if is_first {
                &mut locks.num_current
            } else {
                &mut locks.num_pending
            };
            *waiting += 1;
        });
    }

    /// The first operation of a chain got its lock after `waited`, or never will; `is_last`: no other one
    /// waits for the same chain.
    pub(super) fn ends(&self, db: DbId, waited: Option<Duration>, is_last: bool) {
        self.change(db, |Counts { locks, .. }| {
            let left = if is_last {
                &mut locks.num_current
            } else {
                &mut locks.num_pending
            };
            *left = left.saturating_sub(1);
            locks.num_calls = locks.num_calls.wrapping_add(1);
            match waited {
                Some(waited) => count(locks, waited),
                None => locks.num_failed = locks.num_failed.wrapping_add(1),
            }
        });
    }

    /// A copy is made for another node.
    pub(super) fn delegates(&self, db: DbId) {
        self.change(db, |Counts { delegations, .. }| {
            delegations.made = delegations.made.wrapping_add(1);
        });
    }

    /// All copies of a record were called back.
    pub(super) fn revokes(&self, db: DbId) {
        self.change(db, |Counts { delegations, .. }| {
            delegations.revoked = delegations.revoked.wrapping_add(1);
        });
    }

    /// A vacuum run took so long.
    pub(super) fn vacuumed(&self, db: DbId, took: Duration) {
        if let Some(counts) = self.counted().of(db) {
            add(&mut counts.vacuum, took);
        }
    }

    /// The database is gone.
    pub(super) fn forget(&self, db: DbId) {
        self.counted().databases.remove(&db);
    }

    fn change(&self, db: DbId, change: impl Fn(&mut Counts)) {
        let mut counted = self.counted();
        change(&mut counted.all);
        if let Some(counts) = counted.of(db) {
            change(counts);
        }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        // Counters only: whatever a panic elsewhere left is a count.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    /// Counters of one database. A peer may name databases that are not here: they take no more room than
    /// as many as can be.
    fn of(&mut self, db: DbId) -> Option<&mut Counts> {
        let room = self.databases.len() < DATABASES_MAX || self.databases.contains_key(&db);
        room.then(|| self.databases.entry(db).or_default())
    }
}

fn count(locks: &mut LockStatistics, waited: Duration) {
    let bucket = BOUNDS.iter().take_while(|bound| waited >= **bound).count();
    locks.buckets[bucket] = locks.buckets[bucket].wrapping_add(1);
    add(&mut locks.latency, waited);
}

fn add(latency: &mut Latency, took: Duration) {
    let took_s = took.as_secs_f64();
    if latency.num == 0 || took_s < latency.min_s {
        latency.min_s = took_s;
    }
    latency.max_s = latency.max_s.max(took_s);
    latency.total_s += took_s;
    latency.num = latency.num.wrapping_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctdb_protocol::id::{Generation, Pnn, Rsn};
    use ctdb_protocol::wire::bytes::Bytes;

    fn message(db: DbId, body: RecordBody) -> RecordMessage {
        let generation = Generation::INVALID;
        RecordMessage {
            generation,
            db,
            body,
        }
    }

    #[test]
    fn waits_are_counted_by_database_and_in_all() {
        let counters = DbCounters::default();
        let (one, two) = (DbId(1), DbId(2));
        counters.waits(one, true);
        counters.waits(one, false);
        counters.waits(two, true);
        assert_eq!(
            (
                counters.of(one).locks.num_current,
                counters.of(one).locks.num_pending
            ),
            (1, 1)
        );
        assert_eq!(
            (counters.locks().num_current, counters.locks().num_pending),
            (2, 1)
        );
        counters.ends(one, Some(Duration::from_micros(999)), false);
        counters.ends(one, Some(Duration::from_secs(100)), true);
        counters.ends(two, None, true);
        let all = counters.locks();
        assert_eq!(
            (
                all.num_calls,
                all.num_failed,
                all.num_current,
                all.num_pending
            ),
            (3, 1, 0, 0)
        );
        assert_eq!((all.buckets[0], all.buckets[10]), (1, 1));
        assert_eq!(
            (all.latency.num, counters.of(two).locks.latency.num),
            (2, 0)
        );
        assert!((all.latency.total_s - 100.000_999).abs() < 1e-9);
        counters.reset();
        assert_eq!(counters.locks(), LockStatistics::default());
    }

    #[test]
    fn requests_and_records_that_come_are_counted() {
        let counters = DbCounters::default();
        let db = DbId(1);
        let now = Instant::now();
        let key: Bytes = b"key".to_vec().into();
        let give = |hops| {
            message(
                db,
                RecordBody::Give {
                    key: key.clone(),
                    to: Pnn(1),
                    heard: 0,
                    hops,
                },
            )
        };
        for hops in [0, 1, 3, 2, 900] {
            counters.message(&give(hops), Instant::now);
        }
        let hops = counters.hops();
        assert_eq!(hops.max, 900);
        assert_eq!(hops.buckets[..4], [1, 1, 2, 0]);
        assert_eq!(hops.buckets[10], 1);
        let migrate = RecordBody::Migrate {
            key: key.clone(),
            rsn: Rsn(1),
            flags: 0,
            data: Vec::new().into(),
            hops: 1,
        };
        for _ in 0..3 {
            counters.message(&message(db, migrate.clone()), || now);
        }
        let shown = counters.of(db);
        assert_eq!(shown.hop_count_buckets, hops.buckets);
        assert_eq!(shown.hot_keys[0].key, b"key");
        assert_eq!(shown.hot_keys[0].count, 3);
        counters.reset();
        assert_eq!(counters.of(db), DbStatistics::default());
        assert_eq!(counters.hops(), Hops::default());
    }
}
