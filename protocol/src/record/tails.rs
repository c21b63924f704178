//! The lmaster's memory of who has each record: 64 bits of a key's hash stand for the key, so a record costs
//! some 20 bytes however long its key is.
//!
//! Two keys with one hash (of ten million keys, in one cluster of 400,000) share an entry: requests for the
//! one are sent to the node of the other, which does not have it, and a search finds it. Nothing is lost.

use super::message::Tail;
use crate::hash::checked_key_hash;
use crate::id::Pnn;
use alloc::vec::Vec;
use core::hash::{BuildHasherDefault, Hasher};
use hashbrown::HashMap;
use hashbrown::hash_map;

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
struct Entry {
    node: Pnn,
    check: u32,
}

/// The check of an entry that several keys share, or may share: it can't be taken out for one of them.
const SHARED: u32 = u32::MAX;

/// The last node of each record's chain.
#[derive(Debug, Default)]
pub(super) struct Tails {
    map: HashedMap<Entry>,
}

impl Tails {
    /// Room for so many records more.
    pub(super) fn reserve(&mut self, records: usize) {
        self.map.reserve(records);
    }

    /// Makes `node` the last one; answers who was it before.
    pub(super) fn insert(&mut self, key: &[u8], node: Pnn) -> Option<Pnn> {
        let (hash, check) = checked_key_hash(key);
        match self.map.entry(hash) {
            hash_map::Entry::Vacant(entry) => {
                entry.insert(Entry { node, check });
                None
            }
            hash_map::Entry::Occupied(mut entry) => {
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

    /// Puts in what a rebuild found out about the keys that have this [`crate::hash::wide_key_hash`].
    pub(super) fn put(&mut self, key: &[u8], node: Pnn, is_shared: bool) {
        let (hash, check) = checked_key_hash(key);
        let check = if is_shared { SHARED } else { check };
        self.put_tail(Tail { hash, check, node });
    }

    /// Puts in what another lmaster knew.
    pub(super) fn put_tail(&mut self, tail: Tail) {
        let Tail { hash, check, node } = tail;
        let old = self.map.insert(hash, Entry { node, check });
        if old.is_some_and(|old| old.check != check)
            && let Some(entry) = self.map.get_mut(&hash)
        {
            entry.check = SHARED;
        }
    }

    /// Takes out all that `is_wanted` chooses by hash and node.
    pub(super) fn take_where(&mut self, is_wanted: impl Fn(u64, Pnn) -> bool) -> Vec<Tail> {
        let taken = self
            .map
            .extract_if(|hash, entry| is_wanted(*hash, entry.node));
        let taken = taken.map(|(hash, Entry { node, check })| Tail { hash, check, node });
        taken.collect()
    }

    /// Nobody knows any more who has the record. An entry that may be another key's too stays: it leads to a search.
    pub(super) fn forget(&mut self, key: &[u8]) {
        let (hash, check) = checked_key_hash(key);
        let is_its_own = |entry: &Entry| entry.check == check && check != SHARED;
        if self.map.get(&hash).is_some_and(is_its_own) {
            self.map.remove(&hash);
        }
    }

    /// No node has the record any more, `node` being the last one that had it. Later requests that came
    /// meanwhile stay, and so does an entry that may be another key's too.
    pub(super) fn remove(&mut self, key: &[u8], node: Pnn) {
        let (hash, check) = checked_key_hash(key);
        if let hash_map::Entry::Occupied(entry) = self.map.entry(hash) {
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
