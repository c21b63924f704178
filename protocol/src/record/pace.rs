//! A node that only looks at a record that others want leaves it to these for a while.
//!
//! Clients that wait for a lock which stands in a record (those of `g_lock.tdb`) look at it again and again. Each look
//! brings the record to their node, and the one client that is to change it, since it gives the lock back, has its turn
//! after all of them. So a node that gave a record on as it came asks for it again the later the longer it
//! waited for it, and the more often it went like that.
//!
//! What looks like this may also be a client that never had its turn, because the record was gone when it woke. So every
//! so often the record stays longer.

use super::replica::digest::record_digest;
use crate::time::Instant;
use crate::wire::bytes::Bytes;
use alloc::collections::BTreeMap;
use core::time::Duration;

/// Looks in a row that make the pause longer, and after which the record stays longer for once.
const LOOKS_MAX: u32 = 8;
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(10);
/// Most records that are watched; others are asked for at once.
const WATCHED_MAX: usize = 4_096;

/// What was seen of a record when it was here last.
#[derive(Debug)]
struct Visit {
    digest: u64,
    /// How long it took to come.
    waited: Duration,
    /// Visits in a row that left it as it was.
    looks: u32,
    /// It is not asked for before; nothing while it is here.
    not_before: Option<Instant>,
}

/// What is known of the records of one database.
#[derive(Debug, Default)]
pub(super) struct Pace {
    visits: BTreeMap<Bytes, Visit>,
}

impl Pace {
    /// A record comes that other nodes wait for.
    pub(super) fn came(&mut self, key: &Bytes, data: &[u8], waited: Duration, now: Instant) {
        if self.visits.len() >= WATCHED_MAX && !self.visits.contains_key(key) {
            self.visits.retain(|_, visit| visit.is_paused(now));
            if self.visits.len() >= WATCHED_MAX {
                return;
            }
        }
        let looks = self.visits.get(key).map_or(0, |visit| visit.looks);
        let visit = Visit {
            digest: record_digest(key, data),
            waited,
            looks,
            not_before: None,
        };
        self.visits.insert(key.clone(), visit);
    }

    /// Whether a record that came need not stay longer than a look takes.
    pub(super) fn only_looks(&self, key: &Bytes) -> bool {
        let looks = self.visits.get(key).map_or(0, |visit| visit.looks);
        looks > 0 && looks % LOOKS_MAX != LOOKS_MAX - 1
    }

    /// It leaves for another node.
    pub(super) fn left(&mut self, key: &Bytes, data: &[u8], now: Instant) {
        let Some(visit) = self.visits.get_mut(key) else {
            return;
        };
        if visit.not_before.is_none() && visit.digest == record_digest(key, data) {
            visit.looks = visit.looks.saturating_add(1);
            let pause = visit.waited * visit.looks.min(LOOKS_MAX);
            visit.not_before = Some(now + pause.min(PAUSE_MAX));
        } else {
            self.visits.remove(key);
        }
    }

    /// It came when nobody else wanted it.
    pub(super) fn forget(&mut self, key: &Bytes) {
        self.visits.remove(key);
    }

    /// When a record may be asked for, if not now.
    pub(super) fn not_before(&self, key: &Bytes, now: Instant) -> Option<Instant> {
        let visit = self.visits.get(key)?;
        visit.not_before.filter(|_| visit.is_paused(now))
    }
}

impl Visit {
    fn is_paused(&self, now: Instant) -> bool {
        self.not_before.is_some_and(|at| at > now)
    }
}
