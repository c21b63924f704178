//! The worker's side of daemon life: what the daemon proper finds when it starts, and how it ends.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{io, mem};

use tokio::sync::{mpsc, watch};

use super::channel::{self, HeldAddress, Report, Reports};
use super::signal::{self, Caught};
use super::{Daemon, Exit, Options, PidFile, PidFileError};

/// Events that may wait for the daemon; further ones are merged into those, they are all repeatable.
const EVENTS: usize = 16;
/// A second request to stop that comes sooner is taken as the same one: `killall ctdbd` reaches the
/// worker directly and through the guard.
const SAME_REQUEST: Duration = Duration::from_millis(500);
/// How long the end of the worker waits for the guard to have read its last words.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How long a change of addresses waits for the thread that tells the guard: usually some microseconds; a
/// guard that does not read must not hold the daemon up.
const TOLD: Duration = Duration::from_millis(20);

/// What may happen to a running daemon from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeEvent {
    /// SIGHUP: reopen the log.
    Reopen,
    /// SIGUSR1.
    User1,
    /// SIGUSR2.
    User2,
    /// The guard has died: nobody restarts this worker or clears its addresses any more. Worth an ALERT.
    GuardLost,
}

/// What a restarted worker knows about its predecessor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    /// How many workers of this guard came before.
    pub count: u32,
    /// How the last one ended, for the log.
    pub previous_end: String,
}

/// Everything that daemon life gives to the worker.
#[derive(Debug)]
pub struct WorkerContext {
    /// The way to the guard; can be cloned.
    pub guard: GuardHandle,
    /// Becomes true when an orderly shutdown is asked for, and stays so.
    pub shutdown: watch::Receiver<bool>,
    /// Other events. `blocking_recv` and `recv().await` both work.
    pub events: mpsc::Receiver<LifeEvent>,
    /// Present when this is not the guard's first worker.
    pub restart: Option<Restart>,
    /// The log goes to stderr too.
    pub interactive: bool,
}

/// The way to say that start-up has succeeded, where it is said apart from the events.
#[derive(Debug)]
pub struct Readiness {
    guard: GuardHandle,
    interactive: bool,
}

impl Readiness {
    /// See [`WorkerContext::ready`].
    pub fn tell(&self) -> io::Result<()> {
        if !self.interactive {
            channel::release_stderr()?;
        }
        self.guard.post(|pending| pending.ready = true);
        Ok(())
    }
}

impl WorkerContext {
    /// Parts readiness, which is told once, from the events, which somebody else listens to.
    pub fn split(self) -> (Readiness, mpsc::Receiver<LifeEvent>) {
        (
            Readiness {
                guard: self.guard,
                interactive: self.interactive,
            },
            self.events,
        )
    }

    /// Start-up has succeeded: the starter returns to its caller.
    ///
    /// In the background this lets go of the caller's stderr, so nothing may be written there later.
    pub fn ready(&self) -> io::Result<()> {
        Readiness {
            guard: self.guard.clone(),
            interactive: self.interactive,
        }
        .tell()
    }
}

#[derive(Debug, Default)]
struct Pending {
    ready: bool,
    stopping: bool,
    failed: Option<(u8, String)>,
    addresses: Option<Vec<HeldAddress>>,
    leftovers: Option<Vec<String>>,
    writing: bool,
}

impl Pending {
    fn take(&mut self) -> Vec<Report> {
        let mut reports = Vec::new();
        // Addresses first: nobody may count on a node whose guard does not know them.
        reports.extend(self.addresses.take().map(Report::Addresses));
        reports.extend(self.leftovers.take().map(Report::Leftovers));
        reports.extend(mem::take(&mut self.ready).then_some(Report::Ready));
        reports.extend(mem::take(&mut self.stopping).then_some(Report::Stopping));
        reports.extend(
            self.failed
                .take()
                .map(|(code, text)| Report::Failed { code, text }),
        );
        reports
    }
}

/// The way from worker to guard: a slot per kind of message, the newest wins, and a thread that writes.
/// Nothing here waits for the guard itself.
#[derive(Debug, Clone)]
pub struct GuardHandle {
    shared: Arc<(Mutex<Pending>, Condvar)>,
}

impl GuardHandle {
    fn start(stream: UnixStream) -> io::Result<Self> {
        let handle = Self {
            shared: Arc::default(),
        };
        let writer = handle.clone();
        thread::Builder::new()
            .name("to-guard".into())
            .spawn(move || writer.write_to(&stream))?;
        Ok(handle)
    }

    /// Says which public addresses this node holds from now on: call it before adding and after removing.
    /// Returns when the guard will know it even if this process dies now, at the latest after 20 ms.
    /// From the first call on, be its list empty, the guard clears up when this worker has ended.
    pub fn addresses(&self, held: Vec<HeldAddress>) {
        self.post(|pending| pending.addresses = Some(held));
        self.flush(TOLD);
    }

