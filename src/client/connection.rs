//! One connection to the socket.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ctdb_protocol::client::{
    Call, CallReply, Control, ControlFlags, ControlReply, Envelope, FrameSplitter, Message, Opcode,
    Padding, Reply, Request, pnn,
};

use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::error::{ClientError, Result};

/// Bound of the queue of messages that arrived and were not asked for yet.
pub const MAX_QUEUED_MESSAGES: usize = 100_000;

/// How long a read may sleep before the deadline is looked at again: the socket option is set once,
/// not once a read.
const READ_SLICE: Duration = Duration::from_millis(100);

/// Bytes asked for in one read.
const READ_BYTES: usize = 8 << 10;

/// A connection, used strictly synchronously: while an answer is awaited, messages are queued and
/// answers to other requests are dropped.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: UnixStream,
    splitter: FrameSplitter,
    messages: VecDeque<Message>,
    last_reqid: u32,
    pnn: u32,
    timeout: Duration,
}

impl Client {
    /// Connects and asks for the pnn of the node.
    pub fn connect(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let stream = UnixStream::connect(&path).map_err(|source| ClientError::Connect {
            path: path.clone(),
            source,
        })?;
        stream.set_read_timeout(Some(READ_SLICE))?;
        let mut client = Self {
            path,
            stream,
            splitter: FrameSplitter::default(),
            messages: VecDeque::new(),
            last_reqid: 0,
            pnn: pnn::UNKNOWN,
            timeout: Duration::from_secs(120),
        };
        let reply = client.control(Opcode::GetPnn, pnn::CURRENT, &[])?;
        client.pnn = reply.status.cast_unsigned();
        Ok(client)
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The pnn of the node this client is connected to.
    pub fn pnn(&self) -> u32 {
        self.pnn
    }

    /// Sets how long answers are waited for. smbd waits for ever; 120 s by default, so that a test
    /// ends.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Sends a control and waits for the answer, whatever its status.
    pub fn control(&mut self, opcode: Opcode, destnode: u32, data: &[u8]) -> Result<ControlReply> {
        self.control_srvid(opcode, destnode, 0, data)
    }

    /// The same with the header's srvid field, which some controls use.
    pub fn control_srvid(
        &mut self,
        opcode: Opcode,
        destnode: u32,
        srvid: u64,
        data: &[u8],
    ) -> Result<ControlReply> {
        let request = control_request(opcode, srvid, ControlFlags::empty(), data);
        let reqid = self.send(&request, destnode)?;
        match self.wait_for(reqid, opcode.name())? {
            Reply::Control(reply) => Ok(reply),
            other => Err(unexpected(&other)),
        }
    }

    /// Sends a control to the own node and takes anything but status 0 as an error.
    pub fn control_ok(&mut self, opcode: Opcode, data: &[u8]) -> Result<Vec<u8>> {
        self.control_srvid_ok(opcode, 0, data)
    }

    /// Sends a control that is not answered.
    pub fn control_noreply(&mut self, opcode: Opcode, srvid: u64, data: &[u8]) -> Result<()> {
        let request = control_request(opcode, srvid, ControlFlags::NOREPLY, data);
        self.send(&request, pnn::CURRENT).map(|_| ())
    }

    /// Sends a call and waits for the answer.
    pub fn call(&mut self, call: Call) -> Result<CallReply> {
        let db_id = call.db_id;
        // smbd sends 0 here; the daemon must not look at it.
        let reqid = self.send(&Request::Call(call), 0)?;
        match self.wait_for(reqid, "REQ_CALL")? {
            Reply::Call(reply) if reply.status == 0 => Ok(reply),
            Reply::Call(CallReply { status, .. }) | Reply::Error { status, .. } => {
                Err(ClientError::Call { db_id, status })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Sends many calls, then waits for all answers, whose data are dropped.
    pub fn call_many(&mut self, calls: impl Iterator<Item = Call>) -> Result<()> {
        let mut awaited = std::collections::BTreeMap::new();
        for call in calls {
            let db_id = call.db_id;
            awaited.insert(self.send(&Request::Call(call), 0)?, db_id);
        }
        let deadline = Instant::now() + self.timeout;
        while !awaited.is_empty() {
            let Some((envelope, reply)) = self.next_reply(deadline)? else {
                return Err(ClientError::Timeout {
                    what: "many calls".into(),
                    waited: self.timeout,
                });
            };
            match (awaited.remove(&envelope.reqid), reply) {
                (Some(_), Reply::Call(CallReply { status: 0, .. })) | (None, _) => {}
                (
                    Some(db_id),
                    Reply::Call(CallReply { status, .. }) | Reply::Error { status, .. },
                ) => {
                    return Err(ClientError::Call { db_id, status });
                }
                (Some(_), other) => return Err(unexpected(&other)),
            }
        }
        Ok(())
    }

    /// Asks for messages of `srvid`.
    pub fn register_srvid(&mut self, srvid: u64) -> Result<()> {
        self.control_srvid_ok(Opcode::RegisterSrvid, srvid, &[])
            .map(|_| ())
    }

    /// Takes that back.
    pub fn deregister_srvid(&mut self, srvid: u64) -> Result<()> {
        self.control_srvid_ok(Opcode::DeregisterSrvid, srvid, &[])
            .map(|_| ())
    }

    /// Sends a message to a node or a broadcast.
    pub fn send_message(&mut self, destnode: u32, srvid: u64, data: &[u8]) -> Result<()> {
        let request = Request::Message(Message {
            srvid,
            data: data.to_vec(),
        });
        let envelope = Envelope {
            destnode,
            ..Envelope::default()
        };
        self.write(&request, envelope)
    }

    /// The next message, or `None` if none arrives in time.
    pub fn recv_message(&mut self, timeout: Duration) -> Result<Option<Message>> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Ok(Some(message));
            }
            match self.next_reply(deadline)? {
                None => return Ok(None),
                Some((_, Reply::Message(message))) => return Ok(Some(message)),
                // An answer that came too late for its request.
                Some(_) => {}
            }
        }
    }

    /// An error if the daemon has closed the connection; never waits, reads nothing.
    ///
    /// smbd, which watches its connections all the time, exits then at once. A client that works on
    /// local records must ask, or it goes on with records that the cluster has given up.
    pub fn check_open(&self) -> Result<()> {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match rustix::net::recv(&self.stream, &mut [0_u8; 1][..], flags) {
            Ok((0, _)) | Err(Errno::CONNRESET) => Err(ClientError::Closed),
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(std::io::Error::from(error).into()),
        }
    }

    fn control_srvid_ok(&mut self, opcode: Opcode, srvid: u64, data: &[u8]) -> Result<Vec<u8>> {
        let reply = self.control_srvid(opcode, pnn::CURRENT, srvid, data)?;
        match reply.status {
            0 => Ok(reply.data),
            status => Err(ClientError::Control {
                opcode,
                status,
                text: reply.error,
            }),
        }
    }

    /// Sends a request under a new reqid.
    fn send(&mut self, request: &Request, destnode: u32) -> Result<u32> {
        self.last_reqid = self.last_reqid.checked_add(1).unwrap_or(1);
        let envelope = Envelope {
            destnode,
            reqid: self.last_reqid,
            ..Envelope::default()
        };
        self.write(request, envelope)?;
        Ok(self.last_reqid)
    }

    fn write(&mut self, request: &Request, envelope: Envelope) -> Result<()> {
        let mut packet = Vec::new();
        request.emit(envelope, Padding::None, &mut packet);
        self.stream
            .write_all(&packet)
            .map_err(|error| match error.kind() {
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => ClientError::Closed,
                _ => error.into(),
            })
    }

    /// Waits for the answer to `reqid`.
    fn wait_for(&mut self, reqid: u32, what: &str) -> Result<Reply> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match self.next_reply(deadline)? {
                None => {
                    return Err(ClientError::Timeout {
                        what: what.into(),
                        waited: self.timeout,
                    });
                }
                Some((_, Reply::Message(message))) => {
                    if self.messages.len() == MAX_QUEUED_MESSAGES {
                        return Err(ClientError::TooManyMessages(MAX_QUEUED_MESSAGES));
                    }
                    self.messages.push_back(message);
                }
                Some((envelope, reply)) if envelope.reqid == reqid => return Ok(reply),
                Some(_) => {}
            }
        }
    }

    /// The next packet of the daemon, or `None` at the deadline.
    fn next_reply(&mut self, deadline: Instant) -> Result<Option<(Envelope, Reply)>> {
        let mut buffer = [0; READ_BYTES];
        loop {
            if let Some(packet) = self.splitter.next_packet()? {
                return Ok(Some(Reply::parse(packet)?));
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ClientError::Closed),
                Ok(count) => self.splitter.push(&buffer[..count]),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut if Instant::now() >= deadline => {
                        return Ok(None);
                    }
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    ErrorKind::ConnectionReset => return Err(ClientError::Closed),
                    _ => return Err(error.into()),
                },
            }
        }
    }
}

fn control_request(opcode: Opcode, srvid: u64, flags: ControlFlags, data: &[u8]) -> Request {
    Request::Control(Control {
        opcode,
        srvid,
        client_id: 0,
        flags,
        data: data.to_vec(),
    })
}

/// An answer of the wrong kind under the right reqid.
fn unexpected(reply: &Reply) -> ClientError {
    let value = match reply {
        Reply::Call(_) => 1,
        Reply::Error { .. } => 4,
        Reply::Message(_) => 5,
        Reply::Control(_) => 8,
        Reply::Tunnel(_) => 10,
    };
    ctdb_protocol::client::WireError::Value {
        what: "reply",
        field: "operation",
        value,
    }
    .into()
}
