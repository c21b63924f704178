//! The lmaster's memory of who has each record: 64 bits of a key's hash stand for the key, so a record costs
//! some 20 bytes however long its key is.
//!
//! Two keys with one hash (of ten million keys, in one cluster of 400,000) share an entry: requests for the
//! one are sent to the node of the other, which does not have it, and a search finds it. Nothing is lost.

use crate::hash::checked_key_hash;
use crate::id::Pnn;
use core::hash::{BuildHasherDefault, Hasher};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

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

/// The last node of a record's chain, and 32 bits more of the key's hash.
#[derive(Clone, Copy, Debug)]
struct Tail {
    node: Pnn,
    check: u32,
}

/// The check of an entry that several keys share, or may share: it can't be taken out for one of them.
const SHARED: u32 = u32::MAX;

/// The last node of each record's chain.
#[derive(Debug, Default)]
pub(super) struct Tails {
    map: HashedMap<Tail>,
}

impl Tails {
    /// Room for that many records.
    pub(super) fn with_room(records: usize) -> Self {
        let map = HashedMap::with_capacity_and_hasher(records, BuildHasherDefault::default());
        Self { map }
    }

    /// Makes `node` the last one; answers who was it before.
    pub(super) fn insert(&mut self, key: &[u8], node: Pnn) -> Option<Pnn> {
        let (hash, check) = checked_key_hash(key);
        match self.map.entry(hash) {
            Entry::Vacant(entry) => {
                entry.insert(Tail { node, check });
                None
            }
            Entry::Occupied(mut entry) => {
                let tail = entry.get_mut();
                if tail.check != check {
                    tail.check = SHARED;
                }
                Some(core::mem::replace(&mut tail.node, node))
            }
        }
    }

    /// Who is the last one.
    pub(super) fn get(&self, key: &[u8]) -> Option<Pnn> {
        let (hash, _) = checked_key_hash(key);
        self.map.get(&hash).map(|tail| tail.node)
    }

    /// Puts in what a rebuild found out about all keys that have this [`crate::hash::wide_key_hash`].
    pub(super) fn put(&mut self, key: &[u8], node: Pnn, is_shared: bool) {
        let (hash, check) = checked_key_hash(key);
        let check = if is_shared { SHARED } else { check };
        self.map.insert(hash, Tail { node, check });
    }

    /// No node has the record any more, `node` being the last one that had it. Later requests that came
    /// meanwhile stay, and so does an entry that may be another key's too.
    pub(super) fn remove(&mut self, key: &[u8], node: Pnn) {
        let (hash, check) = checked_key_hash(key);
        if let Entry::Occupied(entry) = self.map.entry(hash) {
            let tail = entry.get();
            if tail.node == node && tail.check == check && check != SHARED {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_goes_only_with_its_last_node_and_its_only_key() {
        let mut tails = Tails::default();
        assert_eq!(tails.insert(b"key", Pnn(1)), None);
        assert_eq!(tails.insert(b"key", Pnn(2)), Some(Pnn(1)));
        tails.remove(b"key", Pnn(1));
        assert_eq!(tails.get(b"key"), Some(Pnn(2)));
        tails.remove(b"key", Pnn(2));
        assert_eq!(tails.get(b"key"), None);
        tails.put(b"key", Pnn(2), true);
        tails.remove(b"key", Pnn(2));
        assert_eq!(tails.get(b"key"), Some(Pnn(2)));
        // Another key of the same 64 bits: stands in by a check that is not ours.
        let mut tails = Tails::default();
        tails.insert(b"key", Pnn(2));
        for tail in tails.map.values_mut() {
            tail.check ^= 1;
        }
        assert_eq!(tails.insert(b"key", Pnn(2)), Some(Pnn(2)));
        tails.remove(b"key", Pnn(2));
        assert_eq!(tails.get(b"key"), Some(Pnn(2)));
    }
}