    /// Says what else is to be taken away after this process, in words that [`Daemon::remove_leftovers`] understands.
    /// Returns as [`Self::addresses`] does.
    pub fn leftovers(&self, all: Vec<String>) {
        self.post(|pending| pending.leftovers = Some(all));
        self.flush(TOLD);
    }

    /// An orderly shutdown has begun (by signal this is said already; the console's command says it here).
    pub fn stopping(&self) {
        self.post(|pending| pending.stopping = true);
    }

    fn post(&self, change: impl FnOnce(&mut Pending)) {
        let (slot, changed) = &*self.shared;
        change(&mut slot.lock().unwrap_or_else(PoisonError::into_inner));
        changed.notify_all();
    }

    fn write_to(&self, stream: &UnixStream) {
        let (slot, changed) = &*self.shared;
        loop {
            let mut pending = slot.lock().unwrap_or_else(PoisonError::into_inner);
            let reports = loop {
                let reports = pending.take();
                if !reports.is_empty() {
                    break reports;
                }
                pending.writing = false;
                changed.notify_all();
                pending = changed
                    .wait(pending)
                    .unwrap_or_else(PoisonError::into_inner);
            };
            pending.writing = true;
            drop(pending);
            for report in &reports {
                // A dead guard is noticed by the reading side.
                let _ = channel::send(stream, report);
            }
        }
    }

    /// Waits until everything is written, at most for `patience`.
    fn flush(&self, patience: Duration) {
        let (slot, changed) = &*self.shared;
        let pending = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = changed.wait_timeout_while(pending, patience, |pending| {
            pending.writing
                || pending.ready
                || pending.stopping
                || pending.failed.is_some()
                || pending.addresses.is_some()
                || pending.leftovers.is_some()
        });
    }
}

/// Runs the worker and returns its exit code.
pub(super) fn run(daemon: &impl Daemon, options: &Options, pid_file: &Path) -> u8 {
    let stream = match channel::take_from_stdin() {
        Ok(stream) => stream,
        Err(error) => return complain(&error),
    };
    let started = stream.try_clone().and_then(|writing| {
        let guard = GuardHandle::start(writing)?;
        let context = context(options, guard.clone(), stream)?;
        Ok((guard, context))
    });
    let (guard, context) = match started {
        Ok(started) => started,
        Err(error) => return complain(&error),
    };
    let end = match PidFile::take(pid_file) {
        Ok(_held) => daemon.run(options, context),
        // A full or broken file system may recover: worth another try, unlike a daemon that runs.
        Err(error @ PidFileError::Io { .. }) => Exit::Failed(error.to_string()),
        Err(error) => Exit::PidFile(error.to_string()),
    };
    if let Some(text) = end.text() {
        guard.post(|pending| pending.failed = Some((end.code(), text.to_owned())));
    }
    guard.flush(LAST_WORDS);
    end.code()
}

fn complain(error: &io::Error) -> u8 {
    let end = Exit::Failed(error.to_string());
    eprintln!("ctdbd: worker: {end}");
    end.code()
}

fn context(
    options: &Options,
    guard: GuardHandle,
    mut stream: UnixStream,
) -> io::Result<WorkerContext> {
    let (stop, shutdown) = watch::channel(false);
    let (event, events) = mpsc::channel(EVENTS);
    let lost = event.clone();
    thread::Builder::new()
        .name("from-guard".into())
        .spawn(move || {
            // The guard says nothing: whatever ends this ends the guard.
            Reports::new(&mut stream).for_each(drop);
            let _ = lost.blocking_send(LifeEvent::GuardLost);
        })?;
    let announce = guard.clone();
    let mut first: Option<Instant> = None;
    signal::watch(&Caught::ALL, move |caught| {
        let repeatable = match caught {
            Caught::Hangup => LifeEvent::Reopen,
            Caught::User1 => LifeEvent::User1,
            Caught::User2 => LifeEvent::User2,
            Caught::Terminate | Caught::Interrupt => {
                if *first.get_or_insert_with(Instant::now) + SAME_REQUEST < Instant::now() {
                    // Asked twice: the admin does not want to wait. The guard clears the addresses.
                    std::process::exit(1);
                }
                announce.stopping();
                let _ = stop.send(true);
                return;
            }
        };
        let _ = event.try_send(repeatable);
    })?;
    let restart = options
        .internal_previous_end
        .clone()
        .map(|previous_end| Restart {
            count: options.internal_restarts,
            previous_end,
        });
    Ok(WorkerContext {
        guard,
        shutdown,
        events,
        restart,
        interactive: options.internal_foreground,
    })
}
