//! Time as the machines see it: a monotonic distance from the start of the process, given by the caller,
//! and a table of timers.

use alloc::collections::BTreeMap;
use core::ops::{Add, Sub};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A point of the caller's monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Instant(Duration);

impl Instant {
    /// The start of the clock.
    pub const ZERO: Self = Self(Duration::ZERO);
    /// Later than any real point: "never".
    pub const FAR: Self = Self(Duration::from_secs(u32::MAX as u64));

    /// The point that lies `since_start` after the start of the clock.
    pub const fn from_start(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// Distance from the start of the clock.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// Microseconds from the start of the clock, the form in which points travel and come back.
    pub fn as_micros(self) -> u64 {
        u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX)
    }

    /// Inverse of [`Instant::as_micros`].
    pub const fn from_micros(micros: u64) -> Self {
        Self(Duration::from_micros(micros))
    }

    /// Time from `earlier` to this point; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by))
    }
}

/// Deadlines by purpose. Setting a purpose again replaces its deadline.
#[derive(Clone, Debug, Default)]
pub struct TimerTable<K: Ord> {
    deadlines: BTreeMap<K, Instant>,
}

impl<K: Ord + Clone> TimerTable<K> {
    /// A table without timers.
    pub const fn new() -> Self {
        Self {
            deadlines: BTreeMap::new(),
        }
    }

    /// Sets the deadline of `purpose`.
    pub fn set(&mut self, purpose: K, at: Instant) {
        self.deadlines.insert(purpose, at);
    }

    /// Sets the deadline of `purpose` unless it has one.
    pub fn set_if_unset(&mut self, purpose: K, at: Instant) {
        self.deadlines.entry(purpose).or_insert(at);
    }

    /// Forgets `purpose`.
    pub fn stop(&mut self, purpose: &K) {
        self.deadlines.remove(purpose);
    }

    /// Whether `purpose` has a deadline.
    pub fn is_set(&self, purpose: &K) -> bool {
        self.deadlines.contains_key(purpose)
    }

    /// The deadline of `purpose`.
    pub fn next_of(&self, purpose: &K) -> Option<Instant> {
        self.deadlines.get(purpose).copied()
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.deadlines.values().min().copied()
    }

    /// Takes one purpose whose deadline has come.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let due = self
            .deadlines
            .iter()
            .filter(|(_, at)| **at <= now)
            .min_by_key(|(_, at)| **at);
        let purpose = due?.0.clone();
        self.deadlines.remove(&purpose);
        Some(purpose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_purposes_come_in_time_order_and_once() {
        let mut timers = TimerTable::new();
        timers.set("late", Instant::from_micros(20));
        timers.set("early", Instant::from_micros(10));
        timers.set("never", Instant::FAR);
        assert_eq!(timers.next(), Some(Instant::from_micros(10)));
        let now = Instant::from_micros(20);
        assert_eq!(timers.pop_due(now), Some("early"));
        assert_eq!(timers.pop_due(now), Some("late"));
        assert_eq!(timers.pop_due(now), None);
    }
}
