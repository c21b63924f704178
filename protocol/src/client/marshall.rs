//! Many records of one database in one buffer: `TRANS3_COMMIT`, `UPDATE_RECORD`, pulls and pushes.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, put, put_items, put_len};
use super::error::WireError;
use super::traverse::RecordData;

/// The buffer. Records are packed one behind the other, without padding.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Marshall {
    /// The database.
    pub db_id: u32,
    /// The records.
    pub records: Vec<RecordData>,
}

impl Payload for Marshall {
    const NAME: &'static str = "marshall buffer";
    const MIN_SIZE: usize = 8;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let db_id = cursor.u32()?;
        let count = cursor.count()?;
        Ok(Self {
            db_id,
            records: cursor.list(count)?,
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        put(out, self.db_id);
        put_len(out, self.records.len());
        put_items(out, &self.records);
    }
}
