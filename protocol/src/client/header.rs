//! The 32 bytes at the start of every packet.
//!
//! ```text
//!  0 length      4 magic      8 version   12 generation
//! 16 operation  20 destnode  24 srcnode   28 reqid
//! ```

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, put};
use super::error::WireError;

/// Size of the header in bytes.
pub const HEADER_SIZE: usize = 32;
/// Every packet carries it.
pub const MAGIC: u32 = 0x4354_4442;
/// The only version of the client protocol.
pub const VERSION: u32 = 1;

const NAME: &str = "packet header";

/// The fields of the header that concern the reader, without length, operation and constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Envelope {
    /// Vnnmap generation in packets of the daemon; meaningless in packets of clients.
    pub generation: u32,
    /// A pnn or one of the special numbers of [`super::pnn`]; 0 towards clients.
    pub destnode: u32,
    /// The local pnn in packets of the daemon; clients send anything.
    pub srcnode: u32,
    /// Chosen by the client, echoed in the reply; 0 is legal for messages.
    pub reqid: u32,
}

/// A parsed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Size of the whole packet in bytes, this header and trailing padding included.
    pub length: u32,
    /// Number of the packet type, known or not.
    pub operation: u32,
    /// The rest.
    pub envelope: Envelope,
}

impl Header {
    /// Reads the header at the start of a packet and checks magic and version. The length field is
    /// not compared with the bytes at hand: that is the frame splitter's part.
    pub fn parse(packet: &[u8]) -> Result<Self, WireError> {
        let mut cursor = Cursor::new(NAME, packet);
        Self::read(&mut cursor)
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let length = cursor.u32()?;
        let magic = cursor.u32()?;
        if magic != MAGIC {
            return Err(WireError::Value {
                what: NAME,
                field: "magic",
                value: magic.into(),
            });
        }
        let version = cursor.u32()?;
        if version != VERSION {
            return Err(WireError::Value {
                what: NAME,
                field: "version",
                value: version.into(),
            });
        }
        let generation = cursor.u32()?;
        let operation = cursor.u32()?;
        let envelope = Envelope {
            generation,
            destnode: cursor.u32()?,
            srcnode: cursor.u32()?,
            reqid: cursor.u32()?,
        };
        Ok(Self {
            length,
            operation,
            envelope,
        })
    }

    /// Appends the 32 bytes.
    pub fn emit(&self, out: &mut Vec<u8>) {
        put(out, self.length);
        put(out, MAGIC);
        put(out, VERSION);
        put(out, self.envelope.generation);
        put(out, self.operation);
        put(out, self.envelope.destnode);
        put(out, self.envelope.srcnode);
        put(out, self.envelope.reqid);
    }
}

/// How a packet's end is filled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Not at all, as smbd sends.
    None,
    /// With zeros to a multiple of 8, as the daemon and the `ctdb` tool send.
    Eight,
}

/// Appends a whole packet: header, what `body` writes, padding; at least `min_length` bytes.
pub(super) fn put_packet(
    out: &mut Vec<u8>,
    operation: u32,
    envelope: Envelope,
    padding: Padding,
    min_length: usize,
    body: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    Header {
        length: 0,
        operation,
        envelope,
    }
    .emit(out);
    body(out);
    let mut length = out.len() - start;
    if padding == Padding::Eight {
        length = length.max(min_length).next_multiple_of(8);
    }
    out.resize(start + length, 0);
    out[start..start + 4].copy_from_slice(&(length as u32).to_le_bytes());
}
