//! Cluster-wide traverses: `TRAVERSE_START`, `TRAVERSE_START_EXT` and the records that follow as
//! messages on the traverse's srvid.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, fixed_payload, put, put_len};
use super::error::WireError;

/// `TRAVERSE_START` (no empty records), `TRAVERSE_KILL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TraverseStart {
    /// The database.
    pub db_id: u32,
    /// Repeated in every record.
    pub reqid: u32,
    /// Where the records are sent.
    pub srvid: u64,
}

fixed_payload!(TraverseStart, "traverse start", 16, [db_id: u32; reqid: u32; srvid: u64]);

/// `TRAVERSE_START_EXT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TraverseStartExt {
    /// As without empty records.
    pub start: TraverseStart,
    /// Not 0: empty records too.
    pub with_empty: u8,
}

fixed_payload!(TraverseStartExt, "extended traverse start", 24, [
    start: TraverseStart; with_empty: u8, +7;
]);

/// A record as it travels: in traverses and in marshall buffers.
///
/// The length field counts exactly this record, 16 bytes of lengths included; unpadded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecordData {
    /// Of the traverse; meaningless in marshall buffers.
    pub reqid: u32,
    /// The key.
    pub key: Vec<u8>,
    /// The data, starting with the record header.
    pub data: Vec<u8>,
}

impl RecordData {
    /// The record that ends a traverse.
    pub fn end(reqid: u32) -> Self {
        Self {
            reqid,
            ..Self::default()
        }
    }

    /// Ends a traverse?
    pub fn is_end(&self) -> bool {
        self.key.is_empty() && self.data.is_empty()
    }
}

impl Payload for RecordData {
    const NAME: &'static str = "record";
    const MIN_SIZE: usize = 16;

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let length = cursor.count()?;
        let reqid = cursor.u32()?;
        let key_len = cursor.count()?;
        let data_len = cursor.count()?;
        let expected = Self::MIN_SIZE
            .saturating_add(key_len)
            .saturating_add(data_len);
        if length != expected {
            return Err(cursor.bad_value("record length", length as u64));
        }
        let key = cursor.bytes(key_len)?.to_vec();
        Ok(Self {
            reqid,
            key,
            data: cursor.bytes(data_len)?.to_vec(),
        })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        put_len(out, Self::MIN_SIZE + self.key.len() + self.data.len());
        put(out, self.reqid);
        put_len(out, self.key.len());
        put_len(out, self.data.len());
        out.extend_from_slice(&self.key);
        out.extend_from_slice(&self.data);
    }
}
