//! The header in front of each record's data in a TDB file (client-protocol.md section 5.3).

use crate::id::{Pnn, Rsn};
use bitflags::bitflags;
use serde::{Deserialize, Serialize};

/// Bytes of the header on 64-bit machines.
pub const HEADER_BYTES: usize = 24;

bitflags! {
    /// Flags of a record.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct RecordFlags: u32 {
        /// Set by newer Samba; must survive a migration.
        const PERSISTENT = 0x1;
        /// Set by newer Samba; must survive a migration.
        const PERSISTENT_IN_PROGRESS = 0x2;
        /// Has left some node non-empty.
        const MIGRATED_WITH_DATA = 0x0001_0000;
        /// On the way for vacuuming; never stored.
        const VACUUM_MIGRATED = 0x0002_0000;
        /// Made by a lookup; never stored.
        const AUTOMATIC = 0x0004_0000;
        /// On the dmaster: read-only copies are out.
        const RO_HAVE_DELEGATIONS = 0x0100_0000;
        /// This is a read-only copy.
        const RO_HAVE_READONLY = 0x0200_0000;
        /// Copies are being called back.
        const RO_REVOKING_READONLY = 0x0400_0000;
        /// All copies were called back.
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

/// The header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordHeader {
    /// Sequence number.
    pub rsn: Rsn,
    /// The node that may write the record.
    pub dmaster: Pnn,
    /// Flags; bits we do not know are kept.
    pub flags: RecordFlags,
}

impl RecordHeader {
    /// Splits a stored value into header and data; `None` if it is too short to have a header.
    pub fn split(value: &[u8]) -> Option<(Self, &[u8])> {
        let (head, data) = value.split_first_chunk::<HEADER_BYTES>()?;
        let word =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let rsn = u64::from(word(0)) | u64::from(word(4)) << 32;
        let flags = RecordFlags::from_bits_retain(word(16));
        Some((
            Self {
                rsn: Rsn(rsn),
                dmaster: Pnn(word(8)),
                flags,
            },
            data,
        ))
    }

    /// The header's bytes.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&self.rsn.0.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.dmaster.0.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.flags.bits().to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_bytes_are_inverse() {
        let header = RecordHeader {
            rsn: Rsn(0x0102_0304_0506_0708),
            dmaster: Pnn(5),
            flags: RecordFlags::MIGRATED_WITH_DATA,
        };
        let mut value = header.to_bytes().to_vec();
        value.extend_from_slice(b"data");
        assert_eq!(RecordHeader::split(&value), Some((header, &b"data"[..])));
        assert_eq!(value[0], 8);
        assert_eq!(RecordHeader::split(&value[..23]), None);
    }
}
