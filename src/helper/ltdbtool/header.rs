//! Record headers of the sizes that systems have.

use ctdb_protocol::client::{Payload, RecordHeader, pnn};

/// A header without its last four bytes: the compiler of a 32-bit system does not fill them up.
const SIZE_ON_32_BITS: usize = 20;

/// A header of 64-bit systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header([u8; Self::SIZE]);

impl Header {
    /// Its bytes.
    pub(super) const SIZE: usize = RecordHeader::MIN_SIZE;

    /// The first `size` bytes of a record as a header, and its data; what they leave out is as in the record of
    /// nobody. `None` if there are fewer.
    pub(super) fn split(record: &[u8], size: usize) -> Option<(Self, &[u8])> {
        let (begin, data) = record.split_at_checked(size)?;
        let nobody = RecordHeader {
            dmaster: pnn::UNKNOWN,
            ..RecordHeader::default()
        };
        let mut bytes = [0; Self::SIZE];
        bytes.copy_from_slice(&nobody.to_bytes());
        bytes[..size].copy_from_slice(begin);
        Some((Self(bytes), data))
    }

    /// As it stands in a file.
    pub(super) const fn bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }

    /// Its fields.
    pub(super) fn fields(&self) -> RecordHeader {
        RecordHeader::split(&self.0).map_or_else(|_| RecordHeader::default(), |(fields, _)| fields)
    }
}

/// The size of a header on a system with so many bits; 0: none.
pub(super) fn size_of_bits(bits: &str) -> Result<usize, String> {
    match bits {
        "0" => Ok(0),
        "32" => Ok(SIZE_ON_32_BITS),
        "64" => Ok(Header::SIZE),
        _ => Err(format!("{bits} is none of 0, 32 and 64")),
    }
}
