//! Netlink messages as bytes: a writer for batches and bounds-checked readers. Pure, no sockets.
//!
//! Layout facts: `struct nlmsghdr` and `struct nlattr` of `linux/netlink.h`; headers are in the machine's byte order,
//! everything is padded to four bytes.

/// Length of `struct nlmsghdr`.
const HEADER_LEN: usize = 16;
/// Marks an attribute that contains attributes.
const NESTED: u16 = 0x8000;
/// The bits of an attribute's type that are flags.
const TYPE_MASK: u16 = 0x3fff;

pub(crate) const FLAG_REQUEST: u16 = 0x001;
pub(crate) const FLAG_ACK: u16 = 0x004;
pub(crate) const FLAG_DUMP: u16 = 0x300;
pub(crate) const FLAG_REPLACE: u16 = 0x100;
pub(crate) const FLAG_EXCL: u16 = 0x200;
pub(crate) const FLAG_CREATE: u16 = 0x400;

pub(crate) const KIND_ERROR: u16 = 2;
pub(crate) const KIND_DONE: u16 = 3;

fn padded(length: usize) -> usize {
    (length + 3) & !3
}

/// Writes several messages behind each other, to be sent at once.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    start: usize,
}

/// The place of an attribute that is still open.
#[must_use]
pub(crate) struct Nest(usize);

impl Writer {
    /// Starts a message; the one before it is finished by that.
    pub(crate) fn message(&mut self, kind: u16, flags: u16, seq: u32) {
        self.seal();
        self.start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&seq.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
    }

    /// Adds the family's own header.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.pad();
    }

    pub(crate) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = (4 + value.len()) as u16;
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.pad();
    }

    /// A text attribute with its closing zero byte.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(kind, &bytes);
    }

    pub(crate) fn nest(&mut self, kind: u16) -> Nest {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        Nest(at)
    }

    pub(crate) fn close(&mut self, nest: &Nest) {
        let length = (self.bytes.len() - nest.0) as u16;
        self.bytes[nest.0..nest.0 + 2].copy_from_slice(&length.to_ne_bytes());
    }

    /// The finished bytes.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.seal();
        self.bytes
    }

    fn pad(&mut self) {
        self.bytes.resize(padded(self.bytes.len()), 0);
    }

    fn seal(&mut self) {
        if self.bytes.len() > self.start {
            let length = (self.bytes.len() - self.start) as u32;
            self.bytes[self.start..self.start + 4].copy_from_slice(&length.to_ne_bytes());
        }
    }
}

/// One received message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) seq: u32,
    /// Port of the socket whose request caused the message (0: the kernel itself).
    pub(crate) port: u32,
    pub(crate) payload: &'a [u8],
}

impl Message<'_> {
    /// For `KIND_ERROR` and `KIND_DONE`: the (positive) error number, 0 for an acknowledgement.
    pub(crate) fn errno(&self) -> i32 {
        number(self.payload).map_or(0, |value| value.cast_signed().saturating_neg())
    }
}

/// The messages of one received datagram; ends at the first malformed one.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = number(bytes)? as usize;
        if length < HEADER_LEN || length > bytes.len() {
            return None;
        }
        let message = Message {
            kind: short(&bytes[4..])?,
            seq: number(&bytes[8..])?,
            port: number(&bytes[12..])?,
            payload: &bytes[HEADER_LEN..length],
        };
        bytes = bytes.get(padded(length)..).unwrap_or_default();
        Some(message)
    })
}

/// The attributes of a payload behind its family header; ends at the first malformed one.
pub(crate) fn attributes(payload: &[u8], header_len: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut bytes = payload.get(header_len..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(short(bytes)?);
        if length < 4 || length > bytes.len() {
            return None;
        }
        let attribute = (short(&bytes[2..])? & TYPE_MASK, &bytes[4..length]);
        bytes = bytes.get(padded(length)..).unwrap_or_default();
        Some(attribute)
    })
}

/// The value of the first attribute of that kind.
pub(crate) fn find(payload: &[u8], header_len: usize, kind: u16) -> Option<&[u8]> {
    attributes(payload, header_len)
        .find(|(found, _)| *found == kind)
        .map(|(_, value)| value)
}

/// A text attribute without its closing zero byte.
pub(crate) fn text(value: &[u8]) -> String {
    let end = value
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// The first four bytes as a number in the machine's order.
pub(crate) fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?))
}

fn short(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_messages_read_back() {
        let mut writer = Writer::default();
        writer.message(20, FLAG_REQUEST, 7);
        writer.raw(&[1, 2, 3, 4]);
        writer.text(3, "eth1");
        let nest = writer.nest(4);
        writer.attribute(1, &[9]);
        writer.close(&nest);
        writer.message(21, 0, 8);
        let bytes = writer.finish();
        assert_eq!(bytes.len(), 16 + 4 + 12 + 4 + 8 + 16);
        let found: Vec<_> = messages(&bytes).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].kind, found[0].seq, found[1].kind), (20, 7, 21));
        assert_eq!(text(find(found[0].payload, 4, 3).unwrap()), "eth1");
        let inner = find(found[0].payload, 4, 4).unwrap();
        assert_eq!(find(inner, 0, 1), Some(&[9][..]));
    }

    #[test]
    fn malformed_input_ends_the_iteration() {
        let mut bytes = vec![0_u8; 16];
        bytes[..4].copy_from_slice(&40_u32.to_ne_bytes());
        assert_eq!(messages(&bytes).count(), 0);
        bytes[..4].copy_from_slice(&3_u32.to_ne_bytes());
        assert_eq!(messages(&bytes).count(), 0);
        assert_eq!(messages(&[1, 2]).count(), 0);
        assert_eq!(attributes(&[2, 0, 1, 0, 9, 0, 1, 0], 0).count(), 0);
        assert_eq!(attributes(&[1], 4).count(), 0);
    }
}
