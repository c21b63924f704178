//! The client of a relay: it passes on what it gets, as [`crate::client::Ring`] does with a daemon.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::frame::{Frame, Inbox, Kind};
use super::node::reach;

/// A message of a daemon's ring has so many bytes with its header.
const TOKEN_BYTES: usize = 52;

/// A ring over the nodes 0 to `nodes` - 1.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    /// This client's node.
    pub own: u32,
    /// How many there are.
    pub nodes: u32,
    /// For how long.
    pub duration: Duration,
    /// Whether the record goes round too.
    pub with_record: bool,
}

impl Ring {
    /// Passes on each second.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn run(self, socket: &Path) -> io::Result<f64> {
        let stream = reach(|| UnixStream::connect(socket))?;
        let mut inbox = Inbox::default();
        if self.own == 0 {
            self.pass(&stream, true)?;
            if !self.with_record {
                self.pass(&stream, false)?;
            }
        }
        let mut passes = 0_u32;
        // Relays that are not up yet keep the first token.
        stream.set_read_timeout(Some(self.duration.max(Duration::from_secs(20))))?;
        let mut token = receive(&stream, &mut inbox, Kind::Token)?;
        let begin = Instant::now();
        stream.set_read_timeout(Some(self.duration))?;
        while begin.elapsed() < self.duration {
            let is_forward = token.payload.first() == Some(&1);
            if self.with_record {
                self.call(&stream)?;
                receive(&stream, &mut inbox, Kind::Answer)?;
            }
            self.pass(&stream, is_forward)?;
            passes += 1;
            // Who stops first ends the ring.
            match receive(&stream, &mut inbox, Kind::Token) {
                Ok(next) => token = next,
                Err(_) => break,
            }
        }
        Ok(f64::from(passes) / begin.elapsed().min(self.duration).as_secs_f64())
    }

    fn neighbour(self, is_forward: bool) -> u32 {
        let step = if is_forward { 1 } else { self.nodes - 1 };
        (self.own + step) % self.nodes
    }

    fn pass(self, stream: &UnixStream, is_forward: bool) -> io::Result<()> {
        let mut payload = vec![0; TOKEN_BYTES];
        payload[0] = u8::from(is_forward);
        self.send(stream, self.neighbour(is_forward), Kind::Token, payload)
    }

    /// The record is where the token was before.
    fn call(self, stream: &UnixStream) -> io::Result<()> {
        self.send(
            stream,
            self.neighbour(false),
            Kind::Call,
            vec![0; TOKEN_BYTES],
        )
    }

    fn send(self, stream: &UnixStream, to: u32, kind: Kind, payload: Vec<u8>) -> io::Result<()> {
        let frame = Frame {
            to,
            from: self.own,
            kind,
            payload,
        };
        frame.write(stream)
    }
}

fn receive(stream: &UnixStream, inbox: &mut Inbox, kind: Kind) -> io::Result<Frame> {
    loop {
        match inbox.next() {
            Some(frame) if frame.kind == kind => return Ok(frame),
            Some(_) => {}
            None if inbox.fill(stream)? => {}
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
