//! The volatile databases of one node in memory, with the locks that clients hold on their chains.
//!
//! It stands for the TDB files and their shell (`actors/src/records`): operations on a locked record wait
//! first come first served; scans and wipes go in slices and come back for locked records. The data of a
//! record lists the numbers of its increments, 4 bytes each, so that what is lost can be told exactly.

use ctdb_protocol::id::{DbId, Generation, Pnn};
use ctdb_protocol::record::header::{HEADER_BYTES, RecordFlags, RecordHeader};
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
    /// Databases with a vacuum run under way.
    pub vacuuming: BTreeSet<DbId>,
    /// Walks under way.
    pub walks: VecDeque<Walk>,
}

impl Store {
    /// Header and increments of a record.
    pub fn read(&self, name: &RecordName) -> Option<(RecordHeader, Vec<u32>)> {
        let (header, data) = RecordHeader::split(self.records.get(name)?)?;
        Some((header, increments(data)))
    }

    /// Whether `own` is the record's dmaster.
    pub fn is_dmaster(&self, name: &RecordName, own: Pnn) -> bool {
        self.read(name)
            .is_some_and(|(header, _)| header.dmaster == own)
    }

    /// Whether a client of `own` may write the record.
    pub fn is_writable(&self, name: &RecordName, own: Pnn) -> bool {
        let delegated = RecordFlags::RO_HAVE_DELEGATIONS;
        self.read(name)
            .is_some_and(|(header, _)| header.dmaster == own && !header.flags.contains(delegated))
    }

    /// Whether clients may read the record as a read-only copy.
    pub fn is_copy(&self, name: &RecordName) -> bool {
        self.read(name)
            .is_some_and(|(header, _)| header.flags.contains(RecordFlags::RO_HAVE_READONLY))
    }

    /// A client increments the record, the increment having number `id`; the header stays.
    pub fn increment(&mut self, name: &RecordName, id: u32) {
        if let Some(value) = self.records.get_mut(name) {
            value.extend_from_slice(&id.to_le_bytes());
        }
    }

    /// A client empties the record; the header stays. Answers the increments that it had.
    pub fn empty(&mut self, name: &RecordName) -> Vec<u32> {
        let had = self.read(name).map(|(_, increments)| increments);
        if let Some(value) = self.records.get_mut(name) {
            value.truncate(HEADER_BYTES);
        }
        had.unwrap_or_default()
    }

    /// All keys of a database.
    pub fn keys(&self, db: DbId) -> VecDeque<Bytes> {
        let all = self.records.keys().filter(|(of, _)| *of == db);
        all.map(|(_, key)| key.clone()).collect()
    }
}

/// The increments in a record's data, in ascending order.
pub fn increments(data: &[u8]) -> Vec<u32> {
    let words = data.chunks_exact(4);
    words
        .map(|word| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(word);
            u32::from_le_bytes(bytes)
        })
        .collect()
}
