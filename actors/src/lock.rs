//! The cluster lock: a helper process behind a keeper (`ctdb-helper lock-keeper`).
//!
//! The keeper relays the helper's digit (`0` held, `1` contention, `2` timeout, `3` error), then answers each
//! byte from here with one byte while the helper holds the lock, and frees the lock when the bytes stop. So
//! the lock is certainly held for `lock_hold` from the moment an answered byte was sent; its end is read as
//! the end of the keeper's output.

use crate::clock::Clock;
use crate::poison::Poison;
use crate::post::Post;
use crate::supervise::LifeGuard;
use actix::prelude::Message;
use actix::{Actor, Addr, AsyncContext, Context, Handler, SpawnHandle};
use ctdb_protocol::election::io::{Input, LockResult};
use ctdb_protocol::heartbeat;
use ctdb_protocol::time::Instant;
use ctdb_protocol::timing::Timing;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};

/// Pings within the keeper's patience: a lost time slice must not cost the lock.
const PINGS_A_HOLD: u32 = 10;
/// A helper that has not answered by then is given up (4.17 waits as long).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// How the lock is taken.
#[derive(Clone, Debug)]
pub struct LockCommand {
    /// The keeper program with its first arguments.
    pub keeper: Vec<String>,
    /// The helper and its arguments.
    pub helper: Vec<String>,
}

/// The actor. It makes one attempt at a time.
pub struct ClusterLock {
    command: LockCommand,
    timing: Timing,
    clock: Clock,
    post: Post,
    attempt: Option<Attempt>,
    /// Counts attempts, so that the end of an old one is not taken for the end of a new one.
    number: u64,
    _life: LifeGuard,
}

struct Attempt {
    child: Child,
    /// The keeper's input. One byte never waits: the pipe holds far more than is ever sent ahead.
    stdin: OwnedFd,
    answered: bool,
    /// When the last ping was sent, and the one before it.
    sent: Instant,
    sent_before: Instant,
    /// The last ping was not answered yet.
    outstanding: bool,
    pinging: Option<SpawnHandle>,
}

impl ClusterLock {
    /// The lock behind `command`.
    pub fn new(
        command: LockCommand,
        timing: Timing,
        clock: Clock,
        post: Post,
        life: LifeGuard,
    ) -> Self {
        Self {
            command,
            timing,
            clock,
            post,
            attempt: None,
            number: 0,
            _life: life,
        }
    }

