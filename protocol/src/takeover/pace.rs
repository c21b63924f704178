//! How often something may be done: at once when it was not done for a while, else after a gap, so that a
//! burst of changes costs one message and a single change waits for nothing.

use crate::time::Instant;
use core::time::Duration;

/// Paces one activity.
#[derive(Debug)]
pub(super) struct Pace {
    gap: Duration,
    due: Option<Instant>,
    last: Option<Instant>,
}

impl Pace {
    pub(super) const fn new(gap: Duration) -> Self {
        Self {
            gap,
            due: None,
            last: None,
        }
    }

    /// As soon as the gap allows.
    pub(super) fn want(&mut self, now: Instant) {
        self.want_at(self.last.map_or(now, |last| (last + self.gap).max(now)));
    }

    /// When the gap is over from now on: more of the kind is expected.
    pub(super) fn want_soon(&mut self, now: Instant) {
        self.want_at(now + self.gap);
    }

    /// At `at`, or earlier if that was wanted before.
    pub(super) fn want_at(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// Whether it is due; then it counts as done.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let due = self.due.is_some_and(|due| due <= now);
        if due {
            self.due = None;
            self.last = Some(now);
        }
        due
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.due
    }
}
