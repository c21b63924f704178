//! What worker, guard and starter tell each other: JSON lines, each bounded, over a Unix socket that the
//! child finds as its stdin (the one descriptor that std hands down without `unsafe`).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Longest line: the list of 10,000 addresses takes about 0.7 MiB.
const MAX_LINE_BYTES: u64 = 4 << 20;

/// A public address that this node holds at the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldAddress {
    /// The address with its prefix length.
    pub address: IpNet,
    /// The interface that carries it.
    pub interface: String,
}

/// A message from a child to the process that started it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
    /// Start-up has succeeded.
    Ready,
    /// Start-up has failed: exit code and text for the admin.
    Failed { code: u8, text: String },
    /// An orderly shutdown has begun: whatever comes now, do not start again.
    Stopping,
    /// The public addresses held from now on (all of them).
    Addresses(Vec<HeldAddress>),
    /// What else there is to take away after this process, as it describes it itself (all of it).
    Leftovers(Vec<String>),
}

/// Writes one message.
pub(super) fn send(mut stream: impl Write, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Reads messages until the other side closes, or sends something that is not a message.
pub(super) struct Reports<R> {
    input: BufReader<R>,
}

impl<R: Read> Reports<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input: BufReader::new(input),
        }
    }

    fn read(&mut self) -> io::Result<Option<Report>> {
        let mut line = Vec::new();
        let count = self
            .input
            .by_ref()
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)?;
        if count == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&line)?))
    }
}

impl<R: Read> Iterator for Reports<R> {
    type Item = Report;

    fn next(&mut self) -> Option<Report> {
        self.read().ok().flatten()
    }
}

/// Takes the socket to the parent away from stdin, and leaves `/dev/null` there.
///
/// The copy is close-on-exec: a script started by this process cannot keep the channel open.
pub(super) fn take_from_stdin() -> io::Result<UnixStream> {
    let descriptor: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
    let stream = UnixStream::from(descriptor);
    stream.local_addr().map_err(|error| {
        io::Error::new(
            error.kind(),
            "stdin is not the channel to the parent process",
        )
    })?;
    let null = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(stream)
}

/// Lets go of the caller's stderr, so that whoever reads it sees its end.
pub(super) fn release_stderr() -> io::Result<()> {
    let null = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_channel_and_rubbish_ends_it() {
        let held = HeldAddress {
            address: "192.0.2.7/24".parse().unwrap(),
            interface: "eth0".into(),
        };
        let sent = [
            Report::Ready,
            Report::Failed {
                code: 12,
                text: "two\nlines".into(),
            },
            Report::Addresses(vec![held]),
        ];
        let mut bytes = Vec::new();
        for report in &sent {
            send(&mut bytes, report).unwrap();
        }
        bytes.extend_from_slice(b"not a message\n");
        send(&mut bytes, &Report::Ready).unwrap();
        let received: Vec<Report> = Reports::new(bytes.as_slice()).collect();
        assert_eq!(received, sent);
    }
}
