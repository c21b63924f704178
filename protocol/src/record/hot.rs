//! Hot records of a sticky database (`SET_DB_STICKY`): one that goes from node to node without rest stays with each
//! of them for a while, so that its clients there have it in turns that are worth the way.
//!
//! ```text
//!   hops: nodes that a record passed since it last rested, carried from dmaster to dmaster
//!   hops >= HopcountMakeSticky ─► sticky here for StickyDuration ─► each time it comes it stays for StickyPindown
//! ```
//! Requests of other nodes wait in the order of the lmaster, so each has its turn after as many stays as nodes are
//! before it.

use crate::time::Instant;
use crate::wire::bytes::Bytes;
use alloc::collections::BTreeMap;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A record that stayed so long at a node has rested.
const REST: Duration = Duration::from_secs(1);
/// Most records that are watched; further ones are not sticky.
const WATCHED_MAX: usize = 4_096;

/// When records are sticky.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StickyRules {
    /// From so many hops on (`HopcountMakeSticky`).
    pub hops: u32,
    /// For so long (`StickyDuration`).
    pub duration: Duration,
    /// A sticky record stays so long when it comes (`StickyPindown`).
    pub pindown: Duration,
}

/// A record that came here.
#[derive(Debug)]
struct Heat {
    hops: u32,
    came_at: Instant,
    sticky_until: Option<Instant>,
    pinned_until: Option<Instant>,
}

/// What is known of the records of one database.
#[derive(Debug, Default)]
pub(super) struct Hot {
    rules: Option<StickyRules>,
    records: BTreeMap<Bytes, Heat>,
}

impl Hot {
    /// Records are sticky from now on, by these rules.
    pub(super) fn set(&mut self, rules: StickyRules) {
        self.rules = Some(rules);
    }

    /// A record comes, after so many hops.
    pub(super) fn came(&mut self, key: &Bytes, hops: u32, now: Instant) {
        let Some(rules) = self.rules else {
            return;
        };
        if self.records.len() >= WATCHED_MAX && !self.records.contains_key(key) {
            let is_of_use = |heat: &Heat| {
                now.since(heat.came_at) < REST || heat.sticky_until.is_some_and(|at| at > now)
            };
            self.records.retain(|_, heat| is_of_use(heat));
            if self.records.len() >= WATCHED_MAX {
                return;
            }
        }
        let before = self.records.get(key).and_then(|heat| heat.sticky_until);
        let sticky_until = if hops >= rules.hops {
            Some(now + rules.duration)
        } else {
            before.filter(|until| *until > now)
        };
        let heat = Heat {
            hops,
            came_at: now,
            sticky_until,
            pinned_until: sticky_until.map(|_| now + rules.pindown),
        };
        self.records.insert(key.clone(), heat);
    }

    /// The hops that a record brings along when it leaves now.
    pub(super) fn hops(&self, key: &Bytes, now: Instant) -> u32 {
        let heat = self.records.get(key);
        let restless = heat.filter(|heat| now.since(heat.came_at) < REST);
        restless.map_or(0, |heat| heat.hops)
    }

    /// Until when a record stays here, whoever wants it.
    pub(super) fn pinned_until(&self, key: &Bytes, now: Instant) -> Option<Instant> {
        let heat = self.records.get(key)?;
        heat.pinned_until.filter(|until| *until > now)
    }
}
