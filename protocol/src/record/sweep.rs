//! The member's side of a recovery: tell every lmaster what is here, then do what they decide.
//!
//! ```text
//!  Rebuild ─► open ─► wait for writes ─► scan (or wipe) ─► Directory…, DirectoryEnd
//!  Settle ─► adopt, demote, delete ─► Settled
//! ```
//! When no more than what a change of members touched is rebuilt, [`super::moving`] goes in between.

use super::change::Change;
use super::database::{Database, Phase};
use super::holdings::Holdings;
use super::io::Effect;
use super::local::{LocalOp, LocalOutcome};
use super::message::{Grave, RecordBody, Settle};
use super::moving::shown;
use super::outlet::Outlet;
use super::touched::Touched;
use super::work::Coming;
use crate::id::Pnn;
use crate::limits::DIRECTORY_BATCH;
use crate::membership::message::DbInfo;
use crate::wire::bytes::Bytes;
use crate::wire::message::DbKind;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// How far this node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// No rebuild was ordered.
    #[default]
    Idle,
    /// The shell opens the database.
    Opening,
    /// Operations of the time before are still under way.
    Draining,
    /// lmasters are shown what they want to see.
    Showing,
    /// The shell goes over the database.
    Sweeping,
    /// The lmasters know everything.
    Told,
}

/// For whom some keys are settled.
#[derive(Debug)]
pub(super) enum Asker {
    /// An lmaster said so.
    Lmaster(Pnn),
    /// An lmaster that searches said so, and waits for no answer.
    Search,
    /// An lmaster wants to know what is here: this, so far.
    Viewer(Pnn, Holdings),
    /// Our own sweep lets go of the read-only copies that it found.
    Sweep,
}

/// Keys that are not settled yet.
#[derive(Debug)]
struct Batch {
    asker: Asker,
    count: u32,
    open: u32,
    kept: Vec<Bytes>,
}

/// What this node does for a recovery.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    pub(super) stage: Stage,
    /// Our records count; otherwise they are older than the cluster's.
    pub(super) contributes: bool,
    unsent: BTreeMap<Pnn, Holdings>,
    /// The shell showed the whole database.
    all_seen: bool,
    /// Batches of read-only copies that clients may still read.
    dropping: usize,
    batches: BTreeMap<u64, Batch>,
    /// Number of the next batch; never used twice, so that a late outcome meets no other batch.
    next_batch: u64,
}

impl Sweep {
    pub(super) fn reset(&mut self) {
        *self = Self {
            next_batch: self.next_batch,
            ..Self::default()
        };
    }
}

impl Database {
    /// The leader orders the rebuild, of no more than what `change` touched if there is one. A repeated order changes
    /// nothing.
    pub(super) fn begin_rebuild(
        &mut self,
        info: DbInfo,
        contributes: bool,
        change: Option<&Change>,
        out: &mut Outlet<'_>,
    ) {
        if self.sweep.stage != Stage::Idle {
            return;
        }
        let change = change.filter(|_| info.kind == DbKind::Volatile);
        if change.is_none() || !contributes {
            self.forget_composition();
        }
        self.touched = Touched::begin(change.cloned());
        if !self.opened {
            let (name, kind) = (info.name.clone(), info.kind);
            out.effects.push(Effect::Open { name, kind });
            self.kind = info.kind;
        }
        self.name = info.name;
        self.phase = Phase::Rebuilding;
        self.sweep.contributes = contributes;
        self.sweep.stage = Stage::Opening;
        if let Some(change) = change {
            self.tell_change(change, out);
        }
        if self.opened {
            self.go_on_opened(info.kind, out);
        }
        for (peer, body) in core::mem::take(&mut self.ahead) {
            self.on_message(peer, body, out);
        }
        // All that this lmaster waits for may have been here already.
        self.try_ask(out);
    }

    pub(super) fn on_opened(&mut self, kind: DbKind, out: &mut Outlet<'_>) {
        let cluster_kind = self.kind;
        self.kind = kind;
        self.opened = true;
        if self.sweep.stage == Stage::Opening {
            self.go_on_opened(cluster_kind, out);
        }
        self.advance_all(out);
    }

