//! A client's connection: the session reads it, and every thread may send on it.
//!
//! What the kernel takes goes out at once, the rest waits in a bounded queue that the session's writing
//! task empties: nobody ever waits for a client. A client that lets too much pile up is disconnected.

use ctdb_protocol::id::ClientId;
use ctdb_protocol::limits::DATA_QUEUE_BYTES_MAX;
use ctdb_protocol::tunable::{TunableId, Tunables};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};
use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe;
use tokio::sync::Notify;

/// Most bytes that wait for one client, as for a peer.
const QUEUE_BYTES_MAX: usize = DATA_QUEUE_BYTES_MAX;
/// A stream of records pauses while so many bytes wait.
const FULL_BYTES: usize = 4 << 20;
/// Capacity that an empty queue may keep, in bytes.
const KEPT_BYTES: usize = 64 << 10;

/// Where a client's packets go. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    client: ClientId,
    pid: i32,
    /// Watched for what there is to read and nothing else: for the kernel a Unix socket becomes writable each time that
    /// its peer reads, and each of these times would wake the daemon. As far as the runtime is concerned, such a
    /// descriptor is the end of a pipe.
    socket: Mutex<pipe::Receiver>,
    tunables: Arc<RwLock<Tunables>>,
    pending: Mutex<Pending>,
    /// Something waits to be written, or the connection was closed.
    wake: Notify,
    /// There is room again, or the connection was closed.
    room: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: VecDeque<u8>,
    /// Lengths of the packets in `bytes`; the first may be partly written.
    lengths: VecDeque<usize>,
    /// Bytes of the first packet that are written already.
    written: usize,
    closed: bool,
    /// Packets that waited when the client was given up because it does not read.
    given_up: Option<usize>,
}

