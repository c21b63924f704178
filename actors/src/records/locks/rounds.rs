//! The thread of the watch: one round after the other.

use super::sweep::{File, Seen};
use super::{LockLimits, Shared, Wait, Watched};
use ctdb_protocol::id::DbId;
use ctdb_tdb::Place;
use slog::Logger;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::process::Child;
use std::sync::Arc;
use std::time::Instant;

/// Chains looked at in a second when nothing happens.
const CHAINS_AT_REST: u64 = 500_000;

/// What one round is about.
pub(super) struct Order {
    pub(super) databases: Vec<(DbId, Arc<Watched>)>,
    pub(super) waits: BTreeMap<(DbId, u32), Wait>,
    /// A client came whose process can't be seen from here.
    pub(super) is_foreign: bool,
    /// A client has gone, or a walk stopped, a moment ago.
    pub(super) is_alarmed: bool,
}

/// See the module.
pub(super) struct Rounds {
    pub(super) shared: Arc<Shared>,
    pub(super) log: Logger,
    pub(super) limits: LockLimits,
    /// Held locks by place, as they were when their file was last looked at.
    pub(super) seen: BTreeMap<(DbId, Place), Seen>,
    /// How often each wait was named.
    pub(super) named: BTreeMap<(DbId, u32), (Instant, u32)>,
    /// The admin's script, if it was ever run.
    pub(super) script: Option<Child>,
    /// The database that was looked at last at rest.
    last: Option<DbId>,
}

impl Rounds {
    pub(super) fn new(shared: Arc<Shared>, log: &Logger, limits: LockLimits) -> Self {
        Self {
            shared,
            log: log.clone(),
            limits,
            seen: BTreeMap::new(),
            named: BTreeMap::new(),
            script: None,
            last: None,
        }
    }

    pub(super) fn run(mut self) {
        let mut last = Instant::now();
        while self.shared.wait(last) {
            last = Instant::now();
            let order = self.order(last);
            for (db, watched) in &order.databases {
                if let Some(mutexes) = &watched.mutexes {
                    let file = File::new(*db, watched, mutexes, &order);
                    self.sweep(&file, last);
                }
            }
            self.warn(&order, last);
        }
    }

    fn order(&mut self, now: Instant) -> Order {
        let state = self.shared.state();
        let (waits, has_walks) = (state.waits.clone(), state.has_walks(now));
        let is_alarmed = state.is_alarmed(now);
        let is_waited_for = |db: DbId| {
            waits.range((db, 0)..=(db, u32::MAX)).next().is_some() || state.is_walked(db, now)
        };
        let entry = |(db, watched): (&DbId, &Arc<Watched>)| (*db, Arc::clone(watched));
        let all = state.databases.iter();
        let databases = if is_alarmed {
            all.map(entry).collect()
        } else if waits.is_empty() && !has_walks {
            let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
            let mut budget = CHAINS_AT_REST;
            let rest = state.databases.range((after, Bound::Unbounded));
            let part: Vec<_> = rest
                .take_while(|(_, watched)| {
                    let is_left = budget > 0;
                    budget = budget.saturating_sub(watched.chains());
                    is_left
                })
                .map(entry)
                .collect();
            // Behind the last one it begins anew.
            self.last = part.last().map(|(db, _)| *db);
            part
        } else {
            all.filter(|(db, _)| is_waited_for(**db))
                .map(entry)
                .collect()
        };
        let is_foreign = state.is_foreign;
        drop(state);
        Order {
            databases,
            waits,
            is_foreign,
            is_alarmed: is_alarmed || has_walks,
        }
    }
}