    /// `kind` is what the leader says; all members must take the same way.
    fn go_on_opened(&mut self, kind: DbKind, out: &mut Outlet<'_>) {
        if kind != DbKind::Volatile {
            // Its records have no dmaster that matters: the content as a whole is made equal.
            self.sweep.stage = Stage::Told;
            let here = self.kind != DbKind::Volatile;
            self.replica.begin(here, self.sweep.contributes, out);
        } else if self.kind == DbKind::Volatile
            && self.touched.change.is_some()
            && self.sweep.contributes
        {
            self.sweep.stage = Stage::Showing;
            self.show(out);
        } else if self.kind == DbKind::Volatile {
            self.sweep.stage = Stage::Draining;
            self.try_sweep(out);
        } else {
            // Never wipe what somebody here keeps for good.
            self.tell_end(out);
        }
    }

    /// Goes over the database once nothing changes it any more.
    pub(super) fn try_sweep(&mut self, out: &mut Outlet<'_>) {
        if self.sweep.stage != Stage::Draining || self.writes > 0 {
            return;
        }
        self.sweep.stage = Stage::Sweeping;
        let (generation, db) = (out.composition.generation, self.id);
        out.effects.push(if self.sweep.contributes {
            Effect::Scan { generation, db }
        } else {
            Effect::Wipe { generation, db }
        });
    }

    pub(super) fn on_scanned(&mut self, holdings: &Holdings, done: bool, out: &mut Outlet<'_>) {
        if self.sweep.stage != Stage::Sweeping || !self.sweep.contributes {
            return;
        }
        let touched = self.touched.change.as_ref();
        let touched = touched.map(|change| self.touched_of(change, holdings));
        let holdings = touched.as_ref().unwrap_or(holdings);
        self.drop_copies(holdings, out);
        for holding in holdings.iter() {
            let Some(lmaster) = out.lmaster(holding.key) else {
                continue;
            };
            let unsent = self.sweep.unsent.entry(lmaster).or_default();
            unsent.push(holding);
            if unsent.len() >= DIRECTORY_BATCH {
                let holdings = core::mem::take(unsent);
                out.send(lmaster, self.id, RecordBody::Directory { holdings });
            }
        }
        self.sweep.all_seen |= done;
        self.try_tell(out);
    }

    /// Read-only copies end before anybody decides about their records.
    fn drop_copies(&mut self, holdings: &Holdings, out: &mut Outlet<'_>) {
        let copies = holdings.iter();
        let copies = copies.filter(|holding| holding.is_readonly && !holding.is_dmaster);
        let tasks: Vec<_> = copies
            .map(|holding| (Bytes::from(holding.key), LocalOp::DropCopy))
            .collect();
        if !tasks.is_empty() {
            self.sweep.dropping += 1;
            self.begin_batch(Asker::Sweep, tasks, out);
        }
    }

    /// Ends what is told to the lmasters when everything was seen and no read-only copy is left.
    fn try_tell(&mut self, out: &mut Outlet<'_>) {
        if self.sweep.stage == Stage::Sweeping && self.sweep.all_seen && self.sweep.dropping == 0 {
            for (lmaster, holdings) in core::mem::take(&mut self.sweep.unsent) {
                if !holdings.is_empty() {
                    out.send(lmaster, self.id, RecordBody::Directory { holdings });
                }
            }
            self.tell_end(out);
        }
    }

    pub(super) fn on_wiped(&mut self, out: &mut Outlet<'_>) {
        if self.sweep.stage == Stage::Sweeping && !self.sweep.contributes {
            self.tell_end(out);
        }
    }

    pub(super) fn tell_end(&mut self, out: &mut Outlet<'_>) {
        self.sweep.stage = Stage::Told;
        for lmaster in out.lmasters() {
            out.send(lmaster, self.id, RecordBody::DirectoryEnd);
        }
    }

