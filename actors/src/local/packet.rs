//! Messages and tunnel packets on their way through the daemon, without a copy of their payload.
//!
//! The other packets go through `ctdb_protocol::client`; these two are the ones that benchmarks and busy
//! clusters are made of. `tests` compare what is written here with that module.

use ctdb_protocol::client::header::{HEADER_SIZE, Header};
use ctdb_protocol::client::packet::operation;
use ctdb_protocol::client::{Cursor, Envelope, WireError};

/// Least length of a message packet, in bytes.
const MESSAGE_BYTES_MIN: usize = 48;

/// A message inside the packet that it came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct MessageView<'a> {
    /// Whom it is for.
    pub(super) srvid: u64,
    /// Its payload.
    pub(super) data: &'a [u8],
}

impl<'a> MessageView<'a> {
    /// Reads the body of a `REQ_MESSAGE`.
    pub(super) fn parse(packet: &'a [u8]) -> Result<Self, WireError> {
        let mut cursor = Cursor::new("REQ_MESSAGE", packet);
        cursor.skip(HEADER_SIZE)?;
        let srvid = cursor.u64()?;
        let data = cursor.counted_bytes()?;
        Ok(Self { srvid, data })
    }

    /// Writes the packet that brings it to a client of node `own` into `out`, from the start.
    pub(super) fn emit(self, own: u32, generation: u32, out: &mut Vec<u8>) {
        let length = HEADER_SIZE + 12 + self.data.len();
        let length = length.max(MESSAGE_BYTES_MIN).next_multiple_of(8);
        out.clear();
        out.reserve(length);
        let header = Header {
            length: length as u32,
            operation: operation::REQ_MESSAGE,
            envelope: envelope(own, generation, 0),
        };
        header.emit(out);
        out.extend_from_slice(&self.srvid.to_le_bytes());
        out.extend_from_slice(&(self.data.len() as u32).to_le_bytes());
        out.extend_from_slice(self.data);
        out.resize(length, 0);
    }
}

/// The envelope of packets to clients of node `own`.
pub(super) fn envelope(own: u32, generation: u32, reqid: u32) -> Envelope {
    Envelope {
        generation,
        destnode: 0,
        srcnode: own,
        reqid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctdb_protocol::client::{Message, Reply};

    #[test]
    fn messages_are_written_as_the_protocol_module_writes_them() {
        for length in [0_usize, 1, 3, 4, 5, 12, 1000] {
            let data: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            let srvid = 0xF101_0000_0000_0000;
            let mut expected = Vec::new();
            let message = Message {
                srvid,
                data: data.clone(),
            };
            Reply::Message(message).emit(envelope(3, 77, 0), &mut expected);
            let mut written = vec![9; 7];
            let view = MessageView { srvid, data: &data };
            view.emit(3, 77, &mut written);
            assert_eq!(written, expected);
            let back = MessageView::parse(&written).expect("just written");
            assert_eq!((back.srvid, back.data), (srvid, &data[..]));
        }
    }
}
