//! The monotonic clock as the machines count it.

use ctdb_protocol::time::Instant;

/// Distance from one common start; copied to every thread.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }

    /// The present point.
    pub fn now(&self) -> Instant {
        Instant::from_start(self.start.elapsed())
    }

    /// The same point on the standard library's clock, for timers and threads.
    pub fn to_std(&self, at: Instant) -> std::time::Instant {
        self.start + at.since_start()
    }
}
