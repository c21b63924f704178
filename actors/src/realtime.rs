//! Real-time scheduling for the calling thread, where it is permitted.
//!
//! The threads that serve clients, links and leases ask for it, as 4.17's daemon does: beside programs that want all
//! processors a client would else wait for its turn, its daemon's turn and the next daemon's turn. Threads that run
//! scripts, commit transactions or write the log never do. No safe call exists for it, so chrt(1) of util-linux is
//! asked.

use std::io;
use std::process::{Command, Stdio};
use std::thread::{Builder, JoinHandle};

use rustix::process::Pid;

/// Asks for `SCHED_RR` at the lowest real-time priority; true if granted. Never required. Threads and processes
/// that this thread starts are scheduled normally. Waits for chrt(1), some milliseconds.
///
/// Round-robin rather than first-in-first-out: no thread of ours keeps another one from a processor for long.
pub(crate) fn request() -> bool {
    request_for(rustix::thread::gettid())
}

/// Asks for the calling thread too, but does not wait for the answer.
pub fn request_meanwhile() {
    let thread = rustix::thread::gettid();
    // Without another thread it stays as it is.
    let _ = Builder::new()
        .name("realtime".into())
        .spawn(move || request_for(thread));
}

fn request_for(thread: Pid) -> bool {
    let thread = thread.as_raw_nonzero().to_string();
    Command::new("chrt")
        .args(["--reset-on-fork", "--rr", "--pid", "1", &thread])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Starts a thread that asks for it first, if it `wants_realtime`.
pub(crate) fn spawn(
    name: &str,
    wants_realtime: bool,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        if wants_realtime {
            request();
        }
        work();
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::thread;

    /// The policy of the calling thread, as `sched(7)` numbers them.
    fn policy() -> u32 {
        let stat = fs::read_to_string("/proc/thread-self/stat").expect("proc");
        // The 41st field; the second one is a name that may hold anything.
        let rest = stat.rsplit(')').next().unwrap_or_default();
        let field = rest.split_whitespace().nth(38);
        field
            .and_then(|field| field.parse().ok())
            .expect("a number")
    }

    #[test]
    fn only_the_thread_that_asks_is_scheduled_so() {
        let asking = thread::spawn(|| {
            let granted = request();
            let started = thread::spawn(policy).join().expect("no panic");
            (granted, policy(), started)
        });
        let (granted, own, started) = asking.join().expect("no panic");
        assert_eq!(started, 0, "a thread that it started");
        if granted {
            assert_eq!(own, 2, "SCHED_RR");
        } else {
            println!("NOT RUN: real-time scheduling: it is not permitted here");
            assert_eq!(own, 0);
        }
    }
}
