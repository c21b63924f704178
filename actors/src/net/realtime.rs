//! Real-time scheduling for the calling thread, where it is permitted.
//!
//! No safe call exists for it, so chrt(1) of util-linux is asked. Children of the thread are scheduled normally.

use std::process::{Command, Stdio};

/// Asks for `SCHED_RR` at the lowest real-time priority; true if granted. Never required.
pub(crate) fn request() -> bool {
    let thread = rustix::thread::gettid().as_raw_nonzero().to_string();
    Command::new("chrt")
        .args(["--reset-on-fork", "--rr", "--pid", "1", &thread])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
