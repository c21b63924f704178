//! One TCP connection to a peer: what is written goes out at once if the kernel takes it, else it waits in a
//! bounded buffer that a task empties.

use ctdb_protocol::limits;
use ctdb_protocol::wire::codec;
use ctdb_protocol::wire::frame::FrameSplitter;
use ctdb_protocol::wire::hello::Lane;
use ctdb_protocol::wire::message::Packet;
use std::io;
use std::sync::{Arc, Mutex};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Bytes read at once.
const READ_BYTES: usize = 256 << 10;

/// The sending half, usable from every thread.
#[derive(Clone, Debug)]
pub struct LaneSender {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    stream: TcpStream,
    lane: Lane,
    pending: Mutex<Pending>,
    /// Something waits to be written, or the lane was closed.
    wake: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    closed: bool,
}

/// The lane can take no more: it was closed, or its peer does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    /// The lane was closed.
    #[error("the lane is closed")]
    Closed,
    /// More waits than is allowed.
    #[error("the peer does not read: {0} bytes wait")]
    Full(usize),
}

impl LaneSender {
    /// A lane over an accepted or dialled stream whose hellos are done.
    pub fn new(stream: TcpStream, lane: Lane) -> Self {
        let shared = Shared {
            stream,
            lane,
            pending: Mutex::default(),
            wake: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    fn queue_bytes_max(&self) -> usize {
        match self.shared.lane {
            Lane::Control => 2 * limits::CONTROL_FRAME_BYTES_MAX,
            Lane::Data => limits::DATA_QUEUE_BYTES_MAX,
        }
    }

    /// Sends a packet, or queues it behind those that wait.
    pub fn send(&self, packet: &Packet) -> Result<(), LaneError> {
        let mut pending = self.shared.pending.lock().expect("no panic while held");
        if pending.closed {
            return Err(LaneError::Closed);
        }
        let waiting = pending.bytes.len();
        if waiting > self.queue_bytes_max() {
            return Err(LaneError::Full(waiting));
        }
        codec::encode(packet, &mut pending.bytes);
        if waiting > 0 {
            return Ok(());
        }
        match self.shared.stream.try_write(&pending.bytes) {
            Ok(written) if written == pending.bytes.len() => pending.bytes.clear(),
            Ok(written) => {
                pending.bytes.drain(..written);
                self.shared.wake.notify_one();
            }
            // Not ready, or broken: the writing task waits, or finds out.
            Err(_) => self.shared.wake.notify_one(),
        }
        Ok(())
    }

    /// Closes the lane; its tasks end.
    pub fn close(&self) {
        self.shared
            .pending
            .lock()
            .expect("no panic while held")
            .closed = true;
        // Readers and writers on this stream are woken by the shutdown of the socket.
        let _ = rustix::net::shutdown(&self.shared.stream, rustix::net::Shutdown::Both);
        self.shared.wake.notify_one();
    }

    /// Writes what waits until the lane is closed.
    pub async fn write_loop(&self) -> io::Result<()> {
        loop {
            self.shared.wake.notified().await;
            while self.flush_some()? {
                self.shared.stream.writable().await?;
            }
        }
    }

    /// Writes what the kernel takes; answers whether something is left.
    fn flush_some(&self) -> io::Result<bool> {
        let mut pending = self.shared.pending.lock().expect("no panic while held");
        if pending.closed {
            return Err(io::ErrorKind::NotConnected.into());
        }
        while !pending.bytes.is_empty() {
            match self.shared.stream.try_write(&pending.bytes) {
                Ok(written) => {
                    pending.bytes.drain(..written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        pending.bytes.shrink_to(READ_BYTES);
        Ok(false)
    }

    /// Reads packets and hands them to `deliver` until the lane ends; answers why it ended.
    pub async fn read_loop(
        &self,
        mut splitter: FrameSplitter,
        mut deliver: impl FnMut(Packet),
    ) -> String {
        splitter.allow(match self.shared.lane {
            Lane::Control => limits::CONTROL_FRAME_BYTES_MAX,
            Lane::Data => limits::DATA_FRAME_BYTES_MAX,
        });
        let mut buffer = vec![0; READ_BYTES];
        loop {
            // The first packets may have come together with the hello.
            loop {
                match splitter.next_frame() {
                    Err(error) => return error.to_string(),
                    Ok(None) => break,
                    Ok(Some(body)) => match codec::decode(body) {
                        Ok(packet) => deliver(packet),
                        Err(error) => return error.to_string(),
                    },
                }
            }
            match self.read_some(&mut buffer).await {
                Ok(0) => return String::from("the peer closed the connection"),
                Ok(count) => splitter.feed(&buffer[..count]),
                Err(error) => return error.to_string(),
            }
        }
    }

    async fn read_some(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let stream = &self.shared.stream;
        loop {
            stream.readable().await?;
            match stream.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(count) if count > 0 && count < buffer.len() => {
                    // The socket is empty: wait for the kernel instead of asking it again (tokio's own
                    // readers do the same).
                    let empty = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                    let _ = stream.try_io(Interest::READABLE, empty);
                    return Ok(count);
                }
                result => return result,
            }
        }
    }
}
