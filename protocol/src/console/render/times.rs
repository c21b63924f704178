//! `uptime`.

use super::{Report, line};
use crate::client::uptime::{TimeVal, Uptime};
use crate::console::json::Value;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Tells how a point in time (seconds since 1970) is written here, as C's `ctime` without its newline.
pub type LocalTime = fn(i64) -> String;

/// `uptime`
#[derive(Clone, Copy, Debug)]
pub struct UptimeReport {
    /// The node that was asked.
    pub node: u32,
    /// Its times.
    pub times: Uptime,
    /// Writes points in time.
    pub local_time: LocalTime,
}

/// The time from `since` to `now`, as `(ddd hh:mm:ss)`.
pub(super) fn span(now: TimeVal, since: TimeVal) -> String {
    let seconds = now.seconds.saturating_sub(since.seconds);
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    format!("({days:03} {hours:02}:{minutes:02}:{seconds:02})")
}

pub(super) fn as_f64(time: TimeVal) -> f64 {
    #[allow(
        clippy::cast_precision_loss,
        reason = "microseconds of this century are exact enough"
    )]
    let (seconds, micros) = (time.seconds as f64, time.micros as f64);
    seconds + micros / 1e6
}

fn difference(later: TimeVal, earlier: TimeVal) -> f64 {
    let micros = later.micros.saturating_sub(earlier.micros);
    as_f64(TimeVal {
        seconds: later.seconds.saturating_sub(earlier.seconds),
        micros,
    })
}

impl UptimeReport {
    fn recovery_seconds(&self) -> f64 {
        difference(
            self.times.last_recovery_finished,
            self.times.last_recovery_started,
        )
    }
}

impl Report for UptimeReport {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        let (node, times, local) = (self.node, &self.times, self.local_time);
        let now = times.current_time;
        let past = |time: TimeVal| format!("{} {}", span(now, time), local(time.seconds));
        line!(
            out,
            "Current time of node {node:<4}     :                {}",
            local(now.seconds)
        );
        line!(
            out,
            "Ctdbd start time              : {}",
            past(times.ctdbd_start_time)
        );
        line!(
            out,
            "Time of last recovery/failover: {}",
            past(times.last_recovery_finished)
        );
        line!(
            out,
            "Duration of last recovery/failover: {:.6} seconds",
            self.recovery_seconds()
        );
    }

    fn json(&self) -> Value {
        Value::object([
            ("current_time", as_f64(self.times.current_time).into()),
            ("start_time", as_f64(self.times.ctdbd_start_time).into()),
            (
                "last_recovery_started",
                as_f64(self.times.last_recovery_started).into(),
            ),
            (
                "last_recovery_finished",
                as_f64(self.times.last_recovery_finished).into(),
            ),
            ("last_recovery_seconds", self.recovery_seconds().into()),
        ])
    }
}
