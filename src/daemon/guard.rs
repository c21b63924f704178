//! The guard: a small parent that outlives the worker.
//!
//! It does three things, in this order of importance: when the worker is gone it removes the public
//! addresses that the worker held; it starts a new worker; it passes signals on. It reads no
//! configuration and owns no state that could be wrong.
//!
//! One thread decides; others only wait (signals, ends of children, the worker's words, the starter).

use std::env;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::backoff::Backoff;
use super::channel::{self, HeldAddress, Report, Reports};
use super::child::{End, Reaper};
use super::signal::{self, Caught};
use super::start::{self, Group};
use super::{Daemon, Exit, notify, pidfile};

/// Events that may wait for the deciding thread; the threads that bring them wait then.
const EVENTS: usize = 256;
/// How long the last words of a dead worker are waited for: they are in the socket already, only the
/// thread that reads them may be late. Addresses wait for this.
const LAST_WORDS: Duration = Duration::from_millis(50);
/// The same for a worker that never served: all that matters is why.
const REASON: Duration = Duration::from_secs(1);

/// Where a guard stands.
pub(super) struct Station {
    /// The PID file that its workers take.
    pub(super) pid_file: PathBuf,
    /// The process that waits for readiness; none in the foreground.
    pub(super) starter: Option<UnixStream>,
}

/// Whether this runs inside a test that wants to see every death.
pub(super) fn is_test_mode() -> bool {
    env::var_os("CTDB_TEST_MODE").is_some()
}

enum Event {
    Signal(Caught),
    Ended(Pid, End),
    /// Words of the worker of this life.
    Said(u32, Report),
    /// The worker of this life has closed its channel.
    Closed(u32),
    StarterGone,
}

/// Guards workers until one ends for good; returns the exit code.
pub(super) fn run(daemon: &impl Daemon, station: Station) -> u8 {
    match Guard::new(daemon, station) {
        Ok(mut guard) => guard.live(),
        Err(error) => {
            let end = Exit::Failed(format!("guard: {error}"));
            eprintln!("ctdbd: {end}");
            end.code()
        }
    }
}

struct Guard<'a, D> {
    daemon: &'a D,
    station: Station,
    events: Receiver<Event>,
    sender: SyncSender<Event>,
    reaper: Reaper,
    /// What this life's worker said about its addresses; nothing if it has not touched any.
    addresses: Option<Vec<HeldAddress>>,
    /// What else it said there is to take away.
    leftovers: Vec<String>,
    /// A worker has been ready once: from then on workers are restarted.
    was_ready: bool,
    stopping: bool,
    failure: Option<(u8, String)>,
    life: u32,
    worker: Option<Pid>,
}

impl<'a, D: Daemon> Guard<'a, D> {
    fn new(daemon: &'a D, station: Station) -> io::Result<Self> {
        let (sender, events) = sync_channel(EVENTS);
        let signals = sender.clone();
        signal::watch(&Caught::ALL, move |caught| {
            drop(signals.send(Event::Signal(caught)));
        })?;
        if let Some(starter) = &station.starter {
            let (mut starter, gone) = (starter.try_clone()?, sender.clone());
            thread::Builder::new()
                .name("starter".into())
                .spawn(move || {
                    // The starter never writes: this returns when it has ended.
                    let _ = starter.read(&mut [0]);
                    let _ = gone.send(Event::StarterGone);
                })?;
        }
        let ended = sender.clone();
        let reaper = Reaper::start(move |pid, end| ended.send(Event::Ended(pid, end)).is_ok())?;
        Ok(Self {
            daemon,
            station,
            events,
            sender,
            reaper,
            addresses: None,
            leftovers: Vec::new(),
            was_ready: false,
            stopping: false,
            failure: None,
            life: 0,
            worker: None,
        })
    }

    fn live(&mut self) -> u8 {
        let mut backoff = Backoff::new();
        let mut previous = None;
        loop {
            let born = Instant::now();
            let end = self.one_life(previous.as_deref());
            self.clear_addresses();
            if let Some(code) = self.verdict(&end) {
                self.remove_pid_file();
                return code;
            }
            let why = self
                .failure
                .take()
                .map_or(String::new(), |(_, text)| format!(": {text}"));
            let why = format!("{end}{why}");
            let pause = backoff.after(born.elapsed());
            if self.station.starter.is_none() {
                eprintln!("ctdbd: guard: the worker ended ({why}), next one in {pause:?}");
            }
            if self.pause(pause) {
                self.remove_pid_file();
                return 0;
            }
            previous = Some(why);
            self.life += 1;
        }
    }

    /// Starts a worker and attends to it until it has ended.
    fn one_life(&mut self, previous: Option<&str>) -> End {
        match self.spawn(previous) {
            Ok((pid, handle)) => self.attend(pid, &handle),
            Err(error) => End::NotStarted(error.to_string()),
        }
    }

