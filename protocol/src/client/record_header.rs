//! The 24 bytes in front of every record's data in the TDB files.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, fixed_payload};
use super::error::WireError;

bitflags! {
    /// State of a record. Bits without a name are kept as they are.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    pub struct RecordFlags: u32 {
        /// Set by smbd after 4.17 for persistent handles; must survive migration.
        const PERSISTENT = 0x0000_0001;
        /// As [`Self::PERSISTENT`].
        const PERSISTENT_IN_PROGRESS = 0x0000_0002;
        /// The record has left some node non-empty: others may still hold a copy.
        const MIGRATED_WITH_DATA = 0x0001_0000;
        /// It is on its way to be vacuumed; never stored.
        const VACUUM_MIGRATED = 0x0002_0000;
        /// The header was made up for a missing record; never stored.
        const AUTOMATIC = 0x0004_0000;
        /// On the dmaster: read-only copies are out.
        const RO_HAVE_DELEGATIONS = 0x0100_0000;
        /// This is a read-only copy.
        const RO_HAVE_READONLY = 0x0200_0000;
        /// On the dmaster: the copies are being called back.
        const RO_REVOKING_READONLY = 0x0400_0000;
        /// On the dmaster: all copies have been called back.
        const RO_REVOKE_COMPLETE = 0x0800_0000;
    }
}

impl RecordFlags {
    /// All bits of read-only copies.
    pub const RO_ANY: Self = Self::RO_HAVE_DELEGATIONS
        .union(Self::RO_HAVE_READONLY)
        .union(Self::RO_REVOKING_READONLY)
        .union(Self::RO_REVOKE_COMPLETE);
    /// Bits that are stripped before a record is written.
    pub const TRANSIENT: Self = Self::VACUUM_MIGRATED.union(Self::AUTOMATIC);
}

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
