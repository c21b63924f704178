//! Cuts the byte stream of a client connection into packets.
//!
//! Every packet starts with its own length, which counts itself and may or may not be padded. The
//! buffer holds only bytes that have really arrived, never what a length merely claims, and at most
//! one packet of the greatest size plus one read.

use alloc::vec::Vec;

use thiserror::Error;

use super::header::HEADER_SIZE;

/// The greatest packet accepted by default, in bytes. The real daemon knows no bound; the largest
/// packets in use are transaction commits and the chunks of `restoredb`, a few megabytes.
pub const MAX_PACKET_BYTES: usize = 64 << 20;

/// Capacity that an idle connection may keep, in bytes.
const KEPT_CAPACITY_BYTES: usize = 64 << 10;

const _: () =
    assert!(MAX_PACKET_BYTES > KEPT_CAPACITY_BYTES && MAX_PACKET_BYTES < u32::MAX as usize);

/// The stream cannot be followed any further: the connection must be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A length that cannot hold a header; 0 in particular.
    #[error("packet length {length} is below the header's {HEADER_SIZE} bytes")]
    TooShort {
        /// The length field.
        length: u32,
    },
    /// A length above the bound.
    #[error("packet length {length} is above the limit of {limit} bytes")]
    TooLong {
        /// The length field.
        length: u32,
        /// The bound in force, in bytes.
        limit: usize,
    },
}

/// The splitter of one connection. After each [`push`](Self::push), call
/// [`next_packet`](Self::next_packet) until it gives nothing more.
#[derive(Debug)]
pub struct FrameSplitter {
    buffer: Vec<u8>,
    /// Bytes at the start of `buffer` that were handed out already.
    taken: usize,
    limit: usize,
}

impl FrameSplitter {
    /// A splitter that accepts packets of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            taken: 0,
            limit: limit.max(HEADER_SIZE),
        }
    }

    /// Appends bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.compact();
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole packet, if it has arrived. An error repeats itself for ever.
    pub fn next_packet(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let waiting = &self.buffer[self.taken..];
        let Some(prefix) = waiting.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*prefix);
        let size = length as usize;
        if size < HEADER_SIZE {
            return Err(FrameError::TooShort { length });
        }
        if size > self.limit {
            return Err(FrameError::TooLong {
                length,
                limit: self.limit,
            });
        }
        if waiting.len() < size {
            return Ok(None);
        }
        let start = self.taken;
        self.taken += size;
        Ok(Some(&self.buffer[start..self.taken]))
    }

    /// Number of bytes that wait for the rest of their packet.
    pub fn pending_bytes(&self) -> usize {
        self.buffer.len() - self.taken
    }

    /// Drops what was handed out, and the memory of a large packet when it is gone.
    fn compact(&mut self) {
        if self.taken == 0 {
            return;
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        if self.buffer.capacity() > KEPT_CAPACITY_BYTES && self.buffer.len() < KEPT_CAPACITY_BYTES {
            self.buffer.shrink_to(KEPT_CAPACITY_BYTES);
        }
    }
}

impl Default for FrameSplitter {
    fn default() -> Self {
        Self::new(MAX_PACKET_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn packet(length: u32) -> Vec<u8> {
        let mut bytes = vec![7; length as usize];
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    #[test]
    fn packets_come_out_whole_however_the_stream_is_cut() {
        let lengths = [32, 60, 71, 48, 32];
        let stream: Vec<u8> = lengths.iter().flat_map(|&l| packet(l)).collect();
        for chunk in [1, 3, 32, 33, 1000] {
            let mut splitter = FrameSplitter::default();
            let mut seen = Vec::new();
            for piece in stream.chunks(chunk) {
                splitter.push(piece);
                while let Some(packet) = splitter.next_packet().unwrap() {
                    seen.push(packet.len() as u32);
                }
            }
            assert_eq!(seen, lengths, "chunks of {chunk}");
            assert_eq!(splitter.pending_bytes(), 0);
        }
    }

    #[test]
    fn impossible_lengths_end_the_stream() {
        for length in [0, 1, 31] {
            let mut splitter = FrameSplitter::default();
            splitter.push(&u32::to_le_bytes(length));
            assert_eq!(splitter.next_packet(), Err(FrameError::TooShort { length }));
            splitter.push(&[0; 100]);
            assert_eq!(splitter.next_packet(), Err(FrameError::TooShort { length }));
        }
        let mut splitter = FrameSplitter::new(100);
        splitter.push(&packet(100));
        assert!(splitter.next_packet().unwrap().is_some());
        splitter.push(&101_u32.to_le_bytes());
        assert_eq!(
            splitter.next_packet(),
            Err(FrameError::TooLong {
                length: 101,
                limit: 100
            })
        );
    }

    #[test]
    fn a_claimed_length_allocates_nothing() {
        let mut splitter = FrameSplitter::default();
        splitter.push(&(MAX_PACKET_BYTES as u32).to_le_bytes());
        assert_eq!(splitter.next_packet(), Ok(None));
        assert!(splitter.buffer.capacity() < 1024);
    }

    #[test]
    fn a_large_packet_does_not_pin_its_memory() {
        let mut splitter = FrameSplitter::default();
        splitter.push(&packet(4 << 20));
        assert!(splitter.next_packet().unwrap().is_some());
        splitter.push(&[]);
        assert!(splitter.buffer.capacity() <= KEPT_CAPACITY_BYTES);
    }
}
