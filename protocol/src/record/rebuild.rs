//! The lmaster's side of a recovery: the new directory from what all members hold.
//!
//! The highest rsn wins; of equal ones that of a dmaster, then that of the lowest node. A winner that is
//! not dmaster becomes it, every other dmaster stops being it.

use super::database::Database;
use super::io::Effect;
use super::message::{Holding, RecordBody};
use super::outlet::Outlet;
use crate::id::{Pnn, Rsn};
use crate::limits::DIRECTORY_BATCH;
use crate::wire::bytes::Bytes;
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;

/// A copy; the greatest wins.
type Candidate = (Rsn, bool, Reverse<Pnn>);

/// The directory in the making.
#[derive(Debug, Default)]
pub(super) struct Rebuild {
    best: BTreeMap<Bytes, Candidate>,
    /// Dmasters that lost.
    demote: BTreeMap<Pnn, Vec<Bytes>>,
    /// Members that told everything.
    ended: BTreeSet<Pnn>,
    /// Keys that members were told to settle and have not yet; `None` when that is not going on.
    unsettled: Option<u64>,
}

impl Rebuild {
    /// Takes in what `peer` holds.
    pub(super) fn collect(&mut self, peer: Pnn, holdings: Vec<Holding>) {
        if self.ended.contains(&peer) {
            return;
        }
        for holding in holdings {
            let copy = (holding.rsn, holding.is_dmaster, Reverse(peer));
            match self.best.entry(holding.key) {
                Entry::Vacant(entry) => {
                    entry.insert(copy);
                }
                Entry::Occupied(mut entry) => {
                    let loser = (*entry.get()).min(copy);
                    entry.insert((*entry.get()).max(copy));
                    let (_, was_dmaster, Reverse(node)) = loser;
                    if was_dmaster {
                        let keys = self.demote.entry(node).or_default();
                        keys.push(entry.key().clone());
                    }
                }
            }
        }
    }
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
        for (key, (_, is_dmaster, Reverse(node))) in &self.rebuild.best {
            if !is_dmaster {
                adopt.entry(*node).or_default().push(key.clone());
            }
        }
        let best = core::mem::take(&mut self.rebuild.best);
        let tails = best
            .into_iter()
            .map(|(key, (_, _, Reverse(node)))| (key, node));
        self.directory.tails = tails.collect();
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