    fn start(&mut self, ctx: &mut Context<Self>) -> std::io::Result<()> {
        let mut words = self.command.keeper.iter();
        let program = words.next().ok_or(std::io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(words)
            .args([
                "--ping-ms",
                &self.timing.lock_hold.as_millis().to_string(),
                "--",
            ])
            .args(&self.command.helper)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let stdin = child.stdin.take().ok_or_else(missing)?.into_owned_fd()?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        self.number += 1;
        let (number, link) = (self.number, ctx.address());
        actix::spawn(hear(stdout, number, link));
        let now = self.clock.now();
        self.attempt = Some(Attempt {
            child,
            stdin,
            answered: false,
            sent: now,
            sent_before: now,
            outstanding: false,
            pinging: None,
        });
        // The keeper's patience runs from its start.
        self.ping();
        let every = self.timing.lock_hold / PINGS_A_HOLD;
        let pinging = ctx.run_interval(every, |this, _| this.ping());
        if let Some(attempt) = &mut self.attempt {
            attempt.pinging = Some(pinging);
        }
        ctx.run_later(ANSWER_TIMEOUT, move |this, ctx| {
            if this.number == number && this.attempt.as_ref().is_some_and(|a| !a.answered) {
                this.end(ctx);
                this.tell(LockResult::Failed(String::from(
                    "the helper did not answer in 120 s",
                )));
            }
        });
        Ok(())
    }

    /// Before the digit each ping goes out; after it the next one only when the last was answered, so that
    /// an answer names its ping.
    fn ping(&mut self) {
        let now = self.clock.now();
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        if attempt.answered && attempt.outstanding {
            return;
        }
        attempt.sent_before = attempt.sent;
        attempt.sent = now;
        attempt.outstanding = true;
        // A broken pipe shows as the end of the keeper's output.
        let _ = rustix::io::write(&attempt.stdin, b".");
    }

    fn tell(&self, result: LockResult) {
        self.post.election.send(Input::Lock(result));
    }

    fn end(&mut self, ctx: &mut Context<Self>) {
        self.number += 1;
        let Some(mut attempt) = self.attempt.take() else {
            return;
        };
        if let Some(pinging) = attempt.pinging.take() {
            ctx.cancel_future(pinging);
        }
        // The keeper ends its helper when its input ends; it is reaped in the background.
        drop(attempt.stdin);
        actix::spawn(async move {
            let patience = Duration::from_secs(2);
            if tokio::time::timeout(patience, attempt.child.wait())
                .await
                .is_err()
            {
                let _ = attempt.child.kill().await;
            }
        });
    }

    fn heard(&mut self, byte: u8, ctx: &mut Context<Self>) {
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        if attempt.answered {
            // A ping sent just before the digit may be answered too: count from the one before.
            attempt.outstanding = false;
            self.post
                .heartbeat
                .send(heartbeat::io::Input::LockProven(attempt.sent_before));
            return;
        }
        attempt.answered = true;
        attempt.outstanding = false;
        match byte {
            b'0' => {
                self.post
                    .heartbeat
                    .send(heartbeat::io::Input::LockProven(attempt.sent));
                self.tell(LockResult::Held);
            }
            b'1' | b'2' => {
                self.end(ctx);
                self.tell(LockResult::Contended);
            }
            _ => {
                self.end(ctx);
                let helper = self.command.helper.join(" ");
                self.tell(LockResult::Failed(format!(
                    "helper '{helper}' reports an error"
                )));
            }
        }
    }

    fn output_ended(&mut self, ctx: &mut Context<Self>) {
        let Some(attempt) = &self.attempt else { return };
        let held = attempt.answered;
        self.end(ctx);
        if held {
            let reason = String::from("its output ended");
            self.post.election.send(Input::LockLost { reason });
        } else {
            self.tell(LockResult::Failed(String::from(
                "the helper ended without an answer",
            )));
        }
    }
}

/// Passes on each byte of the keeper, then its end.
async fn hear(mut stdout: ChildStdout, number: u64, lock: Addr<ClusterLock>) {
    let mut byte = [0];
    loop {
        let heard = match stdout.read(&mut byte).await {
            Ok(1) => Some(byte[0]),
            Ok(_) | Err(_) => None,
        };
        if lock
            .send(Heard {
                number,
                byte: heard,
            })
            .await
            .is_err()
            || heard.is_none()
        {
            return;
        }
    }
}

impl Actor for ClusterLock {
    type Context = Context<Self>;
}

/// Try to take the lock; the end of the attempt comes to the election.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Take;

impl Handler<Take> for ClusterLock {
    type Result = ();
    fn handle(&mut self, _: Take, ctx: &mut Self::Context) {
        self.end(ctx);
        if let Err(error) = self.start(ctx) {
            let program = self.command.keeper.first().map_or("", String::as_str);
            self.tell(LockResult::Failed(format!(
                "can't start {program}: {error}"
            )));
        }
    }
}

/// Give the lock up, or end the attempt.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Release;

impl Handler<Release> for ClusterLock {
    type Result = ();
    fn handle(&mut self, _: Release, ctx: &mut Self::Context) {
        self.end(ctx);
    }
}

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Heard {
    number: u64,
    byte: Option<u8>,
}

impl Handler<Heard> for ClusterLock {
    type Result = ();
    fn handle(&mut self, heard: Heard, ctx: &mut Self::Context) {
        if heard.number != self.number {
            return;
        }
        match heard.byte {
            Some(byte) => self.heard(byte, ctx),
            None => self.output_ended(ctx),
        }
    }
}

/// For tests.
impl Handler<Poison> for ClusterLock {
    type Result = ();

    fn handle(&mut self, poison: Poison, _: &mut Self::Context) {
        poison.act();
    }
}
