//! A relay: one thread that waits for all its connections.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::frame::{Frame, Inbox, Kind};

/// How long the others may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Between two attempts to reach one.
const RETRY: Duration = Duration::from_millis(20);

/// The relay of one node, with its client and with all other relays connected.
#[derive(Debug)]
pub struct Node {
    own: u32,
    /// Bytes of an answer.
    answer_bytes: usize,
    client: (UnixStream, Inbox),
    /// To send to each node; nothing for itself.
    to: Vec<Option<TcpStream>>,
    from: Vec<(TcpStream, Inbox)>,
}

impl Node {
    /// Waits for the client and for the relays of the other `addresses`, of which `own` is this node's.
    ///
    /// # Errors
    /// If one does not come.
    pub fn connect(
        own: usize,
        addresses: &[Ipv4Addr],
        port: u16,
        socket: &Path,
        answer_bytes: usize,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((addresses[own], port))?;
        let local = UnixListener::bind(socket)?;
        let others = addresses.iter().enumerate();
        let to = others
            .map(|(index, address)| {
                let to = (index != own).then(|| reach(|| TcpStream::connect((*address, port))));
                to.transpose()
            })
            .collect::<io::Result<Vec<_>>>()?;
        let from = (1..addresses.len())
            .map(|_| Ok((listener.accept()?.0, Inbox::default())))
            .collect::<io::Result<Vec<_>>>()?;
        for stream in to.iter().flatten() {
            stream.set_nodelay(true)?;
        }
        Ok(Self {
            own: own as u32,
            answer_bytes,
            client: (local.accept()?.0, Inbox::default()),
            to,
            from,
        })
    }

    /// Passes on what comes until the client or another relay has gone.
    ///
    /// # Errors
    /// Those of the connections.
    pub fn run(mut self) -> io::Result<()> {
        let mut frames = Vec::new();
        loop {
            for index in self.ready()? {
                let (is_there, inbox) = match index {
                    0 => (self.client.1.fill(&self.client.0)?, &mut self.client.1),
                    other => {
                        let (stream, inbox) = &mut self.from[other - 1];
                        (inbox.fill(&*stream)?, inbox)
                    }
                };
                if !is_there {
                    return Ok(());
                }
                frames.extend(std::iter::from_fn(|| inbox.next()));
            }
            for frame in frames.drain(..) {
                match self.pass_on(frame) {
                    // The ring ends at each node in its own moment.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                    passed => passed?,
                }
            }
        }
    }

    /// Connections with something to read: 0 is the client.
    fn ready(&self) -> io::Result<Vec<usize>> {
        let client = PollFd::new(&self.client.0, PollFlags::IN);
        let relays = self.from.iter();
        let relays = relays.map(|(stream, _)| PollFd::new(stream, PollFlags::IN));
        let mut all: Vec<PollFd<'_>> = std::iter::once(client).chain(relays).collect();
        poll(&mut all, None)?;
        let ready = all.iter().enumerate();
        Ok(ready
            .filter(|(_, one)| !one.revents().is_empty())
            .map(|(index, _)| index)
            .collect())
    }

    fn pass_on(&self, frame: Frame) -> io::Result<()> {
        let frame = if frame.kind == Kind::Call && frame.to == self.own {
            Frame {
                to: frame.from,
                from: self.own,
                kind: Kind::Answer,
                payload: vec![0; self.answer_bytes],
            }
        } else {
            frame
        };
        match &self.to[frame.to as usize] {
            Some(relay) => frame.write(relay),
            None => frame.write(&self.client.0),
        }
    }
}

/// Tries until it succeeds or the others had time enough to start.
pub(super) fn reach<T>(mut connect: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let begin = Instant::now();
    loop {
        match connect() {
            Err(_) if begin.elapsed() < START_LIMIT => sleep(RETRY),
            result => return result,
        }
    }
}
