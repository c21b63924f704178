//! The clients of the world: each adds one to a counter so often, on whatever key it draws.

use super::world::{DB, World, counter, is_copy, is_mine, is_writable, rsn};
use crate::record::header::HEADER_BYTES;
use crate::record::io::{CallId, CallKind, Input};
use crate::wire::bytes::Bytes;
use alloc::format;

/// A client.
pub(super) struct Client {
    pub(super) node: usize,
    /// How often it still adds.
    pub(super) left: u32,
    /// It draws from so many keys.
    pub(super) keys: u64,
    key: Option<Bytes>,
    call: Option<CallId>,
    /// It only reads this time.
    reads: bool,
}

pub(super) fn key(number: u64) -> Bytes {
    Bytes(format!("key {number}").into_bytes())
}

impl World {
    pub(super) fn add_clients(&mut self, per_node: usize, left: u32, keys: u64) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].alive {
                for _ in 0..per_node {
                    let (key, call) = (None, None);
                    self.clients.push(Client {
                        node,
                        left,
                        keys,
                        key,
                        call,
                        reads: false,
                    });
                }
            }
        }
    }

    pub(super) fn may_act(&self, index: usize) -> bool {
        let client = &self.clients[index];
        let may_go_on = client.call.is_none_or(|call| self.answered.contains(&call));
        client.left > 0 && may_go_on && self.ring.is_none_or(|turn| turn == index)
    }

    /// Adds one if the record is here, else asks for it.
    pub(super) fn act(&mut self, index: usize) {
        let drawn = self.rng.below(self.clients[index].keys);
        let reads = self.rng.below(10) < self.reads_in_ten;
        let client = &mut self.clients[index];
        let node = client.node;
        client.call = None;
        if client.key.is_none() {
            client.reads = reads;
        }
        let readonly = client.reads;
        let key = client.key.get_or_insert_with(|| key(drawn)).clone();
        if self.vanish_one_in > 0 && self.rng.chance(1, self.vanish_one_in) {
            self.vanish(node, &key);
        }
        if readonly && self.read(node, &key) {
            let client = &mut self.clients[index];
            client.left -= 1;
            client.key = None;
            return;
        }
        if !readonly && is_writable(&self.nodes[node], node, &key) {
            if self.rng.below(10) < self.deletes_in_ten {
                self.delete(node, &key);
            } else {
                self.add(node, &key);
            }
            let client = &mut self.clients[index];
            client.left -= 1;
            client.key = None;
            if self.ring.is_some() {
                self.ring = Some((index + 1) % self.clients.len());
            }
            return;
        }
        self.calls += 1;
        let call = CallId(self.calls);
        self.clients[index].call = Some(call);
        let kind = CallKind::Null;
        self.feed(
            node,
            Input::Call {
                call,
                db: DB,
                key,
                kind,
                readonly,
            },
        );
    }

    /// Looks at the record, if it can be read here: it shows what was written last.
    fn read(&mut self, pnn: usize, key: &Bytes) -> bool {
        let node = &self.nodes[pnn];
        let is_copy = is_copy(node, key);
        if !is_copy && !is_mine(node, pnn, key) {
            return false;
        }
        let shown = counter(&node.store[key]);
        if !node.stale {
            let (low, high) = self.allowed.get(key).copied().unwrap_or_default();
            assert!(
                low <= shown && shown <= high,
                "{key:?}: {shown} read on {pnn}, not in {low}..={high}"
            );
            self.copies_read += u64::from(is_copy);
        }
        true
    }

    /// Empties the record and tells the daemon, most times.
    fn delete(&mut self, pnn: usize, key: &Bytes) {
        let Some(value) = self.nodes[pnn].store.get_mut(key) else {
            return;
        };
        value.truncate(HEADER_BYTES);
        let rsn = rsn(value);
        if !self.nodes[pnn].stale {
            self.allowed.insert(key.clone(), (0, 0));
        }
        if self.rng.chance(3, 4) {
            let (db, key) = (DB, key.clone());
            self.feed(pnn, Input::Schedule { db, key, rsn });
        }
    }

    /// Something that is no client of ours deletes the record of which this node is dmaster: an older copy may come
    /// to light, or none.
    fn vanish(&mut self, pnn: usize, key: &Bytes) {
        let node = &mut self.nodes[pnn];
        if is_mine(node, pnn, key) && !node.stale {
            node.store.remove(key);
            let (_, high) = self.allowed.get(key).copied().unwrap_or_default();
            self.allowed.insert(key.clone(), (0, high));
        }
    }

    fn add(&mut self, pnn: usize, key: &Bytes) {
        let node = &mut self.nodes[pnn];
        let Some(value) = node.store.get_mut(key) else {
            return;
        };
        let seen = counter(value);
        value.truncate(HEADER_BYTES);
        value.extend_from_slice(&(seen + 1).to_le_bytes());
        if node.stale {
            // Nobody must ever see this one.
            value.truncate(HEADER_BYTES);
            value.extend_from_slice(&(seen + 1_000_000).to_le_bytes());
            return;
        }
        let (low, high) = self.allowed.get(key).copied().unwrap_or_default();
        assert!(
            low <= seen && seen <= high,
            "{key:?}: {seen} not in {low}..={high}"
        );
        self.allowed.insert(key.clone(), (seen + 1, seen + 1));
    }
}
