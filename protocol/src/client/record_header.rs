//! The 24 bytes in front of every record's data in the TDB files.

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, fixed_payload};
use super::error::WireError;

pub use crate::record::header::RecordFlags;

impl Payload for RecordFlags {
    const NAME: &'static str = "record flags";
    const MIN_SIZE: usize = 4;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        cursor.u32().map(Self::from_bits_retain)
    }
    fn emit(&self, out: &mut alloc::vec::Vec<u8>) {
        self.bits().emit(out);
    }
}

/// Who owns the record and how old it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecordHeader {
    /// Record sequence number: of two copies the one with the higher rsn is newer.
    pub rsn: u64,
    /// Pnn of the node that may change the record.
    pub dmaster: u32,
    /// Unused; kept as it is.
    pub reserved: u32,
    /// State.
    pub flags: RecordFlags,
}

fixed_payload!(RecordHeader, "record header", 24, [
    rsn: u64; dmaster: u32; reserved: u32; flags: RecordFlags, +4;
]);

/// Size of [`RecordHeader`] in bytes.
pub const RECORD_HEADER_SIZE: usize = RecordHeader::MIN_SIZE;

impl RecordHeader {
    /// Splits a stored record into header and data; too short is an error.
    pub fn split(record: &[u8]) -> Result<(Self, &[u8]), WireError> {
        let mut cursor = Cursor::new(Self::NAME, record);
        let header = Self::read(&mut cursor)?;
        Ok((header, &record[RECORD_HEADER_SIZE..]))
    }

    /// Puts header and data together for storing.
    pub fn join(&self, data: &[u8]) -> alloc::vec::Vec<u8> {
        let mut out = alloc::vec::Vec::with_capacity(RECORD_HEADER_SIZE + data.len());
        self.emit(&mut out);
        out.extend_from_slice(data);
        out
    }
}
