//! Points in time as C's `ctime` writes them.

use chrono::{Local, TimeZone};

/// `Sat Nov 21 04:33:07 2026` in the time zone of this process.
pub(super) fn local_time(seconds: i64) -> String {
    match Local.timestamp_opt(seconds, 0).earliest() {
        Some(time) => time.format("%a %b %e %H:%M:%S %Y").to_string(),
        None => format!("{seconds} s since 1970"),
    }
}
