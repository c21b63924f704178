//! A synchronous netlink socket.
//!
//! rtnetlink and nfnetlink handle a request inside `send`: when it returns, all acknowledgements are queued on the
//! socket, and each part of a dump is produced by the `recv` before it. So requests never wait: they read until the
//! socket is empty. Only monitors block, with a time limit so that they notice their end.

use std::collections::BTreeMap;
use std::time::Duration;

use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;

use super::error::{NetError, Result};
use super::wire::{self, Message};

/// Larger than any datagram the kernel builds for a dump (32 KiB).
const BUFFER_LEN: usize = 64 * 1024;

/// Socket buffer asked for monitors, in bytes (the kernel may grant less).
const MONITOR_BUFFER_LEN: usize = 1 << 20;

pub(crate) struct NetlinkSocket {
    inner: Socket,
    what: &'static str,
    port: u32,
    seq: u32,
    buffer: Vec<u8>,
}

/// What a monitor's wait ended with.
pub(crate) enum Heard<'a> {
    /// One datagram of messages.
    Data(&'a [u8]),
    /// Nothing within the time limit.
    Nothing,
    /// The kernel had to drop messages: the listener's picture is stale.
    Overflow,
}

impl NetlinkSocket {
    /// Opens a socket for requests.
    pub(crate) fn open(protocol: isize, what: &'static str) -> Result<Self> {
        let fail = |source| NetError::io(format!("{what} socket"), source);
        let mut inner = Socket::new(protocol).map_err(fail)?;
        let address = inner.bind_auto().map_err(fail)?;
        inner.connect(&SocketAddr::new(0, 0)).map_err(fail)?;
        // Acknowledgements without a copy of the request: a hundred of them must fit the receive buffer.
        inner.set_cap_ack(true).map_err(fail)?;
        inner.set_non_blocking(true).map_err(fail)?;
        let buffer = Vec::with_capacity(BUFFER_LEN);
        Ok(Self {
            inner,
            what,
            port: address.port_number(),
            seq: 0,
            buffer,
        })
    }

    /// Opens a socket that listens to multicast groups; `wait` bounds each `hear`.
    pub(crate) fn listen(
        protocol: isize,
        what: &'static str,
        groups: &[u32],
        wait: Duration,
    ) -> Result<Self> {
        let fail = |source| NetError::io(format!("{what} monitor"), source);
        let socket = Self::open(protocol, what)?;
        // A larger buffer only makes an overflow rarer; a refusal changes nothing else.
        let _ = socket.inner.set_rx_buf_sz(MONITOR_BUFFER_LEN as u32);
        socket.inner.set_non_blocking(false).map_err(fail)?;
        let reference = socket2::SockRef::from(&socket.inner);
        reference.set_read_timeout(Some(wait)).map_err(fail)?;
        for group in groups {
            socket.inner.add_membership(*group).map_err(fail)?;
        }
        Ok(socket)
    }

    /// The port by which the kernel names this socket in notifications.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    pub(crate) fn next_seq(&mut self) -> u32 {
        self.seq = self.seq.wrapping_add(1).max(1);
        self.seq
    }

    /// Sends a batch and returns the answered error numbers by sequence number (0 is an acknowledgement).
    pub(crate) fn exchange(&mut self, batch: &[u8]) -> Result<BTreeMap<u32, i32>> {
        let mut answers = BTreeMap::new();
        self.send(batch)?;
        self.drain(|message| {
            if message.kind == wire::KIND_ERROR {
                answers.insert(message.seq, message.errno());
            }
        })?;
        Ok(answers)
    }

    /// Sends one dump or get request and shows each answer; the kernel's refusal is an error.
    pub(crate) fn query(
        &mut self,
        request: &[u8],
        mut each: impl FnMut(Message<'_>),
    ) -> Result<()> {
        let mut errno = 0;
        self.send(request)?;
        self.drain(|message| match message.kind {
            wire::KIND_ERROR | wire::KIND_DONE => errno = errno.max(message.errno()),
            _ => each(message),
        })?;
        if errno == 0 {
            return Ok(());
        }
        Err(NetError::kernel(
            format!("{} query", self.what),
            Errno::from_raw_os_error(errno),
        ))
    }

    /// Waits for the next notification.
    pub(crate) fn hear(&mut self) -> Result<Heard<'_>> {
        self.buffer.clear();
        match self.inner.recv(&mut self.buffer, 0) {
            Ok(_) => Ok(Heard::Data(&self.buffer)),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::AGAIN | Errno::INTR) => Ok(Heard::Nothing),
                Some(Errno::NOBUFS) => Ok(Heard::Overflow),
                _ => Err(NetError::io(format!("{} monitor", self.what), error)),
            },
        }
    }

    fn send(&mut self, batch: &[u8]) -> Result<()> {
        // Left-overs of an exchange that failed half-way must not answer this one.
        self.drain(|_| ()).or_else(|error| match error.errno() {
            Some(Errno::NOBUFS) => Ok(()),
            _ => Err(error),
        })?;
        let sent = self.inner.send(batch, 0);
        sent.map(|_| ())
            .map_err(|source| NetError::io(format!("{} request", self.what), source))
    }

    fn drain(&mut self, mut each: impl FnMut(Message<'_>)) -> Result<()> {
        loop {
            self.buffer.clear();
            match self.inner.recv(&mut self.buffer, 0) {
                Ok(_) => wire::messages(&self.buffer).for_each(&mut each),
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::AGAIN) => return Ok(()),
                    Some(Errno::INTR) => {}
                    _ => return Err(NetError::io(format!("{} answer", self.what), error)),
                },
            }
        }
    }
}