    pub(super) fn on_settle(&mut self, lmaster: Pnn, settle: Settle, out: &mut Outlet<'_>) {
        let Settle {
            adopt,
            demote,
            discard,
            delete,
            release,
            is_search,
        } = settle;
        // The lmaster knows the new dmaster; any name but our own makes clients here ask.
        let demoted = LocalOp::Demote { to: NOBODY };
        let released = release.into_iter();
        let released = released.map(|key| (key, LocalOp::EndDelegations));
        let adopted = adopt.into_iter().map(|key| (key, LocalOp::Adopt));
        let demoted = demote.into_iter().map(|key| (key, demoted.clone()));
        let discarded = discard.into_iter();
        let discarded = discarded.map(|Grave { key, rsn }| (key, LocalOp::Discard { rsn }));
        let deleted = delete.into_iter();
        let deleted = deleted.map(|Grave { key, rsn }| (key, LocalOp::Delete { rsn }));
        let tasks = released.chain(adopted).chain(demoted);
        let tasks: Vec<_> = tasks.chain(discarded).chain(deleted).collect();
        if !tasks.is_empty() {
            let asker = if is_search {
                Asker::Search
            } else {
                Asker::Lmaster(lmaster)
            };
            self.begin_batch(asker, tasks, out);
        }
    }

    pub(super) fn begin_batch(
        &mut self,
        asker: Asker,
        tasks: Vec<(Bytes, LocalOp)>,
        out: &mut Outlet<'_>,
    ) {
        let is_search = matches!(asker, Asker::Search);
        let number = self.sweep.next_batch;
        self.sweep.next_batch += 1;
        let count = tasks.len() as u32;
        let batch = Batch {
            asker,
            count,
            open: count,
            kept: Vec::new(),
        };
        self.sweep.batches.insert(number, batch);
        for (key, op) in tasks {
            let work = self.work.entry(key.clone()).or_default();
            work.search_gives = is_search && op == LocalOp::Adopt;
            work.settles.push_back((op, number));
            self.advance(&key, out);
        }
    }

    /// One key of a batch is done.
    pub(super) fn on_record_settled(
        &mut self,
        key: &Bytes,
        number: u64,
        outcome: &LocalOutcome,
        out: &mut Outlet<'_>,
    ) {
        if let (LocalOutcome::Mine { .. }, Some(work)) = (outcome, self.work.get_mut(key)) {
            work.coming = match work.coming {
                Coming::Asked | Coming::Adopted => Coming::Adopted,
                Coming::Unknown | Coming::Parked => Coming::Unknown,
            };
        }
        self.lose_older_orders(key, out);
        let Some(batch) = self.sweep.batches.get_mut(&number) else {
            return;
        };
        batch.open -= 1;
        if let Asker::Viewer(_, holdings) = &mut batch.asker
            && let Some(holding) = shown(key, outcome)
        {
            holdings.push(holding);
        }
        if *outcome == LocalOutcome::Kept {
            batch.kept.push(key.clone());
        }
        if batch.open > 0 {
            return;
        }
        if let Some(Batch {
            asker, count, kept, ..
        }) = self.sweep.batches.remove(&number)
        {
            match asker {
                Asker::Lmaster(lmaster) => {
                    out.send(lmaster, self.id, RecordBody::Settled { count, kept });
                }
                Asker::Search => {}
                Asker::Viewer(lmaster, holdings) => {
                    let mut rest = holdings.iter().peekable();
                    while rest.peek().is_some() {
                        let holdings = rest.by_ref().take(DIRECTORY_BATCH).collect();
                        out.send(lmaster, self.id, RecordBody::Directory { holdings });
                    }
                    out.send(lmaster, self.id, RecordBody::DirectoryEnd);
                }
                Asker::Sweep => {
                    self.sweep.dropping -= 1;
                    self.try_tell(out);
                }
            }
        }
    }
}

/// A dmaster that no node is (CTDB's "unknown pnn").
const NOBODY: Pnn = Pnn(u32::MAX);
