//! Times of the daemon: UPTIME.

use serde::{Deserialize, Serialize};

use super::cursor::fixed_payload;

/// A point in wall-clock time, C's `timeval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct TimeVal {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Microseconds within the second.
    pub micros: i64,
}

fixed_payload!(TimeVal, "time", 16, [seconds: i64; micros: i64]);

/// The answer to UPTIME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Uptime {
    /// Now.
    pub current_time: TimeVal,
    /// Start of the daemon.
    pub ctdbd_start_time: TimeVal,
    /// Start of the last recovery.
    pub last_recovery_started: TimeVal,
    /// End of the last recovery.
    pub last_recovery_finished: TimeVal,
}

fixed_payload!(Uptime, "uptime", 64, [
    current_time: TimeVal;
    ctdbd_start_time: TimeVal;
    last_recovery_started: TimeVal;
    last_recovery_finished: TimeVal;
]);
