//! Points in time as 4.17's tool writes them.

use chrono::{Local, TimeZone};

/// `2026/11/21 04:33:07` in the time zone of this process.
#[must_use]
pub fn local_date(seconds: i64) -> String {
    in_zone(seconds, "%Y/%m/%d %H:%M:%S")
}

/// `Sat Nov 21 04:33:07 2026` in the time zone of this process.
pub(super) fn local_time(seconds: i64) -> String {
    in_zone(seconds, "%a %b %e %H:%M:%S %Y")
}

fn in_zone(seconds: i64, format: &str) -> String {
    match Local.timestamp_opt(seconds, 0).earliest() {
        Some(time) => time.format(format).to_string(),
        None => format!("{seconds} s since 1970"),
    }
}
