//! A blocking client that sees every packet.

use ctdb_protocol::client::header::Envelope;
use ctdb_protocol::client::{
    Call, CallFlags, CallId, Control, ControlFlags, ControlReply, FrameSplitter, Header, Message,
    Opcode, Padding, Payload, Reply, Request, pnn,
};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A packet that is awaited comes by then, or the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Raw {
    pub(super) stream: UnixStream,
    splitter: FrameSplitter,
    last_reqid: u32,
}

impl Raw {
    pub(super) fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        Self {
            stream,
            splitter: FrameSplitter::default(),
            last_reqid: 0,
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("write");
    }

    pub(super) fn send(&mut self, destnode: u32, request: &Request) -> u32 {
        self.last_reqid += 1;
        let envelope = Envelope {
            destnode,
            reqid: self.last_reqid,
            ..Envelope::default()
        };
        let mut packet = Vec::new();
        request.emit(envelope, Padding::None, &mut packet);
        self.write(&packet);
        self.last_reqid
    }

    /// The next packet as bytes; `None` when the daemon closed the connection.
    pub(super) fn packet(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 8 << 10];
        loop {
            if let Some(packet) = self.splitter.next_packet().expect("sound") {
                return Some(packet.to_vec());
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.splitter.push(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no packet came: {error}"),
            }
        }
    }

    pub(super) fn reply(&mut self) -> (Header, Reply) {
        let packet = self.packet().expect("the connection stands");
        let header = Header::parse(&packet).expect("header");
        (header, Reply::parse(&packet).expect("reply").1)
    }

    pub(super) fn is_closed(&mut self) -> bool {
        loop {
            if self.packet().is_none() {
                return true;
            }
        }
    }

    pub(super) fn control_with(
        &mut self,
        destnode: u32,
        opcode: Opcode,
        srvid: u64,
        flags: ControlFlags,
        data: &[u8],
    ) -> u32 {
        let data = data.to_vec();
        let control = Control {
            opcode,
            srvid,
            client_id: 0,
            flags,
            data,
        };
        self.send(destnode, &Request::Control(control))
    }

    pub(super) fn control(&mut self, destnode: u32, opcode: Opcode, data: &[u8]) -> ControlReply {
        let reqid = self.control_with(destnode, opcode, 0, ControlFlags::empty(), data);
        self.control_reply(reqid)
    }

    pub(super) fn control_reply(&mut self, reqid: u32) -> ControlReply {
        loop {
            let (header, reply) = self.reply();
            match reply {
                Reply::Control(reply) if header.envelope.reqid == reqid => return reply,
                Reply::Message(_) => {}
                other => panic!("awaited the answer to {reqid}: {other:?}"),
            }
        }
    }

    /// A control of the own node that must succeed.
    pub(super) fn ok<T: Payload>(&mut self, opcode: Opcode, data: &[u8]) -> T {
        let reply = self.control(pnn::CURRENT, opcode, data);
        assert_eq!((reply.status, &*reply.error), (0, ""), "{opcode}");
        T::parse(&reply.data).expect("payload")
    }

    pub(super) fn status(&mut self, destnode: u32, opcode: Opcode, data: &[u8]) -> i32 {
        self.control(destnode, opcode, data).status
    }

    pub(super) fn srvid(&mut self, opcode: Opcode, srvid: u64) -> i32 {
        let empty = ControlFlags::empty();
        let reqid = self.control_with(pnn::CURRENT, opcode, srvid, empty, &[]);
        self.control_reply(reqid).status
    }

    pub(super) fn register(&mut self, srvid: u64) {
        assert_eq!(self.srvid(Opcode::RegisterSrvid, srvid), 0);
    }

    pub(super) fn message(&mut self, destnode: u32, srvid: u64, data: &[u8]) {
        let data = data.to_vec();
        self.send(destnode, &Request::Message(Message { srvid, data }));
    }

    pub(super) fn recv(&mut self) -> Message {
        match self.reply().1 {
            Reply::Message(message) => message,
            other => panic!("awaited a message: {other:?}"),
        }
    }

    pub(super) fn attach(&mut self, name: &str) -> u32 {
        let text = ctdb_protocol::client::text::Text(name.into());
        self.ok(Opcode::DbAttach, &text.to_bytes())
    }

    pub(super) fn call(&mut self, db_id: u32, call_id: CallId, key: &[u8]) -> u32 {
        let call = Call {
            flags: CallFlags::IMMEDIATE_MIGRATION,
            db_id,
            call_id,
            hop_count: 0,
            key: key.to_vec(),
            data: vec![],
        };
        self.send(0, &Request::Call(call))
    }
}
