//! The only place that names bincode (2.0.1, frozen; its known traps are closed here).
//!
//! A frame is a little-endian `u32` length of what follows, then one [`Packet`]. Decoding is limited to
//! the frame's size, so a length claimed inside a packet can't make us allocate more than the sender sent
//! (without a limit twelve bytes end the process), and a packet must fill its frame exactly.

use super::message::Packet;
use crate::limits;
use alloc::vec::Vec;
use bincode::config::{self, Config};

/// Bytes of the length field.
pub const LENGTH_BYTES: usize = 4;

/// Why a frame could not be decoded: always the sender's fault, nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are no packet.
    #[error("malformed packet of {0} bytes")]
    Malformed(usize),
    /// There is more in the frame than the packet.
    #[error("{0} bytes too many behind a packet")]
    Trailing(usize),
}

/// Fixed-width little-endian integers: the same bytes as `config::legacy()`, which other crates read too.
fn configuration() -> impl Config {
    config::standard()
        .with_little_endian()
        .with_fixed_int_encoding()
}

/// Appends `packet` as one frame to `buffer`.
pub fn encode(packet: &Packet, buffer: &mut Vec<u8>) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; LENGTH_BYTES]);
    // Our own types always encode: there is no map, no float and no borrowed writer that could fail.
    let body = bincode::serde::encode_to_vec(packet, configuration()).expect("a packet encodes");
    buffer.extend_from_slice(&body);
    let length =
        u32::try_from(buffer.len() - start - LENGTH_BYTES).expect("a frame is below 4 GiB");
    buffer[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
}

/// Decodes the body of one frame.
pub fn decode(body: &[u8]) -> Result<Packet, DecodeError> {
    // The limit is a constant of the type; three steps keep it near what was really received.
    const SMALL: usize = 4 << 10;
    let decoded = if body.len() <= SMALL {
        decode_limited::<{ 16 * SMALL }>(body)
    } else if body.len() <= limits::CONTROL_FRAME_BYTES_MAX {
        decode_limited::<{ 4 * limits::CONTROL_FRAME_BYTES_MAX }>(body)
    } else {
        decode_limited::<{ 2 * limits::DATA_FRAME_BYTES_MAX }>(body)
    };
    let (packet, used) = decoded.ok_or(DecodeError::Malformed(body.len()))?;
    if used == body.len() {
        Ok(packet)
    } else {
        Err(DecodeError::Trailing(body.len() - used))
    }
}

fn decode_limited<const LIMIT: usize>(body: &[u8]) -> Option<(Packet, usize)> {
    let configuration = config::standard()
        .with_little_endian()
        .with_fixed_int_encoding()
        .with_limit::<LIMIT>();
    bincode::serde::decode_from_slice(body, configuration).ok()
}
