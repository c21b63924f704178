//! How often each fault and each path of recovery occurred: a path that never occurs is not tested.

use std::collections::BTreeMap;
use std::fmt;

/// Paths that must occur in a run over many seeds.
pub const PATHS: [&str; 42] = [
    "election.leader_lost",
    "election.lock_alone",
    "election.minority",
    "election.stepped_down",
    "election.votes",
    "lease.expired",
    "lease.regained",
    "link.node_dead",
    "link.reset_by_peer",
    "lock.contended",
    "lock.error",
    "lock.lost",
    "lock.patience_ended",
    "monitor.unhealthy",
    "readonly.delegated",
    "readonly.dropped",
    "readonly.read",
    "readonly.revoked",
    "recovery.aborted",
    "recovery.finished",
    "recovery.fork",
    "recovery.stale_dropped",
    "recovery.touched",
    "replica.commit",
    "replica.recovered",
    "replica.refilled",
    "replica.refused",
    "store.busy",
    "store.failed",
    "takeover.dropped",
    "takeover.failed",
    "takeover.gate_wait",
    "takeover.hold_refused",
    "takeover.released",
    "takeover.taken",
    "vacuum.busy",
    "vacuum.cut_short",
    "vacuum.delete",
    "vacuum.fetched",
    "vacuum.full",
    "vacuum.gone",
    "vacuum.handed",
];

/// Counters by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    counts: BTreeMap<&'static str, u64>,
}

impl Census {
    /// Counts one.
    pub fn count(&mut self, name: &'static str) {
        *self.counts.entry(name).or_default() += 1;
    }

    /// How often it was counted.
    pub fn of(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// Adds another census.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.counts {
            *self.counts.entry(name).or_default() += count;
        }
    }

    /// Names of `expected` that never occurred.
    pub fn missing<'a>(&self, expected: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        expected
            .into_iter()
            .filter(|name| self.of(name) == 0)
            .collect()
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.counts {
            writeln!(f, "{count:>10}  {name}")?;
        }
        Ok(())
    }
}
