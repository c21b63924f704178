//! What clients send: calls, messages, controls, tunnel packets.
//!
//! The length fields inside a packet are authoritative; bytes behind them are padding. So what
//! smbd sends unpadded and what the `ctdb` tool sends padded read the same.

use alloc::vec::Vec;

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, put, put_counted, put_len, put_zeros};
use super::error::WireError;
use super::header::{Envelope, Header, Padding, put_packet};
use super::opcode::Opcode;

/// Packet types by number.
pub mod operation {
    /// Call on a record.
    pub const REQ_CALL: u32 = 0;
    /// Answer to it.
    pub const REPLY_CALL: u32 = 1;
    /// Answer to a call that failed; the real daemon never sends it to clients.
    pub const REPLY_ERROR: u32 = 4;
    /// Message, either way.
    pub const REQ_MESSAGE: u32 = 5;
    /// Control.
    pub const REQ_CONTROL: u32 = 7;
    /// Answer to it.
    pub const REPLY_CONTROL: u32 = 8;
    /// Tunnel packet, either way.
    pub const REQ_TUNNEL: u32 = 10;
}

bitflags! {
    /// How a call is to be served. Unknown bits are kept.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    pub struct CallFlags: u32 {
        /// Move the record here at once.
        const IMMEDIATE_MIGRATION = 1;
        /// Move it to be vacuumed; between daemons only.
        const VACUUM_MIGRATION = 2;
        /// A read-only copy will do.
        const WANT_READONLY = 4;
    }

    /// How a control is to be served. The high 16 bits belong to the opcode; unknown bits are kept.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    pub struct ControlFlags: u32 {
        /// No answer is wanted.
        const NOREPLY = 0x0000_0001;
        /// `GET_PUBLIC_IPS`: only what this node could host now.
        const PUBLIC_IPS_ONLY_AVAILABLE = 0x0001_0000;
        /// `DB_ATTACH`: by a recovery.
        const ATTACH_RECOVERY = 0x0002_0000;
    }

    /// Kind of a tunnel packet. Unknown bits are kept.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    pub struct TunnelFlags: u32 {
        /// Asks.
        const REQUEST = 0x01;
        /// Answers.
        const REPLY = 0x02;
        /// Wants no answer.
        const NOREPLY = 0x10;
    }
}

/// What a call does with the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallId {
    /// Nothing: the client wants it here. Answered without data.
    Null,
    /// Answered with the data.
    Fetch,
    /// Answered with the 24-byte header and the data.
    FetchWithHeader,
    /// A number without a meaning.
    Unknown(u32),
}

impl CallId {
    /// The call of that number.
    pub fn from_number(number: u32) -> Self {
        match number {
            0xFF00_0001 => Self::Null,
            0xFF00_0002 => Self::Fetch,
            0xFF00_0003 => Self::FetchWithHeader,
            other => Self::Unknown(other),
        }
    }

    /// Its number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Self::Null => 0xFF00_0001,
            Self::Fetch => 0xFF00_0002,
            Self::FetchWithHeader => 0xFF00_0003,
            Self::Unknown(number) => number,
        }
    }
}

/// `REQ_CALL`. The destination in its envelope is to be ignored: smbd sends 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// How.
    pub flags: CallFlags,
    /// Which database.
    pub db_id: u32,
    /// What.
    pub call_id: CallId,
    /// Redirects so far; 0 from clients.
    pub hop_count: u32,
    /// Key of the record.
    pub key: Vec<u8>,
    /// Argument of the call; unused by the three calls.
    pub data: Vec<u8>,
}

/// `REQ_MESSAGE`, from clients and to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Whom it is for.
    pub srvid: u64,
    /// Payload; not the daemon's business.
    pub data: Vec<u8>,
}

/// `REQ_CONTROL`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// What.
    pub opcode: Opcode,
    /// Argument of some controls.
    pub srvid: u64,
    /// 0 from clients; the daemon puts its own number of the client.
    pub client_id: u32,
    /// How.
    pub flags: ControlFlags,
    /// Payload.
    pub data: Vec<u8>,
}

/// `REQ_TUNNEL`, from clients and to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// Which tunnel.
    pub tunnel_id: u64,
    /// Kind.
    pub flags: TunnelFlags,
    /// Payload.
    pub data: Vec<u8>,
}

