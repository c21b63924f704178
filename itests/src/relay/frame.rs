//! What travels: `to`, `from`, kind, length of the payload, each a little-endian u32, then the payload.

use std::io::{self, Read, Write};

const HEADER_BYTES: usize = 16;
/// Read at a time.
const CHUNK_BYTES: usize = 16 * 1024;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// For the client of the other node.
    Token,
    /// The other node's relay is to answer.
    Call,
    /// That answer, for the client that called.
    Answer,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) to: u32,
    pub(super) from: u32,
    pub(super) kind: Kind,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// Sends it in one write.
    pub(super) fn write(&self, mut stream: impl Write) -> io::Result<()> {
        let kind = self.kind as u32;
        let header = [self.to, self.from, kind, self.payload.len() as u32];
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.payload.len());
        bytes.extend(header.into_iter().flat_map(u32::to_le_bytes));
        bytes.extend_from_slice(&self.payload);
        stream.write_all(&bytes)
    }
}

/// Bytes that came and are no whole frame yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
}

impl Inbox {
    /// Reads once; answers whether the other end is still there.
    pub(super) fn fill(&mut self, mut stream: impl Read) -> io::Result<bool> {
        let mut chunk = [0; CHUNK_BYTES];
        let count = stream.read(&mut chunk)?;
        self.bytes.extend_from_slice(&chunk[..count]);
        Ok(count > 0)
    }

    /// The next whole frame.
    pub(super) fn next(&mut self) -> Option<Frame> {
        let word = |at: usize| {
            let bytes = self.bytes.get(4 * at..)?.first_chunk()?;
            Some(u32::from_le_bytes(*bytes))
        };
        let (to, from, length) = (word(0)?, word(1)?, word(3)? as usize);
        let kind = match word(2)? {
            0 => Kind::Token,
            1 => Kind::Call,
            _ => Kind::Answer,
        };
        let end = HEADER_BYTES + length;
        let payload = self.bytes.get(HEADER_BYTES..end)?.to_vec();
        self.bytes.drain(..end);
        Some(Frame {
            to,
            from,
            kind,
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let frame = Frame {
            to: 1,
            from: 2,
            kind: Kind::Call,
            payload: vec![7; 3],
        };
        let mut bytes = Vec::new();
        frame.write(&mut bytes).expect("memory");
        frame.write(&mut bytes).expect("memory");
        let mut inbox = Inbox::default();
        let (first, rest) = bytes.split_at(30);
        assert!(inbox.fill(first).expect("memory"));
        assert_eq!(inbox.next().as_ref(), Some(&frame));
        assert_eq!(inbox.next(), None);
        assert!(inbox.fill(rest).expect("memory"));
        assert_eq!(inbox.next(), Some(frame));
        assert!(!inbox.fill(&[][..]).expect("memory"));
    }
}
