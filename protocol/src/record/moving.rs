//! The member's side of a recovery of what was touched: records with which something was going on when the composition
//! ended are told to their lmasters, which then ask all nodes that stay what they have of them.
//!
//! ```text
//!  Prepare ─► note what is going on
//!  Rebuild ─► HandOver…, Moving…
//!  Show ─► end read-only copies, look ─► Directory, DirectoryEnd
//!  Serve ─► scan, if something was lost ─► Directory…, DirectoryEnd
//! ```
//! Everything else is at rest at the node that its lmaster knows: a record moves only by order of its lmaster, and who
//! is named last there has it, or waits for it. One that was under way is found where it left.

use super::change::Change;
use super::database::Database;
use super::holdings::{Holding, Holdings};
use super::io::Effect;
use super::local::{LocalOp, LocalOutcome};
use super::machine::AHEAD_MAX;
use super::message::{RecordBody, Tail};
use super::outlet::Outlet;
use super::sweep::{Asker, Stage};
use super::tails::HashedMap;
use crate::hash::wide_key_hash;
use crate::id::{Pnn, Rsn};
use crate::limits::DIRECTORY_BATCH;
use crate::record::header::RecordFlags;
use crate::wire::bytes::Bytes;
use crate::wire::message::DbKind;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// What an lmaster wants to be shown.
#[derive(Debug, Default)]
struct Wish {
    keys: Vec<Bytes>,
    is_whole: bool,
}

/// What this node knows of records that were not at rest.
#[derive(Debug, Default)]
pub(super) struct Moving {
    /// Those with which something was going on here when the last composition ended.
    keys: BTreeSet<Bytes>,
    /// By lmaster.
    wishes: BTreeMap<Pnn, Wish>,
    /// Hashes of records that a lost node had.
    orphans: HashedMap<()>,
}

impl Moving {
    /// A composition ends; what is known of the one before stays until a rebuild.
    pub(super) fn close(&mut self, going_on: impl Iterator<Item = Bytes>) {
        let mut keys = core::mem::take(&mut self.keys);
        keys.extend(going_on);
        *self = Self {
            keys,
            ..Self::default()
        };
    }

    /// Whether the holding is of a record that has to be told while the database is served.
    fn is_touched(&self, change: &Change, holding: &Holding<'_>) -> bool {
        let hash = wide_key_hash(holding.key);
        change.lost_directory_of(hash) || self.orphans.contains_key(&hash)
    }
}

impl Database {
    /// The recovery begins here: others learn what they need to know of this node.
    pub(super) fn tell_change(&mut self, change: &Change, out: &mut Outlet<'_>) {
        if !change.stayers().contains(&out.own) {
            return;
        }
        if change.lmasters_before().contains(&out.own) {
            self.hand_over_tails(out);
        }
        let mut of_lmasters: BTreeMap<Pnn, Vec<Bytes>> = BTreeMap::new();
        for key in core::mem::take(&mut self.moving.keys) {
            if let Some(lmaster) = out.lmaster(&key) {
                of_lmasters.entry(lmaster).or_default().push(key);
            }
        }
        self.delegations.retain(|_, holders| {
            holders.retain(|holder| change.stayers().contains(holder));
            !holders.is_empty()
        });
        for lmaster in out.lmasters() {
            let keys = of_lmasters.remove(&lmaster).unwrap_or_default();
            let body = |keys, last| RecordBody::Moving { keys, last };
            self.send_batches(lmaster, keys, body, out);
        }
    }

    /// A message about the change; it may overtake the order to rebuild.
    pub(super) fn on_change(&mut self, peer: Pnn, body: RecordBody, out: &mut Outlet<'_>) {
        match body {
            body if self.sweep.stage == Stage::Idle => {
                if self.ahead.len() < AHEAD_MAX {
                    self.ahead.push((peer, body));
                } else {
                    self.refuse("messages about a change of members", AHEAD_MAX, out);
                }
            }
            RecordBody::Moving { keys, last } if self.touched.is_gathering() => {
                self.on_moving(peer, keys, last, out);
            }
            RecordBody::HandOver { tails, last } if self.touched.is_gathering() => {
                self.on_hand_over(peer, tails, last, out);
            }
            RecordBody::Show { keys, last } => self.on_show(peer, keys, last, out),
            RecordBody::Orphans { hashes } => self.on_orphans(hashes),
            _ => {}
        }
    }

