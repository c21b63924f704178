//! Requests about one database.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, fixed_payload, put, put_counted};
use super::error::WireError;
use super::record_header::RecordHeader;

/// `GET_DB_SEQNUM`: the id in 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DbSeqnumQuery {
    /// The database.
    pub db_id: u32,
}

fixed_payload!(DbSeqnumQuery, "database sequence number query", 8, [db_id: u32, +4]);

/// `WIPE_DATABASE`, `DB_TRANSACTION_START`, `DB_TRANSACTION_COMMIT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TransDb {
    /// The database.
    pub db_id: u32,
    /// Transaction id: the vnnmap generation.
    pub tid: u32,
}

fixed_payload!(TransDb, "database transaction", 8, [db_id: u32; tid: u32]);

/// `DB_PULL`, `DB_PUSH_START`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PullDbExt {
    /// The database.
    pub db_id: u32,
    /// Only records of this lmaster, or 0xFFFFFFFF for all.
    pub lmaster: u32,
    /// Srvid of the messages that carry the records.
    pub srvid: u64,
}

fixed_payload!(PullDbExt, "database pull", 16, [db_id: u32; lmaster: u32; srvid: u64]);

/// `DB_VACUUM`: packed, 5 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DbVacuum {
    /// The database.
    pub db_id: u32,
    /// Not 0: go through the whole database.
    pub full: u8,
}

fixed_payload!(DbVacuum, "database vacuum", 5, [db_id: u32; full: u8]);

/// `SCHEDULE_FOR_DELETION`: an empty record for the vacuum queue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScheduleForDeletion {
    /// The database.
    pub db_id: u32,
    /// The record's header when its data was removed.
    pub header: RecordHeader,
    /// The record's key.
    pub key: Vec<u8>,
}

impl Payload for ScheduleForDeletion {
    const NAME: &'static str = "schedule for deletion";
    const MIN_SIZE: usize = 36;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let db_id = cursor.u32()?;
        cursor.skip(4)?;
        let header = RecordHeader::read(cursor)?;
        Ok(Self {
            db_id,
            header,
            key: cursor.counted_bytes()?.to_vec(),
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        put(out, self.db_id);
        put(out, 0_u32);
        self.header.emit(out);
        put_counted(out, &self.key);
    }
}
