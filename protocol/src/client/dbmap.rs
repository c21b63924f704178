//! The attached databases: `GET_DBMAP`.

use alloc::vec::Vec;

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, fixed_payload, put_items, put_len};
use super::error::WireError;

bitflags! {
    /// Kind of a database; none of PERSISTENT and REPLICATED means volatile. Unknown bits are kept.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    pub struct DbFlags: u8 {
        /// On disk, changed by transactions only.
        const PERSISTENT = 0x01;
        /// Read-only copies are allowed.
        const READONLY = 0x02;
        /// Contended records stay for a while.
        const STICKY = 0x04;
        /// As persistent, but lost when all nodes go.
        const REPLICATED = 0x08;
    }
}

impl Payload for DbFlags {
    const NAME: &'static str = "database flags";
    const MIN_SIZE: usize = 1;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        cursor.u8().map(Self::from_bits_retain)
    }
    fn emit(&self, out: &mut Vec<u8>) {
        self.bits().emit(out);
    }
}

/// One database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DbEntry {
    /// Hash of its name.
    pub db_id: u32,
    /// Its kind.
    pub flags: DbFlags,
}

fixed_payload!(DbEntry, "database entry", 8, [db_id: u32; flags: DbFlags, +3]);

/// All databases, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DbMap {
    /// The databases.
    pub dbs: Vec<DbEntry>,
}

impl Payload for DbMap {
    const NAME: &'static str = "database map";
    const MIN_SIZE: usize = 4;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let count = cursor.count()?;
        Ok(Self {
            dbs: cursor.list(count)?,
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        put_len(out, self.dbs.len());
        put_items(out, &self.dbs);
    }
}
