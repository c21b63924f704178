//! Vacuuming of a volatile database: records that clients emptied leave the files (client-protocol.md section
//! 6.6).
//!
//! ```text
//!  dmaster's run:  queue ─► Bury ─► VacuumFetch to the lmaster
//!  lmaster's run:  queue ─► Bury ─► Discard to all members ─► Discarded ─► Delete
//!                              └──► gone, if no other node ever had it
//!                  fetches ─► the record comes here as for a client, and into the queue of the next run
//! ```
//! A record is deleted at its lmaster, which is its dmaster then, and only when no other member has a copy of
//! it: an older copy that was left would pass for the newest one in the next recovery. Whoever asks for the
//! record meanwhile gets it: then its number, its dmaster or its data is not what the run saw, and it stays.
//!
//! Nothing waits here for a client: a record that is locked, or that something else is going on with, is left
//! out, as 4.17 leaves it out, and found again by the next full run. Like every change of the store, the
//! operations of the vacuum are over before a recovery goes over the database.

mod discard;
mod queue;
mod run;

use self::discard::Discards;
use self::queue::Queue;
use self::run::Run;
use super::database::{Database, Phase};
use super::local::{LocalOp, LocalOutcome};
use super::outlet::Outlet;
use super::work::{Running, Why};
use crate::id::{Pnn, Rsn};
use crate::wire::bytes::Bytes;
use crate::wire::message::DbKind;
use serde::{Deserialize, Serialize};

/// What came of a vacuum run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VacuumReport {
    /// Records that were looked at.
    pub seen: u64,
    /// Records that were deleted.
    pub deleted: u64,
    /// Records that their lmasters were told of.
    pub handed: u64,
    /// Records that came here to be vacuumed.
    pub fetched: u64,
    /// The run came to its end; otherwise a recovery or its time limit was first.
    pub is_whole: bool,
}

/// What an operation of the vacuum is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digging {
    /// Our run of this number: is it a grave?
    Look(u64, Rsn),
    /// Our run of this number: no other member has it.
    Delete(u64),
    /// The lmaster's run: with the number of its request here.
    Discard(u64),
}

/// The vacuum of one database.
#[derive(Debug, Default)]
pub(super) struct Vacuum {
    /// Records emptied here, with the numbers that they had then.
    queue: Queue<Rsn>,
    /// Records of our slots that other nodes emptied, and who did.
    fetches: Queue<Pnn>,
    run: Option<Run>,
    /// Number of the last run, and of the last request to discard copies.
    last_run: u64,
    last_batch: u64,
    discards: Discards,
}

impl Database {
    /// Somebody emptied a record here. A queue that is full forgets it: the next full run finds it.
    pub(super) fn schedule(&mut self, key: Bytes, rsn: Rsn) {
        if self.kind == DbKind::Volatile {
            self.vacuum.queue.insert(key, rsn);
        }
    }

    /// Whether records can be vacuumed now.
    fn may_vacuum(&self, out: &Outlet<'_>) -> bool {
        self.opened
            && self.kind == DbKind::Volatile
            && self.phase == Phase::Served
            && out.committed
            && !out.suspended
    }

    /// Begins an operation of the vacuum, unless something else is going on with the record.
    fn dig(&mut self, key: &Bytes, op: LocalOp, digging: Digging, out: &mut Outlet<'_>) -> bool {
        let work = self.work.entry(key.clone()).or_default();
        if !work.is_at_rest() {
            return false;
        }
        self.writes += 1;
        work.running = Some(Running {
            why: Why::Vacuum(digging),
            op: op.clone(),
            generation: out.composition.generation,
            failing: None,
        });
        out.local(self.id, key.clone(), op);
        true
    }

    /// The end of an operation of the vacuum.
    pub(super) fn on_dug(
        &mut self,
        key: &Bytes,
        digging: Digging,
        outcome: &LocalOutcome,
        out: &mut Outlet<'_>,
    ) {
        match digging {
            Digging::Look(run, rsn) => self.on_looked(run, key, rsn, outcome, out),
            Digging::Delete(run) => self.on_deleted(run, key, outcome, out),
            Digging::Discard(number) => {
                let is_kept = *outcome != LocalOutcome::Gone;
                self.count_discard(number, key, is_kept, out);
            }
        }
    }

    /// A record of our slots is on no node any more, `node` having been the last one that had it.
    pub(super) fn forget_tail(&mut self, key: &Bytes, node: Pnn) {
        // A search asks all members; what it finds out decides.
        if !self.directory.seeks.contains_key(key) {
            self.directory.tails.remove(key, node);
        }
    }
}
