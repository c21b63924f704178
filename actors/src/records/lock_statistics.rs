//! Counters of locks that had to be waited for, per database and in all: `locks` of STATISTICS and
//! `DB_STATISTICS`.

use ctdb_protocol::client::statistics::LockStatistics;
use ctdb_protocol::id::DbId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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

#[derive(Debug, Default)]
struct Counts {
    all: LockStatistics,
    databases: BTreeMap<DbId, LockStatistics>,
}

/// The counters; copies count together. Only waits are counted, as in 4.17: a lock that is free costs
/// nothing here.
#[derive(Clone, Debug, Default)]
pub struct LockCounters(Arc<Mutex<Counts>>);

impl LockCounters {
    /// Counters of one database.
    pub fn of(&self, db: DbId) -> LockStatistics {
        self.counts()
            .databases
            .get(&db)
            .copied()
            .unwrap_or_default()
    }

    /// Counters of all databases together, those that are gone too.
    pub fn all(&self) -> LockStatistics {
        self.counts().all
    }

    /// Begins anew; what waits now stays counted as waiting.
    pub fn reset(&self) {
        let mut counts = self.counts();
        let Counts { all, databases } = &mut *counts;
        for one in databases.values_mut().chain([all]) {
            *one = LockStatistics {
                num_current: one.num_current,
                num_pending: one.num_pending,
                ..LockStatistics::default()
            };
        }
    }

    /// Another operation waits; `is_first`: no other one waits for the same chain.
    pub(super) fn waits(&self, db: DbId, is_first: bool) {
        self.change(db, |locks| {
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
        self.change(db, |locks| {
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

    /// The database is gone.
    pub(super) fn forget(&self, db: DbId) {
        self.counts().databases.remove(&db);
    }

    fn change(&self, db: DbId, mut change: impl FnMut(&mut LockStatistics)) {
        let mut counts = self.counts();
        change(&mut counts.all);
        change(counts.databases.entry(db).or_default());
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Counters only: whatever a panic elsewhere left is a count.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(locks: &mut LockStatistics, waited: Duration) {
    let bucket = BOUNDS.iter().take_while(|bound| waited >= **bound).count();
    locks.buckets[bucket] = locks.buckets[bucket].wrapping_add(1);
    let (latency, waited_s) = (&mut locks.latency, waited.as_secs_f64());
    if latency.num == 0 || waited_s < latency.min_s {
        latency.min_s = waited_s;
    }
    latency.max_s = latency.max_s.max(waited_s);
    latency.total_s += waited_s;
    latency.num = latency.num.wrapping_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_counted_by_database_and_in_all() {
        let counters = LockCounters::default();
        let (one, two) = (DbId(1), DbId(2));
        counters.waits(one, true);
        counters.waits(one, false);
        counters.waits(two, true);
        assert_eq!(
            (counters.of(one).num_current, counters.of(one).num_pending),
            (1, 1)
        );
        assert_eq!(
            (counters.all().num_current, counters.all().num_pending),
            (2, 1)
        );
        counters.ends(one, Some(Duration::from_micros(999)), false);
        counters.ends(one, Some(Duration::from_secs(100)), true);
        counters.ends(two, None, true);
        let all = counters.all();
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
        assert_eq!((all.latency.num, counters.of(two).latency.num), (2, 0));
        assert!((all.latency.total_s - 100.000_999).abs() < 1e-9);
        counters.reset();
        assert_eq!(counters.all(), LockStatistics::default());
    }
}
