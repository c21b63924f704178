//! The volatile databases of one node in memory, with the locks that clients hold on their chains.
//!
//! It stands for the TDB files and their shell (`actors/src/records`): operations on a locked record wait
//! first come first served; scans and wipes go in slices and come back for locked records. The data of a
//! record counts the increments of each node, 8 bytes per node, so that what is lost can be told exactly.

use ctdb_protocol::id::{DbId, Generation, Pnn};
use ctdb_protocol::record::header::{HEADER_BYTES, RecordHeader};
use ctdb_protocol::record::local::LocalOp;
use ctdb_protocol::wire::bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A record of a database.
pub type RecordName = (DbId, Bytes);

/// Who waits for a record.
#[derive(Clone, Debug)]
pub enum Waiter {
    /// The record machine.
    Machine(LocalOp),
    /// A client.
    Client(usize),
}

/// A walk over a database.
#[derive(Clone, Debug)]
pub struct Walk {
    /// The composition that it is for.
    pub generation: Generation,
    /// The database.
    pub db: DbId,
    /// Delete the records; else list them.
    pub wipe: bool,
    /// What is still to be visited.
    pub left: VecDeque<Bytes>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Store {
    /// Open databases.
    pub open: BTreeSet<DbId>,
    /// Stored values: header and data.
    pub records: BTreeMap<RecordName, Vec<u8>>,
    /// Records locked by a client.
    pub locked: BTreeMap<RecordName, usize>,
    /// Who waits for a locked record.
    pub waiting: BTreeMap<RecordName, VecDeque<Waiter>>,
    /// Walks under way.
    pub walks: VecDeque<Walk>,
}

impl Store {
    /// Header and increments of a record.
    pub fn read(&self, name: &RecordName) -> Option<(RecordHeader, Vec<u64>)> {
        let (header, data) = RecordHeader::split(self.records.get(name)?)?;
        Some((header, counts(data)))
    }

    /// Whether a client of `own` may write the record.
    pub fn is_writable(&self, name: &RecordName, own: Pnn) -> bool {
        self.read(name)
            .is_some_and(|(header, _)| header.dmaster == own)
    }

    /// A client of node `own` among `nodes` increments the record; the header stays.
    pub fn increment(&mut self, name: &RecordName, own: Pnn, nodes: u32) {
        let Some(value) = self.records.get_mut(name) else {
            return;
        };
        value.resize(HEADER_BYTES + 8 * nodes as usize, 0);
        let at = HEADER_BYTES + 8 * own.0 as usize;
        if let Some(bytes) = value.get_mut(at..at + 8) {
            let mut word = [0; 8];
            word.copy_from_slice(bytes);
            bytes.copy_from_slice(&(u64::from_le_bytes(word) + 1).to_le_bytes());
        }
    }

    /// All keys of a database.
    pub fn keys(&self, db: DbId) -> VecDeque<Bytes> {
        let all = self.records.keys().filter(|(of, _)| *of == db);
        all.map(|(_, key)| key.clone()).collect()
    }
}

/// The increments in a record's data; missing ones are 0.
pub fn counts(data: &[u8]) -> Vec<u64> {
    let words = data.chunks_exact(8);
    words
        .map(|word| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            u64::from_le_bytes(bytes)
        })
        .collect()
}

/// One entry of [`counts`].
pub fn count_of(counts: &[u64], pnn: Pnn) -> u64 {
    counts.get(pnn.0 as usize).copied().unwrap_or(0)
}
