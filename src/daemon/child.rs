//! The ends of children, seen at once: a thread that does nothing but wait.

use std::fmt;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use rustix::process::{Pid, WaitOptions, WaitStatus, wait};

/// How a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Exited(i32),
    Killed(i32),
    NotStarted(String),
}

impl End {
    fn from_status(status: WaitStatus) -> Self {
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, signal) => Self::Killed(signal.unwrap_or(0)),
        }
    }

    /// As a shell shows it.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Exited(code) => u8::try_from(*code).unwrap_or(1),
            Self::Killed(signal) => u8::try_from(128 + signal).unwrap_or(255),
            Self::NotStarted(_) => 1,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Killed(signal) => write!(f, "signal {signal}"),
            Self::NotStarted(text) => write!(f, "it could not be started: {text}"),
        }
    }
}

/// Starts a thread that waits for children: the worker, and as PID 1 every orphan. It ends when `tell`
/// returns false. What is returned tells it that there may be a child again.
pub(super) fn reap(tell: impl Fn(Pid, End) -> bool + Send + 'static) -> io::Result<SyncSender<()>> {
    let (spawned, waiting) = sync_channel(1);
    thread::Builder::new()
        .name("reaper".into())
        .spawn(move || {
            loop {
                match wait(WaitOptions::empty()) {
                    Ok(Some((pid, status))) => {
                        if !tell(pid, End::from_status(status)) {
                            return;
                        }
                    }
                    Ok(None) | Err(rustix::io::Errno::INTR) => {}
                    // No child at the moment: orphans that come now are reaped after the next start.
                    Err(_) => {
                        if waiting.recv().is_err() {
                            return;
                        }
                    }
                }
            }
        })?;
    Ok(spawned)
}
