//! The lmaster's side of a recovery: the new directory from what all members hold.
//!
//! The highest rsn wins; of equal ones that of a dmaster, then that of the lowest node. A winner that is
//! not dmaster becomes it, every other dmaster stops being it.
//!
//! An empty winner means that the record was deleted: as in 4.17, none is left after a recovery. First the older copies
//! go, of all members; then, where none was kept, the winner, unless somebody has written it since.

use super::database::Database;
use super::decide::Decision;
use super::holdings::Holdings;
use super::io::Effect;
use super::message::{Grave, RecordBody, Settle};
use super::outlet::Outlet;
use super::tails::HashedMap;
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
pub(super) struct Best {
    pub(super) copy: Candidate,
    key_at: usize,
    key_bytes: u32,
    /// Another key has the same hash.
    pub(super) is_shared: bool,
    /// Another dmaster lost: the winner gets a number that no other copy has.
    pub(super) had_rival: bool,
    pub(super) winner: Winner,
}

/// What is known of the newest copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Winner {
    /// It has no data.
    pub(super) is_empty: bool,
    /// Read-only copies of it were out, if it is a dmaster's.
    pub(super) is_readonly: bool,
}

/// The directory in the making.
#[derive(Debug, Default)]
pub(super) struct Rebuild {
    /// By [`wide_key_hash`].
    pub(super) best: HashedMap<Best>,
    /// The keys, for those who must settle something; one behind the other, since there may be millions.
    pub(super) keys: Vec<u8>,
    /// Dmasters that lost.
    pub(super) demote: BTreeMap<Pnn, Vec<Bytes>>,
    /// Members that told everything.
    ended: BTreeSet<Pnn>,
    /// Under way once all have.
    pub(super) decision: Option<Decision>,
    /// Keys that members were told to settle and have not yet; `None` when that is not going on.
    unsettled: Option<u64>,
    /// Empty records that are to go, by key: who has the newest copy, with its number.
    pub(super) graves: BTreeMap<Bytes, (Pnn, Rsn)>,
    /// The newest copies are being deleted.
    burying: bool,
}

impl Rebuild {
    /// Whether that member told everything.
    pub(super) fn has_ended(&self, peer: Pnn) -> bool {
        self.ended.contains(&peer)
    }

    /// Takes in what `peer` holds.
    pub(super) fn collect(&mut self, peer: Pnn, holdings: &Holdings) {
        if self.ended.contains(&peer) {
            return;
        }
        for holding in holdings.iter() {
            let copy = (holding.rsn, holding.is_dmaster, Reverse(peer));
            let winner = Winner {
                is_empty: holding.is_empty,
                is_readonly: holding.is_readonly,
            };
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
                        winner,
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
                    if copy > best.copy {
                        (best.copy, best.winner) = (copy, winner);
                    }
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

fn grave(key: &Bytes, rsn: Rsn) -> Grave {
    let key = key.clone();
    Grave { key, rsn }
}

/// What a member is told to do with some keys.
pub(super) enum Task {
    Adopt(Vec<Bytes>),
    Demote(Vec<Bytes>),
    Discard(Vec<Grave>),
    Delete(Vec<Grave>),
    Release(Vec<Bytes>),
}

/// Its key.
pub(super) fn key_of<'a>(keys: &'a [u8], best: &Best) -> &'a [u8] {
    &keys[best.key_at..best.key_at + best.key_bytes as usize]
}

impl Database {
    /// A member told everything. After the last one every record gets its dmaster.
    pub(super) fn on_directory_end(&mut self, peer: Pnn, out: &mut Outlet<'_>) {
        if self.rebuild.ended.insert(peer) {
            self.try_decide(out);
        }
    }

    /// Decides once everybody has told.
    pub(super) fn try_decide(&mut self, out: &mut Outlet<'_>) {
        if self.all_told(out) {
            self.begin_decision(out);
        }
    }

    /// Has all members but the one with the newest copy of an empty record delete theirs; answers how many keys were named.
    pub(super) fn discard_copies(&self, out: &mut Outlet<'_>) -> u64 {
        let mut unsettled = 0;
        for member in out.composition.members.clone() {
            let graves = self.rebuild.graves.iter();
            let others = graves.filter(|(_, (node, _))| *node != member);
            let graves: Vec<Grave> = others.map(|(key, (_, rsn))| grave(key, *rsn)).collect();
            unsettled += graves.len() as u64;
            self.settle(member, graves, Task::Discard, out);
        }
        unsettled
    }

    /// No other copy is left: the newest ones go too.
    fn bury(&mut self, out: &mut Outlet<'_>) {
        self.rebuild.burying = true;
        let mut delete: BTreeMap<Pnn, Vec<Grave>> = BTreeMap::new();
        for (key, (node, rsn)) in &self.rebuild.graves {
            delete.entry(*node).or_default().push(grave(key, *rsn));
        }
        for (node, graves) in delete {
            self.settle(node, graves, Task::Delete, out);
        }
        self.wait_for(self.rebuild.graves.len() as u64, out);
    }

    /// Goes on when members have settled so many keys.
    pub(super) fn wait_for(&mut self, unsettled: u64, out: &mut Outlet<'_>) {
        self.rebuild.unsettled = (unsettled > 0).then_some(unsettled);
        if unsettled > 0 {
            return;
        }
        if !self.rebuild.burying && !self.rebuild.graves.is_empty() {
            return self.bury(out);
        }
        // Whoever asks for one of these begins a new record.
        for (key, (node, _)) in core::mem::take(&mut self.rebuild.graves) {
            self.directory.tails.remove(&key, node);
        }
        self.end_round(out);
    }

    pub(super) fn settle<T>(
        &self,
        node: Pnn,
        tasks: Vec<T>,
        order: fn(Vec<T>) -> Task,
        out: &mut Outlet<'_>,
    ) {
        let mut tasks = tasks.into_iter();
        loop {
            let batch: Vec<T> = tasks.by_ref().take(DIRECTORY_BATCH).collect();
            if batch.is_empty() {
                return;
            }
            let mut settle = Settle::default();
            match order(batch) {
                Task::Adopt(keys) => settle.adopt = keys,
                Task::Demote(keys) => settle.demote = keys,
                Task::Discard(graves) => settle.discard = graves,
                Task::Delete(graves) => settle.delete = graves,
                Task::Release(keys) => settle.release = keys,
            }
            out.send(node, self.id, RecordBody::Settle(settle));
        }
    }

    pub(super) fn on_settled(&mut self, count: u32, kept: &[Bytes], out: &mut Outlet<'_>) {
        // Outside of a rebuild the answer belongs to a search, which does not wait for it.
        let Some(unsettled) = self.rebuild.unsettled else {
            return;
        };
        for key in kept {
            self.rebuild.graves.remove(key);
        }
        self.wait_for(unsettled.saturating_sub(u64::from(count)), out);
    }

    pub(super) fn tell_ready(&self, whole: bool, out: &mut Outlet<'_>) {
        let (generation, db) = (out.composition.generation, self.id);
        out.effects.push(Effect::Ready {
            generation,
            db,
            whole,
        });
    }
}
