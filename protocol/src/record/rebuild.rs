//! The lmaster's side of a recovery: the new directory from what all members hold.
//!
//! The highest rsn wins; of equal ones that of a dmaster, then that of the lowest node. A winner that is
//! not dmaster becomes it, every other dmaster stops being it.

use super::database::Database;
use super::holdings::Holdings;
use super::io::Effect;
use super::message::RecordBody;
use super::outlet::Outlet;
use super::tails::{HashedMap, Tails};
use crate::hash::wide_key_hash;
use crate::id::{Pnn, Rsn};
use crate::limits::DIRECTORY_BATCH;
use crate::wire::bytes::Bytes;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;
use hashbrown::hash_map::Entry;

/// A copy; the greatest wins.
type Candidate = (Rsn, bool, Reverse<Pnn>);

/// The best copy of a record, and where its key stands in [`Rebuild::keys`].
#[derive(Clone, Copy, Debug)]
struct Best {
    copy: Candidate,
    key_at: usize,
    key_bytes: u32,
    /// Another key has the same hash.
    is_shared: bool,
    /// Another dmaster lost: the winner gets a number that no other copy has.
    had_rival: bool,
}

/// The directory in the making.
#[derive(Debug, Default)]
pub(super) struct Rebuild {
    /// By [`wide_key_hash`].
    best: HashedMap<Best>,
    /// The keys, for those who must settle something; one behind the other, since there may be millions.
    keys: Vec<u8>,
    /// Dmasters that lost.
    demote: BTreeMap<Pnn, Vec<Bytes>>,
    /// Members that told everything.
    ended: BTreeSet<Pnn>,
    /// Keys that members were told to settle and have not yet; `None` when that is not going on.
    unsettled: Option<u64>,
}

impl Rebuild {
    /// Takes in what `peer` holds.
    pub(super) fn collect(&mut self, peer: Pnn, holdings: &Holdings) {
        if self.ended.contains(&peer) {
            return;
        }
        for holding in holdings.iter() {
            let copy = (holding.rsn, holding.is_dmaster, Reverse(peer));
            match self.best.entry(wide_key_hash(holding.key)) {
                Entry::Vacant(entry) => {
                    let (key_at, key_bytes) = (self.keys.len(), holding.key.len() as u32);
                    self.keys.extend_from_slice(holding.key);
                    entry.insert(Best {
                        copy,
                        key_at,
                        key_bytes,
                        is_shared: false,
                        had_rival: false,
                    });
                }
                Entry::Occupied(mut entry) => {
                    let best = entry.get_mut();
                    if key_of(&self.keys, best) != holding.key {
                        // Another key of the same hash: a search finds the record when it is wanted.
                        best.is_shared = true;
                        continue;
                    }
                    let (_, was_dmaster, Reverse(node)) = best.copy.min(copy);
                    best.copy = best.copy.max(copy);
                    if was_dmaster {
                        best.had_rival = true;
                        let keys = self.demote.entry(node).or_default();
                        keys.push(holding.key.into());
                    }
                }
            }
        }
    }
}

fn key_of<'a>(keys: &'a [u8], best: &Best) -> &'a [u8] {
    &keys[best.key_at..best.key_at + best.key_bytes as usize]
}

impl Database {
    /// A member told everything. After the last one every record gets its dmaster.
    pub(super) fn on_directory_end(&mut self, peer: Pnn, out: &mut Outlet<'_>) {
        let is_new = self.rebuild.ended.insert(peer);
        let mut members = out.composition.members.iter();
        if is_new && members.all(|member| self.rebuild.ended.contains(member)) {
            self.decide(out);
        }
    }

    fn decide(&mut self, out: &mut Outlet<'_>) {
        let mut adopt: BTreeMap<Pnn, Vec<Bytes>> = BTreeMap::new();
        let best = core::mem::take(&mut self.rebuild.best);
        let keys = core::mem::take(&mut self.rebuild.keys);
        let mut tails = Tails::with_room(best.len());
        for best in best.into_values() {
            let (_, is_dmaster, Reverse(node)) = best.copy;
            let key = key_of(&keys, &best);
            if !is_dmaster || best.had_rival {
                adopt.entry(node).or_default().push(key.into());
            }
            tails.put(key, node, best.is_shared);
        }
        self.directory.tails = tails;
        let mut unsettled = 0;
        let demote = core::mem::take(&mut self.rebuild.demote);
        for (node, keys) in adopt {
            unsettled += keys.len() as u64;
            self.settle(node, keys, |adopt| (adopt, Vec::new()), out);
        }
        for (node, keys) in demote {
            unsettled += keys.len() as u64;
            self.settle(node, keys, |demote| (Vec::new(), demote), out);
        }
        if unsettled == 0 {
            self.tell_ready(out);
        } else {
            self.rebuild.unsettled = Some(unsettled);
        }
    }

    fn settle(
        &self,
        node: Pnn,
        keys: Vec<Bytes>,
        split: impl Fn(Vec<Bytes>) -> (Vec<Bytes>, Vec<Bytes>),
        out: &mut Outlet<'_>,
    ) {
        let mut keys = keys.into_iter();
        loop {
            let batch: Vec<Bytes> = keys.by_ref().take(DIRECTORY_BATCH).collect();
            if batch.is_empty() {
                return;
            }
            let (adopt, demote) = split(batch);
            out.send(node, self.id, RecordBody::Settle { adopt, demote });
        }
    }

    pub(super) fn on_settled(&mut self, count: u32, out: &mut Outlet<'_>) {
        // Outside of a rebuild the answer belongs to a search, which does not wait for it.
        let Some(unsettled) = self.rebuild.unsettled else {
            return;
        };
        let left = unsettled.saturating_sub(u64::from(count));
        self.rebuild.unsettled = (left > 0).then_some(left);
        if left == 0 {
            self.tell_ready(out);
        }
    }

    pub(super) fn tell_ready(&self, out: &mut Outlet<'_>) {
        let (generation, db) = (out.composition.generation, self.id);
        out.effects.push(Effect::Ready { generation, db });
    }
}