/// A packet of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Wants a record.
    Call(Call),
    /// Sends a message.
    Message(Message),
    /// Asks the daemon for something.
    Control(Control),
    /// Sends a tunnel packet.
    Tunnel(Tunnel),
}

impl Request {
    /// Reads a whole packet, as the frame splitter gives it. Packet types that clients may not
    /// send are an error naming the operation.
    pub fn parse(packet: &[u8]) -> Result<(Envelope, Self), WireError> {
        let header = Header::parse(packet)?;
        let request = match header.operation {
            operation::REQ_CALL => Self::Call(Call::read(&mut body("REQ_CALL", packet)?)?),
            operation::REQ_MESSAGE => {
                Self::Message(Message::read(&mut body("REQ_MESSAGE", packet)?)?)
            }
            operation::REQ_CONTROL => {
                Self::Control(Control::read(&mut body("REQ_CONTROL", packet)?)?)
            }
            operation::REQ_TUNNEL => Self::Tunnel(Tunnel::read(&mut body("REQ_TUNNEL", packet)?)?),
            other => {
                return Err(WireError::Value {
                    what: "packet header",
                    field: "operation",
                    value: other.into(),
                });
            }
        };
        Ok((header.envelope, request))
    }

    /// Appends the whole packet, as a client sends it.
    pub fn emit(&self, envelope: Envelope, padding: Padding, out: &mut Vec<u8>) {
        let operation = match self {
            Self::Call(_) => operation::REQ_CALL,
            Self::Message(_) => operation::REQ_MESSAGE,
            Self::Control(_) => operation::REQ_CONTROL,
            Self::Tunnel(_) => operation::REQ_TUNNEL,
        };
        put_packet(out, operation, envelope, padding, 0, |out| match self {
            Self::Call(call) => call.put(out),
            Self::Message(message) => message.put(out),
            Self::Control(control) => control.put(out),
            Self::Tunnel(tunnel) => tunnel.put(out),
        });
    }
}

/// A cursor behind the header; offsets in its errors count from the start of the packet.
pub(super) fn body<'a>(what: &'static str, packet: &'a [u8]) -> Result<Cursor<'a>, WireError> {
    let mut cursor = Cursor::new(what, packet);
    cursor.skip(super::header::HEADER_SIZE)?;
    Ok(cursor)
}

impl Call {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let flags = CallFlags::from_bits_retain(cursor.u32()?);
        let db_id = cursor.u32()?;
        let call_id = CallId::from_number(cursor.u32()?);
        let hop_count = cursor.u32()?;
        let key_len = cursor.count()?;
        let data_len = cursor.count()?;
        let key = cursor.bytes(key_len)?.to_vec();
        let data = cursor.bytes(data_len)?.to_vec();
        Ok(Self {
            flags,
            db_id,
            call_id,
            hop_count,
            key,
            data,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        put(out, self.flags.bits());
        put(out, self.db_id);
        put(out, self.call_id.number());
        put(out, self.hop_count);
        put_len(out, self.key.len());
        put_len(out, self.data.len());
        out.extend_from_slice(&self.key);
        out.extend_from_slice(&self.data);
    }
}

impl Message {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let srvid = cursor.u64()?;
        Ok(Self {
            srvid,
            data: cursor.counted_bytes()?.to_vec(),
        })
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put(out, self.srvid);
        put_counted(out, &self.data);
    }
}

impl Control {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let opcode = Opcode::from_number(cursor.u32()?);
        cursor.skip(4)?;
        let srvid = cursor.u64()?;
        let client_id = cursor.u32()?;
        let flags = ControlFlags::from_bits_retain(cursor.u32()?);
        Ok(Self {
            opcode,
            srvid,
            client_id,
            flags,
            data: cursor.counted_bytes()?.to_vec(),
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        put(out, self.opcode.number());
        put_zeros(out, 4);
        put(out, self.srvid);
        put(out, self.client_id);
        put(out, self.flags.bits());
        put_counted(out, &self.data);
    }
}

impl Tunnel {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let tunnel_id = cursor.u64()?;
        let flags = TunnelFlags::from_bits_retain(cursor.u32()?);
        Ok(Self {
            tunnel_id,
            flags,
            data: cursor.counted_bytes()?.to_vec(),
        })
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put(out, self.tunnel_id);
        put(out, self.flags.bits());
        put_counted(out, &self.data);
    }
}