impl Outbox {
    /// The outbox of a fresh connection of the process `pid` (0 if unknown).
    pub(super) fn new(
        client: ClientId,
        pid: i32,
        stream: UnixStream,
        tunables: Arc<RwLock<Tunables>>,
    ) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let socket = pipe::Receiver::from_owned_fd_unchecked(stream.into())?;
        let shared = Shared {
            client,
            pid,
            socket: Mutex::new(socket),
            tunables,
            pending: Mutex::default(),
            wake: Notify::new(),
            room: Notify::new(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Whose it is.
    pub(super) fn client(&self) -> ClientId {
        self.shared.client
    }

    /// Process id of the client; 0 if the kernel did not tell.
    pub(super) fn pid(&self) -> i32 {
        self.shared.pid
    }

    /// Sends one whole packet, or queues it behind those that wait.
    pub(super) fn send(&self, packet: &[u8]) {
        let mut pending = self.pending();
        if pending.closed {
            return;
        }
        let mut rest = packet;
        if pending.bytes.is_empty() {
            match self.write(packet) {
                Ok(written) if written == packet.len() => return,
                Ok(written) => {
                    rest = &packet[written..];
                    pending.written = written;
                }
                // Not ready, or broken: the writing task waits, or finds out.
                Err(_) => pending.written = 0,
            }
            self.shared.wake.notify_one();
        }
        pending.bytes.extend(rest);
        pending.lengths.push_back(packet.len());
        if pending.bytes.len() > QUEUE_BYTES_MAX || pending.lengths.len() > self.packets_max() {
            let waiting = pending.lengths.len();
            self.close_locked(&mut pending);
            pending.given_up = Some(waiting);
        }
    }

    /// Packets that waited when the client was given up because it does not read; `None` if it was not.
    pub(super) fn given_up(&self) -> Option<usize> {
        self.pending().given_up
    }

    /// Closes the connection; its session ends.
    pub(super) fn close(&self) {
        self.close_locked(&mut self.pending());
    }

    /// Whether the connection was closed on our side.
    pub(super) fn is_closed(&self) -> bool {
        self.pending().closed
    }

    /// Waits until a stream of records may go on; answers whether the connection still stands.
    pub(super) async fn ready(&self) -> bool {
        loop {
            let room = self.shared.room.notified();
            {
                let pending = self.pending();
                if pending.closed {
                    return false;
                }
                if pending.bytes.len() < FULL_BYTES {
                    return true;
                }
            }
            room.await;
        }
    }

    /// Reads what is there, at the end of the connection 0 bytes.
    pub(super) fn poll_read(
        &self,
        ctx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut *self.socket()).poll_read(ctx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Writes what waits until the connection ends.
    pub(super) async fn write_loop(&self) -> io::Result<()> {
        loop {
            self.shared.wake.notified().await;
            while self.flush_some()? {
                self.writable().await?;
            }
        }
    }

    /// Waits until the kernel takes more, by a descriptor for this one time.
    async fn writable(&self) -> io::Result<()> {
        let socket = rustix::io::fcntl_dupfd_cloexec(&*self.socket(), 0)?;
        pipe::Sender::from_owned_fd_unchecked(socket)?
            .writable()
            .await
    }

    /// Gives the kernel what it takes at once.
    fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        rustix::net::send(&*self.socket(), bytes, flags)
    }

    /// Writes what the kernel takes; answers whether something is left.
    fn flush_some(&self) -> io::Result<bool> {
        let mut pending = self.pending();
        if pending.closed {
            return Err(io::ErrorKind::NotConnected.into());
        }
        while !pending.bytes.is_empty() {
            match self.write(pending.bytes.as_slices().0) {
                Ok(written) => pending.wrote(written),
                Err(Errno::AGAIN) => {
                    if pending.bytes.len() < FULL_BYTES {
                        self.shared.room.notify_waiters();
                    }
                    return Ok(true);
                }
                Err(error) => return Err(error.into()),
            }
        }
        pending.bytes.shrink_to(KEPT_BYTES);
        self.shared.room.notify_waiters();
        Ok(false)
    }

    fn packets_max(&self) -> usize {
        let tunables = self.shared.tunables.read();
        let tunables = tunables.unwrap_or_else(PoisonError::into_inner);
        tunables.get(TunableId::MaxQueueDropMsg) as usize
    }

    fn close_locked(&self, pending: &mut Pending) {
        *pending = Pending {
            closed: true,
            given_up: pending.given_up,
            ..Pending::default()
        };
        // The session's reader is woken by the shutdown of the socket; an error means it is down already.
        let _ = rustix::net::shutdown(&*self.socket(), Shutdown::Both);
        self.shared.wake.notify_one();
        self.shared.room.notify_waiters();
    }

    fn socket(&self) -> MutexGuard<'_, pipe::Receiver> {
        let socket = self.shared.socket.lock();
        socket.unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        let pending = self.shared.pending.lock();
        pending.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// Takes `count` bytes off the front, and the packets that are out with them.
    fn wrote(&mut self, count: usize) {
        self.bytes.drain(..count);
        self.written += count;
        while let Some(length) = self
            .lengths
            .front()
            .filter(|length| **length <= self.written)
        {
            self.written -= length;
            self.lengths.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::thread;
    use std::time::Duration;
    use tokio::runtime::Handle;
    use tokio::sync::oneshot;

    const PACKETS: u64 = 50;

    #[tokio::test]
    async fn a_client_that_reads_does_not_wake_the_daemon() {
        let (stream, mut peer) = UnixStream::pair().expect("a pair of sockets");
        let outbox = Outbox::new(ClientId(1), 0, stream, Arc::default()).expect("a connection");
        for _ in 0..PACKETS {
            outbox.send(b"8 bytes.");
        }
        let waits = || Handle::current().metrics().worker_park_count(0);
        let before = waits();
        let (done, end) = oneshot::channel();
        thread::spawn(move || {
            for _ in 0..PACKETS {
                peer.read_exact(&mut [0; 8]).expect("it was sent");
                thread::sleep(Duration::from_millis(1));
            }
            done.send(()).expect("waited for");
        });
        end.await.expect("the thread does not panic");
        assert!(waits() - before < PACKETS / 2);
    }
}
