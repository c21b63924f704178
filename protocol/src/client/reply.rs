//! What the daemon sends to clients: answers, delivered messages, tunnel packets.
//!
//! Always padded with zeros to a multiple of 8, with the least lengths that the C structures give.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cursor::{put, put_counted, put_len};
use super::error::WireError;
use super::header::{Envelope, Header, Padding, put_packet};
use super::packet::{Message, Tunnel, body, operation};

/// Least packet lengths, in bytes.
const MIN_REPLY: usize = 48;
const MIN_TUNNEL: usize = 56;

/// `REPLY_CALL`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallReply {
    /// 0 is success; the tool library insists on it.
    pub status: i32,
    /// What the call asked for.
    pub data: Vec<u8>,
}

/// `REPLY_CONTROL`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlReply {
    /// 0 is success, except for controls that answer in the status.
    pub status: i32,
    /// Payload; clients read it only if the status is 0.
    pub data: Vec<u8>,
    /// What went wrong; written without NUL.
    pub error: String,
}

impl ControlReply {
    /// Success with data.
    pub fn ok(data: Vec<u8>) -> Self {
        Self {
            status: 0,
            data,
            error: String::new(),
        }
    }

    /// A status alone.
    pub fn status(status: i32) -> Self {
        Self {
            status,
            data: Vec::new(),
            error: String::new(),
        }
    }

    /// Failure (status -1) with a text.
    pub fn error(text: impl Into<String>) -> Self {
        Self {
            status: -1,
            data: Vec::new(),
            error: text.into(),
        }
    }
}

/// A packet to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Answer to a call.
    Call(CallReply),
    /// A call failed. Known for test clients; the daemon never sends it.
    Error {
        /// Why, as a number.
        status: i32,
        /// Why, as a text.
        message: Vec<u8>,
    },
    /// Answer to a control.
    Control(ControlReply),
    /// A message delivered.
    Message(Message),
    /// A tunnel packet delivered.
    Tunnel(Tunnel),
}

impl Reply {
    /// Reads a whole packet of the daemon.
    pub fn parse(packet: &[u8]) -> Result<(Envelope, Self), WireError> {
        let header = Header::parse(packet)?;
        let reply = match header.operation {
            operation::REPLY_CALL => {
                let mut cursor = body("REPLY_CALL", packet)?;
                let status = cursor.u32()?.cast_signed();
                Self::Call(CallReply {
                    status,
                    data: cursor.counted_bytes()?.to_vec(),
                })
            }
            operation::REPLY_ERROR => {
                let mut cursor = body("REPLY_ERROR", packet)?;
                let status = cursor.u32()?.cast_signed();
                Self::Error {
                    status,
                    message: cursor.counted_bytes()?.to_vec(),
                }
            }
            operation::REPLY_CONTROL => {
                let mut cursor = body("REPLY_CONTROL", packet)?;
                let status = cursor.u32()?.cast_signed();
                let data_len = cursor.count()?;
                let error_len = cursor.count()?;
                let data = cursor.bytes(data_len)?.to_vec();
                let error = String::from_utf8(cursor.bytes(error_len)?.to_vec())
                    .map_err(|_| cursor.bad_text())?;
                Self::Control(ControlReply {
                    status,
                    data,
                    error,
                })
            }
            operation::REQ_MESSAGE => {
                Self::Message(Message::read(&mut body("REQ_MESSAGE", packet)?)?)
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
        Ok((header.envelope, reply))
    }

    /// Appends the whole packet. The envelope towards clients: generation of the vnnmap, destnode
    /// 0, srcnode the local pnn even for messages from elsewhere, reqid of the request (0 in
    /// messages).
    pub fn emit(&self, envelope: Envelope, out: &mut Vec<u8>) {
        let (operation, min_length) = match self {
            Self::Call(_) => (operation::REPLY_CALL, MIN_REPLY),
            Self::Error { .. } => (operation::REPLY_ERROR, MIN_REPLY),
            Self::Control(_) => (operation::REPLY_CONTROL, MIN_REPLY),
            Self::Message(_) => (operation::REQ_MESSAGE, MIN_REPLY),
            Self::Tunnel(_) => (operation::REQ_TUNNEL, MIN_TUNNEL),
        };
        let padding = Padding::Eight;
        put_packet(out, operation, envelope, padding, min_length, |out| {
            self.put_body(out);
        });
    }

    fn put_body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Call(CallReply { status, data })
            | Self::Error {
                status,
                message: data,
            } => {
                put(out, *status);
                put_counted(out, data);
            }
            Self::Control(ControlReply {
                status,
                data,
                error,
            }) => {
                put(out, *status);
                put_len(out, data.len());
                put_len(out, error.len());
                out.extend_from_slice(data);
                out.extend_from_slice(error.as_bytes());
            }
            Self::Message(message) => message.put(out),
            Self::Tunnel(tunnel) => tunnel.put(out),
        }
    }
}
