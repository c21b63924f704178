//! Ties the cluster lock to a *working* daemon, not merely to a living one.
//!
//! The daemon starts this program, and this one starts the real helper. The daemon sends a byte on stdin
//! at least every `ping_ms`; when the bytes stop (a stopped or hanging daemon), or stdin ends, the helper
//! is ended, so that another node can take the lock. The other way: stdout carries the helper's
//! digit first, then one [`ALIVE`] for each byte received while the helper holds the lock; its end means that
//! the lock is lost.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};

use super::{LockStatus, number, usage};
use crate::daemon::{Caught, watch_signals};
use ctdb_actors::realtime;

/// The longest silence of the daemon, in milliseconds, when `--ping-ms` does not say otherwise.
pub const DEFAULT_PING_MS: u64 = 500;
/// The answer to a byte of the daemon: the helper still lives and holds the lock.
pub const ALIVE: u8 = b'.';
/// Time that the helper gets between SIGTERM and SIGKILL.
const TERM_PATIENCE: Duration = Duration::from_millis(200);
/// Time that the kernel gets to end a killed helper before we end without it.
const KILL_PATIENCE: Duration = Duration::from_secs(1);
/// On a busy machine the thread that reads may come later than this one's clock.
const SCHEDULING: Duration = Duration::from_millis(25);
/// How long an ended helper's digit is waited for.
const LATE_DIGIT: Duration = Duration::from_millis(100);
/// Events that may wait; the threads that bring them wait then.
const EVENTS: usize = 64;

enum Event {
    Ping,
    DaemonGone,
    Digit(u8),
    HelperEnded,
    Asked,
}

/// `lock-keeper [--realtime] [--ping-ms MS] -- HELPER [ARGUMENT…]`
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let (is_realtime, arguments) = match arguments {
        [option, rest @ ..] if option == "--realtime" => (true, rest),
        _ => (false, arguments),
    };
    let (ping, command) = match parse(arguments) {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    match Keeper::start(command, is_realtime) {
        Ok(keeper) => {
            let why = keeper.keep(ping);
            eprintln!("lock-keeper: {why}");
            keeper.end_helper();
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!(
                "lock-keeper: cannot start {}: {error}",
                command[0].display()
            );
            say_without_waiting(LockStatus::Error.digit());
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: &[OsString]) -> Result<(Duration, &[OsString]), String> {
    let (ping_ms, rest) = match arguments {
        [option, value, rest @ ..] if option == "--ping-ms" => {
            (number(value, "milliseconds")?, rest)
        }
        rest => (DEFAULT_PING_MS, rest),
    };
    match rest {
        [dashes, command @ ..] if dashes == "--" && !command.is_empty() && ping_ms > 0 => {
            Ok((Duration::from_millis(ping_ms), command))
        }
        _ => Err("lock-keeper: expected [--realtime] [--ping-ms MS] -- HELPER [ARGUMENT…]".into()),
    }
}

struct Keeper {
    events: Receiver<Event>,
    helper: Pid,
}

impl Keeper {
    fn start(command: &[OsString], is_realtime: bool) -> io::Result<Self> {
        if is_realtime {
            realtime::request_meanwhile();
        }
        let (sender, events) = sync_channel(EVENTS);
        let asked = sender.clone();
        watch_signals(&[Caught::Terminate, Caught::Interrupt], move |_| {
            drop(asked.send(Event::Asked));
        })?;
        // An answer must never wait for a daemon that does not read.
        let stdout = io::stdout();
        fcntl_setfl(&stdout, fcntl_getfl(&stdout)? | OFlags::NONBLOCK)?;
        let child = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // So that whatever the helper starts ends with it.
            .process_group(0)
            .spawn()?;
        let helper = Pid::from_child(&child);
        let pings = sender.clone();
        thread::Builder::new().name("pings".into()).spawn(move || {
            if is_realtime {
                realtime::request_meanwhile();
            }
            hear_daemon(&pings);
        })?;
        attend(child, &sender)?;
        Ok(Self { events, helper })
    }

    /// Returns why the lock is to be let go.
    fn keep(&self, ping: Duration) -> &'static str {
        let mut held = false;
        let mut deadline = Instant::now() + ping;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left + SCHEDULING) else {
                return "the daemon is silent: releasing the lock";
            };
            match event {
                Event::Ping => {
                    // Judged by the clock, not by what has piled up: after a pause of this very process
                    // old bytes must not count as new ones.
                    if Instant::now() > deadline + ping {
                        return "this process was stopped too long: releasing the lock";
                    }
                    deadline = Instant::now() + ping;
                    if held {
                        say_without_waiting(ALIVE);
                    }
                }
                Event::Digit(digit) if !held => {
                    say_without_waiting(digit);
                    held = LockStatus::from_digit(digit) == LockStatus::Held;
                    if !held {
                        return "the lock was not granted";
                    }
                }
                Event::Digit(_) => {}
                Event::DaemonGone => return "the daemon has ended: releasing the lock",
                Event::HelperEnded => {
                    if !held {
                        self.relay_late_digit();
                    }
                    return "the lock helper has ended";
                }
                Event::Asked => return "asked to end: releasing the lock",
            }
        }
    }

    /// A helper that was refused ends at once: the news of its end may overtake its digit.
    fn relay_late_digit(&self) {
        while let Ok(event) = self.events.recv_timeout(LATE_DIGIT) {
            if let Event::Digit(digit) = event {
                say_without_waiting(digit);
                return;
            }
        }
    }

    fn end_helper(&self) {
        for (signal, patience) in [(Signal::TERM, TERM_PATIENCE), (Signal::KILL, KILL_PATIENCE)] {
            // Failing means that the whole group is gone.
            if kill_process_group(self.helper, signal).is_err() {
                return;
            }
            let until = Instant::now() + patience;
            while let Ok(event) = self
                .events
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                if matches!(event, Event::HelperEnded) {
                    // What the helper may have left in its group goes too.
                    let _ = kill_process_group(self.helper, Signal::KILL);
                    return;
                }
            }
        }
    }
}

fn hear_daemon(events: &SyncSender<Event>) {
    let mut stdin = io::stdin();
    let mut bytes = [0; 64];
    loop {
        let event = match stdin.read(&mut bytes) {
            Ok(count) if count > 0 => Event::Ping,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(_) | Err(_) => Event::DaemonGone,
        };
        let last = matches!(event, Event::DaemonGone);
        if events.send(event).is_err() || last {
            return;
        }
    }
}

/// One thread for the helper's output and one for its end: a child of the helper may keep the output open.
fn attend(mut child: Child, events: &SyncSender<Event>) -> io::Result<()> {
    if let Some(mut output) = child.stdout.take() {
        let said = events.clone();
        thread::Builder::new()
            .name("helper-output".into())
            .spawn(move || {
                let mut byte = [0];
                while matches!(output.read(&mut byte), Ok(1)) {
                    if said.send(Event::Digit(byte[0])).is_err() {
                        return;
                    }
                }
                let _ = said.send(Event::HelperEnded);
            })?;
    }
    let ended = events.clone();
    thread::Builder::new()
        .name("helper-end".into())
        .spawn(move || {
            let _ = child.wait();
            let _ = ended.send(Event::HelperEnded);
        })?;
    Ok(())
}

fn say_without_waiting(byte: u8) {
    // A full pipe belongs to a daemon that does not read: its loss.
    let _ = rustix::io::write(io::stdout(), &[byte]);
}
