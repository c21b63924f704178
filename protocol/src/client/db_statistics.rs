//! Counters of one database: `GET_DB_STATISTICS`.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, put, put_len, put_zeros};
use super::error::WireError;
use super::statistics::{BUCKETS, Latency, LockStatistics};

/// Number of entries of the table of hot keys, always all present.
pub const HOT_KEYS: usize = 10;

/// A contended key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HotKey {
    /// How often it was contended.
    pub count: u32,
    /// The key; empty in unused entries.
    pub key: Vec<u8>,
}

/// The answer to `GET_DB_STATISTICS`: 464 bytes, then the hot keys one after the other.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DbStatistics {
    /// Locks.
    pub locks: LockStatistics,
    /// Duration of vacuum runs.
    pub vacuum_latency: Latency,
    /// Read-only copies given out.
    pub ro_delegations: u32,
    /// Read-only copies called back.
    pub ro_revokes: u32,
    /// Calls by hops.
    pub hop_count_buckets: [u32; BUCKETS],
    /// The most contended keys.
    pub hot_keys: [HotKey; HOT_KEYS],
}

impl Payload for DbStatistics {
    const NAME: &'static str = "database statistics";
    const MIN_SIZE: usize = 464;

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let mut stats = Self {
            locks: Payload::read(cursor)?,
            vacuum_latency: Payload::read(cursor)?,
            ro_delegations: cursor.u32()?,
            ro_revokes: cursor.u32()?,
            hop_count_buckets: Payload::read(cursor)?,
            ..Self::default()
        };
        let count = cursor.u32()?;
        if count as usize > HOT_KEYS {
            return Err(cursor.bad_value("number of hot keys", count.into()));
        }
        cursor.skip(4)?;
        let mut sizes = [0; HOT_KEYS];
        for (hot, size) in stats.hot_keys.iter_mut().zip(&mut sizes) {
            hot.count = cursor.u32()?;
            // Alignment, and a pointer of the sender.
            cursor.skip(4 + 8)?;
            let claimed = cursor.u64()?;
            *size = usize::try_from(claimed)
                .map_err(|_| cursor.bad_value("size of a hot key", claimed))?;
        }
        for (hot, size) in stats.hot_keys.iter_mut().zip(sizes) {
            hot.key = cursor.bytes(size)?.to_vec();
        }
        Ok(stats)
    }

    fn emit(&self, out: &mut Vec<u8>) {
        self.locks.emit(out);
        self.vacuum_latency.emit(out);
        put(out, self.ro_delegations);
        put(out, self.ro_revokes);
        self.hop_count_buckets.emit(out);
        put_len(out, HOT_KEYS);
        put_zeros(out, 4);
        for hot in &self.hot_keys {
            put(out, hot.count);
            put_zeros(out, 4 + 8);
            put(out, hot.key.len() as u64);
        }
        for hot in &self.hot_keys {
            out.extend_from_slice(&hot.key);
        }
    }
}
