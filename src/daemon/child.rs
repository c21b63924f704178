//! The ends of children, seen at once: a thread that does nothing but wait.

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, WaitStatus, wait, waitid};

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

/// The thread that waits for children.
#[derive(Debug)]
pub(super) struct Reaper {
    /// Held while a child is born, so that it is not reaped before its parent has a handle on it.
    birth: Arc<Mutex<()>>,
    /// Tells the thread that there may be a child again.
    born: SyncSender<()>,
}

impl Reaper {
    /// Starts the thread: it tells the end of each child, of the worker and as PID 1 of every orphan,
    /// and ends when `tell` returns false.
    pub(super) fn start(tell: impl Fn(Pid, End) -> bool + Send + 'static) -> io::Result<Self> {
        let (born, births) = sync_channel(1);
        let birth = Arc::<Mutex<()>>::default();
        let held = Arc::clone(&birth);
        thread::Builder::new()
            .name("reaper".into())
            .spawn(move || {
                while let Some(ended) = next(&held, &births) {
                    for (pid, end) in ended {
                        if !tell(pid, end) {
                            return;
                        }
                    }
                }
            })?;
        Ok(Self { birth, born })
    }

    /// Runs `start`, which starts a child and takes a handle on it.
    pub(super) fn while_born<T>(&self, start: impl FnOnce() -> T) -> T {
        let held = self.birth.lock().unwrap_or_else(PoisonError::into_inner);
        let child = start();
        drop(held);
        // Full means that the thread will look anyway.
        let _ = self.born.try_send(());
        child
    }
}

/// Waits for ends and collects them; `None` when nobody wants them any more.
fn next(birth: &Mutex<()>, births: &Receiver<()>) -> Option<Vec<(Pid, End)>> {
    match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Some(Vec::new()),
        // No child at the moment: orphans that come now are reaped after the next start.
        Err(_) => {
            births.recv().ok()?;
            return Some(Vec::new());
        }
    }
    let held = birth.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ended = Vec::new();
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        ended.push((pid, End::from_status(status)));
    }
    drop(held);
    Some(ended)
}
