//! One connection to the console.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ctdb_protocol::console::command::Command;
use ctdb_protocol::console::escape::{Line, read_line};
use ctdb_protocol::console::{Options, Reply, Request, quote};

use super::place::Place;

/// The daemon ends a command by itself; the tool waits so much longer for its word.
const GRACE: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Client {
    stream: BufReader<TcpStream>,
    /// The longest time of a command.
    max_runtime: Duration,
}

/// What came instead of a reply.
enum Broken {
    /// The daemon closed the connection.
    Closed,
    /// It does not answer, or the connection failed.
    Failed(String),
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, WouldBlock};
        match error.kind() {
            TimedOut | WouldBlock => Self::Failed("Maximum runtime exceeded - exiting".into()),
            BrokenPipe | ConnectionReset => Self::Closed,
            _ => Self::Failed(format!("Console: {error}")),
        }
    }
}

impl Client {
    /// Connects within the time limit of one request.
    pub(super) fn connect(place: &Place, options: &Options) -> Result<Self, String> {
        let address = place.address;
        let stream = TcpStream::connect_timeout(&address, options.time_limit)
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|error| {
                format!("Failed to connect to CTDB daemon (console {address}): {error}")
            })?;
        Ok(Self {
            stream: BufReader::new(stream),
            max_runtime: options.max_runtime,
        })
    }

    /// Unlocks the session.
    pub(super) fn authenticate(&mut self, token: &str) -> Result<(), String> {
        let reply = self
            .exchange(&[b"auth".to_vec(), token.into()])
            .map_err(text)?;
        match reply.code {
            0 => Ok(()),
            _ => Err(format!("Console: {}", reply.message)),
        }
    }

    /// Gives a command.
    pub(super) fn command(
        &mut self,
        words: &[Vec<u8>],
        request: &Request,
    ) -> Result<Reply, String> {
        match self.exchange(words) {
            Ok(reply) => Ok(reply),
            // A daemon that goes down may be gone before its last word is out.
            Err(Broken::Closed) if request.command == Command::Shutdown => Ok(Reply::default()),
            Err(broken) => Err(text(broken)),
        }
    }

    /// Gives a line as it was typed.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<Reply, String> {
        self.send(line).and_then(|()| self.reply()).map_err(text)
    }

    fn exchange(&mut self, words: &[Vec<u8>]) -> Result<Reply, Broken> {
        let mut line = Vec::new();
        for word in words {
            quote::put_word(&mut line, word);
        }
        self.send(&line)?;
        self.reply()
    }

    fn send(&mut self, line: &[u8]) -> Result<(), Broken> {
        let stream = self.stream.get_mut();
        stream.set_write_timeout(Some(self.max_runtime))?;
        stream.write_all(&[line, b"\n"].concat())?;
        Ok(())
    }

    fn reply(&mut self) -> Result<Reply, Broken> {
        let deadline = Instant::now() + self.max_runtime + GRACE;
        let mut reply = Reply::default();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = left.max(Duration::from_millis(1));
            self.stream.get_ref().set_read_timeout(Some(left))?;
            let mut line = Vec::new();
            self.stream.read_until(b'\n', &mut line)?;
            let Some(line) = line.strip_suffix(b"\n") else {
                return Err(Broken::Closed);
            };
            match read_line(line) {
                Line::Output(bytes) => reply.output.extend(bytes),
                Line::Note(note) => reply.notes.push(String::from_utf8_lossy(&note).into()),
                Line::End { code, message } => return Ok(reply.failed(code, message)),
            }
        }
    }
}

fn text(broken: Broken) -> String {
    match broken {
        Broken::Closed => "Console: the daemon closed the connection".into(),
        Broken::Failed(text) => text,
    }
}
