//! One connection of the console.

use super::execute::Executor;
use super::line::{self, Incoming};
use super::token::Token;
use crate::poison::Poison;
use actix::prelude::*;
use ctdb_protocol::console::command::Command;
use ctdb_protocol::console::grammar;
use ctdb_protocol::console::words::{Access, Word};
use ctdb_protocol::console::{Refusal, Reply, Request};
use ctdb_protocol::limits::CONSOLE_LINE_BYTES_MAX;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// C's `EACCES`: the session has not shown the token.
const EACCES: i32 = 13;
/// Wait after a wrong token, so that guessing is slow.
const WRONG_TOKEN_WAIT: Duration = Duration::from_millis(200);

/// Bounds of sessions.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sessions at once.
    pub sessions_max: usize,
    /// A session that gives no command for so long is ended.
    pub idle: Duration,
    /// A reply that is not taken for so long ends its session.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions_max: 64,
            idle: Duration::from_secs(600),
            write: Duration::from_secs(30),
        }
    }
}

/// The actor of one connection; it ends with its connection.
pub(super) struct Session {
    pub(super) stream: Option<TcpStream>,
    pub(super) executor: Executor,
    pub(super) token: Token,
    pub(super) limits: Limits,
    /// Held as long as the session lives: one of [`Limits::sessions_max`].
    pub(super) place: OwnedSemaphorePermit,
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let Some(stream) = self.stream.take() else {
            context.stop();
            return;
        };
        debug_assert_eq!(self.place.num_permits(), 1);
        let (reader, writer) = stream.into_split();
        let talk = Talk {
            reader: BufReader::new(reader),
            writer,
            executor: self.executor.clone(),
            token: self.token.clone(),
            limits: self.limits,
            unlocked: false,
        };
        // An error of the connection ends it; there is nobody to tell.
        let talked = async move { drop(talk.run().await) }.into_actor(self);
        context.spawn(talked.map(|(), _, context| context.stop()));
    }
}

struct Talk {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    executor: Executor,
    token: Token,
    limits: Limits,
    unlocked: bool,
}

impl Talk {
    async fn run(mut self) -> std::io::Result<()> {
        loop {
            let next = line::read(&mut self.reader, CONSOLE_LINE_BYTES_MAX);
            let reply = match timeout(self.limits.idle, next).await {
                Err(_) => {
                    let reply = Refusal::new("session ended: no command for too long").into();
                    return self.send(&reply).await;
                }
                Ok(incoming) => match incoming? {
                    Incoming::End => return Ok(()),
                    Incoming::TooLong => {
                        let max = CONSOLE_LINE_BYTES_MAX;
                        Some(Refusal::new(format!("line longer than {max} bytes")).into())
                    }
                    Incoming::Line(line) => self.obey(&line).await,
                },
            };
            let Some(reply) = reply else {
                return self.send(&Reply::default()).await;
            };
            self.send(&reply).await?;
        }
    }

    async fn send(&mut self, reply: &Reply) -> std::io::Result<()> {
        let lines = reply.to_lines();
        let slow = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
        timeout(self.limits.write, self.writer.write_all(&lines))
            .await
            .map_err(slow)?
    }

    /// The reply to a line; `None` ends the session.
    async fn obey(&mut self, line: &[u8]) -> Option<Reply> {
        let (word, request) = match grammar::read(line) {
            Ok(Some(read)) => read,
            Ok(None) => return Some(Reply::default()),
            Err(refusal) => return Some(self.poison(line).unwrap_or_else(|| refusal.into())),
        };
        match request.command {
            Command::Quit => None,
            Command::Auth(ref claim) => Some(self.unlock(claim).await),
            _ => Some(self.execute(word, request).await),
        }
    }

    /// `panic ACTOR`, which only exists in a daemon under test and is therefore no command of the table.
    fn poison(&self, line: &[u8]) -> Option<Reply> {
        let text = std::str::from_utf8(line).ok()?.trim();
        let actor = text.strip_prefix("panic ")?;
        let poisons = self.executor.cluster.poisons();
        if !self.unlocked {
            let refusal = Refusal::coded(EACCES, "'panic' needs the token: auth <token> first");
            return poisons.is_there().then(|| refusal.into());
        }
        Some(match poisons.poison(actor.trim())? {
            Ok(()) => Reply::default(),
            Err(unknown) => Refusal::new(unknown).into(),
        })
    }

    async fn unlock(&mut self, claim: &[u8]) -> Reply {
        self.unlocked = self.token.matches(claim);
        if self.unlocked {
            return Reply::default();
        }
        tokio::time::sleep(WRONG_TOKEN_WAIT).await;
        Refusal::coded(EACCES, "this is not the token").into()
    }

    async fn execute(&self, word: &Word, request: Request) -> Reply {
        if word.access == Access::Token && !self.unlocked {
            let message = format!("'{}' needs the token: auth <token> first", word.name);
            return Refusal::coded(EACCES, message).into();
        }
        self.executor.execute(word, request).await
    }
}

/// For tests.
impl Handler<Poison> for Session {
    type Result = ();

    fn handle(&mut self, poison: Poison, _: &mut Self::Context) {
        poison.act();
    }
}