    /// Gives away what this node knew as lmaster of records that are others' now.
    fn hand_over_tails(&mut self, out: &mut Outlet<'_>) {
        let lmaster_of = |hash: u64| out.composition.lmaster(hash as u32);
        let own = Some(out.own);
        let tails = &mut self.directory.tails;
        let mut of_lmasters: BTreeMap<Option<Pnn>, Vec<Tail>> = BTreeMap::new();
        for tail in tails.take_where(|hash, _| lmaster_of(hash) != own) {
            let tails = of_lmasters.entry(lmaster_of(tail.hash)).or_default();
            tails.push(tail);
        }
        for lmaster in out.lmasters() {
            if Some(lmaster) != own {
                let tails = of_lmasters.remove(&Some(lmaster)).unwrap_or_default();
                let body = |tails, last| RecordBody::HandOver { tails, last };
                self.send_batches(lmaster, tails, body, out);
            }
        }
    }

    /// Sends everything in messages of bearable size; the last one says so, even if there is nothing.
    pub(super) fn send_batches<T>(
        &self,
        peer: Pnn,
        all: Vec<T>,
        body: fn(Vec<T>, bool) -> RecordBody,
        out: &mut Outlet<'_>,
    ) {
        let mut rest = all.into_iter().peekable();
        loop {
            let batch = rest.by_ref().take(DIRECTORY_BATCH).collect();
            let last = rest.peek().is_none();
            out.send(peer, self.id, body(batch, last));
            if last {
                return;
            }
        }
    }

    pub(super) fn on_show(
        &mut self,
        lmaster: Pnn,
        keys: Vec<Bytes>,
        last: bool,
        out: &mut Outlet<'_>,
    ) {
        let wish = self.moving.wishes.entry(lmaster).or_default();
        wish.keys.extend(keys);
        wish.is_whole = last;
        self.show(out);
    }

    pub(super) fn on_orphans(&mut self, hashes: Vec<u64>) {
        let hashes = hashes.into_iter().map(|hash| (hash, ()));
        self.moving.orphans.extend(hashes);
    }

    /// Shows lmasters what they want to see, of each record once what was going on with it here is over.
    pub(super) fn show(&mut self, out: &mut Outlet<'_>) {
        if self.sweep.stage != Stage::Showing {
            return;
        }
        for (lmaster, wish) in core::mem::take(&mut self.moving.wishes) {
            if !wish.is_whole {
                self.moving.wishes.insert(lmaster, wish);
                continue;
            }
            if wish.keys.is_empty() {
                out.send(lmaster, self.id, RecordBody::DirectoryEnd);
                continue;
            }
            let looks = wish.keys.into_iter();
            let looks = looks.map(|key| (key, LocalOp::DropCopy)).collect();
            self.begin_batch(Asker::Viewer(lmaster, Holdings::new()), looks, out);
        }
    }

    /// While the database is served: what is here of records whose lmaster, or dmaster, is gone?
    pub(super) fn tell_lost(&mut self, change: &Change, out: &mut Outlet<'_>) {
        let was_lost = change.lost_directories() || !self.moving.orphans.is_empty();
        if !was_lost || !self.sweep.contributes {
            return;
        }
        if self.opened && self.kind == DbKind::Volatile {
            self.sweep.stage = Stage::Sweeping;
            let (generation, db) = (out.composition.generation, self.id);
            out.effects.push(Effect::Scan { generation, db });
        } else {
            self.tell_end(out);
        }
    }

    /// Those of the records that a scan found which have to be told.
    pub(super) fn touched_of(&self, change: &Change, holdings: &Holdings) -> Holdings {
        let touched = holdings.iter();
        touched
            .filter(|holding| self.moving.is_touched(change, holding))
            .collect()
    }
}

/// What is told of a record after [`LocalOp::DropCopy`]; nothing if there is none. Whether an older copy has data is not
/// known: the vacuum finds out.
pub(super) fn shown<'a>(key: &'a [u8], outcome: &LocalOutcome) -> Option<Holding<'a>> {
    let holding = |rsn: Rsn, is_dmaster, is_readonly| Holding {
        key,
        rsn,
        is_dmaster,
        is_empty: false,
        is_readonly,
    };
    match outcome {
        LocalOutcome::Mine { rsn, flags, .. } => {
            let flags = RecordFlags::from_bits_retain(*flags);
            Some(holding(*rsn, true, flags.intersects(RecordFlags::RO_ANY)))
        }
        LocalOutcome::NotMine { rsn } => rsn.map(|rsn| holding(rsn, false, false)),
        _ => None,
    }
}