    fn spawn(&mut self, previous: Option<&str>) -> io::Result<(Pid, OwnedFd)> {
        let mut file = std::ffi::OsString::from("--internal-pid-file=");
        file.push(&self.station.pid_file);
        let mut internal = vec!["--internal-role=worker".into(), file];
        if let Some(previous) = previous {
            internal.push(format!("--internal-restarts={}", self.life).into());
            internal.push(format!("--internal-previous-end={previous}").into());
        }
        if self.station.starter.is_none() {
            internal.push("--internal-foreground".into());
        }
        let (mut child, pid, stream, handle) = self.reaper.while_born(|| {
            let (child, stream) = start::again(&internal, Group::Own)?;
            let pid = Pid::from_child(&child);
            let handle = pidfd_open(pid, PidfdFlags::empty());
            io::Result::Ok((child, pid, stream, handle))
        })?;
        let attended = handle
            .map_err(io::Error::from)
            .and_then(|handle| self.listen(stream).map(|()| handle));
        match attended {
            Ok(handle) => {
                self.worker = Some(pid);
                Ok((pid, handle))
            }
            Err(error) => {
                // Nobody would attend to it. Failing means that it is dead already.
                let _ = child.kill();
                Err(error)
            }
        }
    }

    fn listen(&self, stream: UnixStream) -> io::Result<()> {
        let (life, said) = (self.life, self.sender.clone());
        thread::Builder::new()
            .name("worker-words".into())
            .spawn(move || {
                for report in Reports::new(stream) {
                    if said.send(Event::Said(life, report)).is_err() {
                        return;
                    }
                }
                let _ = said.send(Event::Closed(life));
            })?;
        Ok(())
    }

    fn attend(&mut self, worker: Pid, handle: &OwnedFd) -> End {
        let mut closed = false;
        loop {
            let Ok(event) = self.events.recv() else {
                // Impossible while we hold a sender; ending is the safe answer.
                return End::NotStarted("the guard's threads ended".into());
            };
            match event {
                Event::Ended(pid, end) if pid == worker => {
                    self.hear_last_words(closed);
                    return end;
                }
                Event::Closed(life) if life == self.life => closed = true,
                other => {
                    if let Some(signal) = self.consider(other) {
                        // Failing means that it is dead already.
                        let _ = pidfd_send_signal(handle, signal);
                    }
                }
            }
        }
    }

    /// What to pass on to the worker, if anything.
    fn consider(&mut self, event: Event) -> Option<Signal> {
        match event {
            Event::Signal(caught) => {
                self.stopping |= matches!(caught, Caught::Terminate | Caught::Interrupt);
                Some(caught.signal())
            }
            Event::StarterGone if !self.was_ready => {
                self.stopping = true;
                Some(Signal::TERM)
            }
            Event::Said(life, report) if life == self.life => {
                self.hear(report);
                None
            }
            Event::Said(..) | Event::Closed(_) | Event::Ended(..) | Event::StarterGone => None,
        }
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Ready if !self.was_ready => {
                self.was_ready = true;
                self.tell_readiness();
            }
            Report::Ready => {}
            Report::Failed { code, text } => self.failure = Some((code, text)),
            Report::Stopping => self.stopping = true,
            Report::Addresses(held) => self.addresses = Some(held),
            Report::Leftovers(all) => self.leftovers = all,
        }
    }

    fn tell_readiness(&mut self) {
        if let Some(starter) = &self.station.starter {
            // Neither failure may end a daemon that serves; the caller then sees the channel's end.
            let _ = channel::release_stderr();
            let _ = channel::send(starter, &Report::Ready);
            let _ = starter.shutdown(std::net::Shutdown::Write);
        }
        if let Err(error) = notify::service_manager("READY=1") {
            eprintln!("ctdbd: guard: cannot tell the service manager: {error}");
        }
    }

    /// A dead worker may have said something just before: which addresses it held, above all.
    fn hear_last_words(&mut self, mut closed: bool) {
        let until = Instant::now() + if self.was_ready { LAST_WORDS } else { REASON };
        while !closed {
            match self
                .events
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(Event::Closed(life)) if life == self.life => closed = true,
                Ok(other) => drop(self.consider(other)),
                Err(_) => return,
            }
        }
    }

    /// Only for a worker that has spoken of addresses: one that was refused because another daemon runs
    /// must not cost that daemon its addresses.
    fn clear_addresses(&mut self) {
        if let Some(addresses) = self.addresses.take() {
            self.daemon.remove_addresses(&addresses);
        }
        let leftovers = std::mem::take(&mut self.leftovers);
        if !leftovers.is_empty() {
            self.daemon.remove_leftovers(&leftovers);
        }
    }

    /// The exit code if this was the last worker.
    fn verdict(&mut self, end: &End) -> Option<u8> {
        if self.was_ready {
            let last = match end {
                End::Exited(code) => Exit::is_final(*code),
                End::Killed(_) | End::NotStarted(_) => false,
            };
            return (self.stopping || last || is_test_mode()).then(|| end.code());
        }
        let (code, text) = self.failure.take().unwrap_or_else(|| {
            (
                end.code(),
                format!("the daemon ended before it was ready ({end})"),
            )
        });
        match &self.station.starter {
            // A starter that has gone does not need an answer.
            Some(starter) => {
                drop(channel::send(starter, &Report::Failed { code, text }));
            }
            None => eprintln!("ctdbd: {text}"),
        }
        Some(code)
    }

    /// Waits before the next worker; true if a signal asked to end instead.
    fn pause(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        loop {
            match self
                .events
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(event) => drop(self.consider(event)),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
            if self.stopping {
                return true;
            }
        }
    }

    /// A killed worker leaves its PID file; nobody comes after it now.
    fn remove_pid_file(&self) {
        if let Some(pid) = self.worker {
            pidfile::remove_stale(&self.station.pid_file, pid);
        }
    }
}
