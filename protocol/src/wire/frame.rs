//! Cuts a byte stream into frames without trusting it.

use super::codec::LENGTH_BYTES;
use alloc::vec::Vec;

/// The stream claims a frame longer than allowed: the sender's fault, the link must be closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frame of {claimed} bytes, at most {allowed} are allowed here")]
pub struct FrameTooLong {
    /// Bytes that the length field claims.
    pub claimed: usize,
    /// Bytes allowed now.
    pub allowed: usize,
}

/// Splitter of one stream. Memory grows with what was received, never with what was claimed.
#[derive(Debug)]
pub struct FrameSplitter {
    buffer: Vec<u8>,
    read: usize,
    allowed: usize,
}

impl FrameSplitter {
    /// A splitter that refuses frames of more than `allowed` bytes.
    pub const fn new(allowed: usize) -> Self {
        Self {
            buffer: Vec::new(),
            read: 0,
            allowed,
        }
    }

    /// Changes the bound, once the peer is known.
    pub fn allow(&mut self, allowed: usize) {
        self.allowed = allowed;
    }

    /// Takes received bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.read > 0 && (self.read >= self.buffer.len() || self.read > 1 << 16) {
            self.buffer.drain(..self.read);
            self.read = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The body of the next complete frame.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameTooLong> {
        let rest = &self.buffer[self.read..];
        let Some((length, _)) = rest.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let claimed = u32::from_le_bytes(*length) as usize;
        if claimed > self.allowed {
            return Err(FrameTooLong {
                claimed,
                allowed: self.allowed,
            });
        }
        let end = LENGTH_BYTES + claimed;
        if rest.len() < end {
            return Ok(None);
        }
        let start = self.read + LENGTH_BYTES;
        self.read += end;
        Ok(Some(&self.buffer[start..self.read]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_however_they_were_cut() {
        let stream = [3, 0, 0, 0, b'a', b'b', b'c', 0, 0, 0, 0, 1, 0, 0, 0, b'z'];
        for piece in 1..stream.len() {
            let mut splitter = FrameSplitter::new(8);
            let mut frames = Vec::new();
            for bytes in stream.chunks(piece) {
                splitter.feed(bytes);
                while let Some(frame) = splitter.next_frame().expect("short frames") {
                    frames.push(frame.to_vec());
                }
            }
            assert_eq!(frames, [b"abc".to_vec(), Vec::new(), b"z".to_vec()]);
        }
    }

    #[test]
    fn a_long_frame_is_refused_before_it_is_buffered() {
        let mut splitter = FrameSplitter::new(8);
        splitter.feed(&[9, 0, 0, 0]);
        assert_eq!(
            splitter.next_frame(),
            Err(FrameTooLong {
                claimed: 9,
                allowed: 8
            })
        );
    }
}
