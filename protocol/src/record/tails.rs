//! The lmaster's memory of who has each record: 64 bits of a key's hash stand for the key, so a record costs
//! some 20 bytes however long its key is.
//!
//! Two keys with one hash (of ten million keys, in one cluster of 400,000) share an entry: requests for the
//! one are sent to the node of the other, which does not have it, and a search finds it. Nothing is lost.

use crate::hash::wide_key_hash;
use crate::id::Pnn;
use core::hash::{BuildHasherDefault, Hasher};
use hashbrown::HashMap;

/// A map whose keys are hashes already.
pub(super) type HashedMap<T> = HashMap<u64, T, BuildHasherDefault<AsItIs>>;

/// Takes the one number that it is given as the hash.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// The last node of each record's chain.
#[derive(Debug, Default)]
pub(super) struct Tails {
    map: HashedMap<Pnn>,
}

impl Tails {
    /// Room for that many records.
    pub(super) fn with_room(records: usize) -> Self {
        let map = HashedMap::with_capacity_and_hasher(records, BuildHasherDefault::default());
        Self { map }
    }

    /// Makes `node` the last one; answers who was it before.
    pub(super) fn insert(&mut self, key: &[u8], node: Pnn) -> Option<Pnn> {
        self.put(wide_key_hash(key), node)
    }

    /// The same for a key's [`wide_key_hash`].
    pub(super) fn put(&mut self, hash: u64, node: Pnn) -> Option<Pnn> {
        self.map.insert(hash, node)
    }
}
