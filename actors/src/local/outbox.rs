//! The sending half of a client's connection, usable from every thread.
//!
//! What the kernel takes goes out at once, the rest waits in a bounded queue that the session's writing
//! task empties: nobody ever waits for a client. A client that lets too much pile up is disconnected.

use ctdb_protocol::id::ClientId;
use ctdb_protocol::limits::DATA_QUEUE_BYTES_MAX;
use ctdb_protocol::tunable::{TunableId, Tunables};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::io::Interest;
use tokio::net::UnixStream;
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
    stream: UnixStream,
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
    ) -> Self {
        let shared = Shared {
            client,
            pid,
            stream,
            tunables,
            pending: Mutex::default(),
            wake: Notify::new(),
            room: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
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
            match self.shared.stream.try_write(packet) {
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

    /// Reads what is there; `WouldBlock` if nothing is.
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.shared.stream.try_read(buffer)?;
        if count < buffer.len() {
            // The socket is empty: wait for the kernel instead of asking it again (tokio's own readers do
            // the same).
            let empty = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = self.shared.stream.try_io(Interest::READABLE, empty);
        }
        Ok(count)
    }

    /// Waits until there is something to read.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.shared.stream.readable().await
    }

    /// Writes what waits until the connection ends.
    pub(super) async fn write_loop(&self) -> io::Result<()> {
        loop {
            self.shared.wake.notified().await;
            while self.flush_some()? {
                self.shared.stream.writable().await?;
            }
        }
    }

    /// Writes what the kernel takes; answers whether something is left.
    fn flush_some(&self) -> io::Result<bool> {
        let mut pending = self.pending();
        if pending.closed {
            return Err(io::ErrorKind::NotConnected.into());
        }
        while !pending.bytes.is_empty() {
            match self.shared.stream.try_write(pending.bytes.as_slices().0) {
                Ok(written) => pending.wrote(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if pending.bytes.len() < FULL_BYTES {
                        self.shared.room.notify_waiters();
                    }
                    return Ok(true);
                }
                Err(error) => return Err(error),
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
        let _ = rustix::net::shutdown(&self.shared.stream, rustix::net::Shutdown::Both);
        self.shared.wake.notify_one();
        self.shared.room.notify_waiters();
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
