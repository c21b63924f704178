//! One run: what was emptied here is looked at in batches, then records of our slots are fetched.

use super::super::database::Database;
use super::super::io::Effect;
use super::super::local::{LocalOp, LocalOutcome};
use super::super::message::{Grave, RecordBody};
use super::super::outlet::Outlet;
use super::queue::Queue;
use super::{Digging, VacuumReport};
use crate::id::{Pnn, Rsn};
use crate::limits::VACUUM_BATCH;
use crate::time::Instant;
use crate::wire::bytes::Bytes;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

/// Pause between two batches: a run takes a part of the shard's time, never all of it.
const PAUSE: Duration = Duration::from_millis(2);

/// A run.
#[derive(Debug)]
pub(in super::super) struct Run {
    number: u64,
    until: Instant,
    /// Not before then.
    next_at: Instant,
    report: VacuumReport,
    /// The shell still goes over the database.
    sifting: bool,
    /// Emptied records that were not looked at.
    todo: Queue<Rsn>,
    /// Operations of the batch under way.
    digging: usize,
    /// Records of the batch of which others may have copies.
    graves: BTreeMap<Bytes, Rsn>,
    /// Members that were asked to discard these and have not answered.
    awaited: BTreeSet<Pnn>,
    /// The number of that request.
    batch: u64,
    /// Records for their lmasters.
    handed: BTreeMap<Pnn, Vec<Grave>>,
    /// Records on their way here.
    fetching: BTreeSet<Bytes>,
}

impl Run {
    fn is_busy(&self) -> bool {
        self.digging > 0 || !self.awaited.is_empty() || !self.fetching.is_empty()
    }
}

impl Database {
    pub(in super::super) fn begin_vacuum(
        &mut self,
        full: bool,
        until: Instant,
        out: &mut Outlet<'_>,
    ) {
        if !self.may_vacuum(out) || self.vacuum.run.is_some() {
            let (db, report) = (self.id, VacuumReport::default());
            return out.effects.push(Effect::Vacuumed { db, report });
        }
        self.vacuum.last_run += 1;
        let number = self.vacuum.last_run;
        self.vacuum.run = Some(Run {
            number,
            until,
            next_at: out.now,
            report: VacuumReport::default(),
            sifting: full,
            todo: self.vacuum.queue.drain(),
            digging: 0,
            graves: BTreeMap::new(),
            awaited: BTreeSet::new(),
            batch: 0,
            handed: BTreeMap::new(),
            fetching: BTreeSet::new(),
        });
        out.wake(until, self.id, &Bytes::default());
        if full {
            let (db, run) = (self.id, number);
            out.effects.push(Effect::Sift { db, run });
        }
        self.go_on_vacuuming(out);
    }

    /// The shell found empty records.
    pub(in super::super) fn on_sifted(
        &mut self,
        number: u64,
        graves: Vec<Grave>,
        done: bool,
        out: &mut Outlet<'_>,
    ) {
        let Some(run) = self.run_of(number) else {
            return;
        };
        for Grave { key, rsn } in graves {
            run.todo.insert(key, rsn);
        }
        run.sifting &= !done;
        self.go_on_vacuuming(out);
    }

    /// Begins the next part of the run when the one before is over.
    pub(in super::super) fn go_on_vacuuming(&mut self, out: &mut Outlet<'_>) {
        let Some(run) = &mut self.vacuum.run else {
            return;
        };
        if out.now >= run.until {
            return self.end_vacuum(false, out);
        }
        if run.is_busy() || out.now < run.next_at {
            return;
        }
        if !run.graves.is_empty() {
            self.delete_graves(out);
        } else if !run.todo.is_empty() {
            self.look_at_batch(out);
        } else if !run.sifting {
            self.fetch_batch(out);
        }
    }

    fn look_at_batch(&mut self, out: &mut Outlet<'_>) {
        let Some(run) = &mut self.vacuum.run else {
            return;
        };
        let (batch, number) = (run.todo.take_batch(), run.number);
        run.report.seen += batch.len() as u64;
        // One more than there are keeps the batch open until all were begun.
        run.digging = batch.len() + 1;
        for (key, rsn) in batch {
            let digging = Digging::Look(number, rsn);
            let is_lmaster = out.lmaster(&key) == Some(out.own);
            let op = LocalOp::Bury { rsn, is_lmaster };
            if !self.dig(&key, op, digging, out) {
                self.dug(number, out);
            }
        }
        self.dug(number, out);
    }

    fn run_of(&mut self, number: u64) -> Option<&mut Run> {
        self.vacuum.run.as_mut().filter(|run| run.number == number)
    }

    /// One operation of the batch is over.
    fn dug(&mut self, number: u64, out: &mut Outlet<'_>) {
        let Some(run) = self.run_of(number) else {
            return;
        };
        run.digging -= 1;
        if run.digging > 0 {
            return;
        }
        let next_at = out.now + PAUSE;
        run.next_at = next_at;
        let has_graves = !run.graves.is_empty();
        out.wake(next_at, self.id, &Bytes::default());
        self.hand_over(out);
        if has_graves {
            self.ask_members(out);
        }
    }

    pub(super) fn on_looked(
        &mut self,
        number: u64,
        key: &Bytes,
        rsn: Rsn,
        outcome: &LocalOutcome,
        out: &mut Outlet<'_>,
    ) {
        if *outcome == LocalOutcome::Gone {
            self.on_gone(number, key, out);
        } else if *outcome == LocalOutcome::Grave {
            let (own, lmaster) = (out.own, out.lmaster(key));
            if let (Some(run), Some(lmaster)) = (self.run_of(number), lmaster) {
                if lmaster == own {
                    run.graves.insert(key.clone(), rsn);
                } else {
                    let key = key.clone();
                    let handed = run.handed.entry(lmaster).or_default();
                    handed.push(Grave { key, rsn });
                }
            }
        }
        self.dug(number, out);
    }

    /// This node, dmaster and lmaster of the record, deleted it, and no other one has a copy.
    fn on_gone(&mut self, number: u64, key: &Bytes, out: &mut Outlet<'_>) {
        self.forget_tail(key, out.own);
        if let Some(run) = self.run_of(number) {
            run.report.deleted += 1;
        }
        // Who asked for it meanwhile needs no search.
        let work = self.work.get_mut(key);
        if let Some(want) = work.and_then(|work| work.gives.pop_front()) {
            self.grant_empty(key.clone(), want.to, out);
        }
    }

    /// Asks all others to delete what they have of the batch's records.
    fn ask_members(&mut self, out: &mut Outlet<'_>) {
        let Some(run) = &mut self.vacuum.run else {
            return;
        };
        let others = out.composition.members.iter().copied();
        run.awaited = others.filter(|member| *member != out.own).collect();
        let grave = |(key, rsn): (&Bytes, &Rsn)| Grave {
            key: key.clone(),
            rsn: *rsn,
        };
        let graves: Vec<Grave> = run.graves.iter().map(grave).collect();
        self.vacuum.last_batch += 1;
        let batch = self.vacuum.last_batch;
        run.batch = batch;
        for member in &run.awaited {
            let graves = graves.clone();
            out.send(*member, self.id, RecordBody::Discard { batch, graves });
        }
    }

    pub(in super::super) fn on_discarded(
        &mut self,
        peer: Pnn,
        batch: u64,
        kept: &[Bytes],
        out: &mut Outlet<'_>,
    ) {
        let run = self.vacuum.run.as_mut();
        let Some(run) = run.filter(|run| run.batch == batch) else {
            return;
        };
        if run.awaited.remove(&peer) {
            for key in kept {
                run.graves.remove(key);
            }
            self.go_on_vacuuming(out);
        }
    }

    /// A member that is gone answers no more: what it has is not known.
    pub(in super::super) fn on_digger_lost(&mut self, peer: Pnn, out: &mut Outlet<'_>) {
        if let Some(run) = &mut self.vacuum.run
            && run.awaited.contains(&peer)
        {
            run.awaited.clear();
            run.graves.clear();
            self.go_on_vacuuming(out);
        }
    }

    fn delete_graves(&mut self, out: &mut Outlet<'_>) {
        let Some(run) = &mut self.vacuum.run else {
            return;
        };
        let graves = mem::take(&mut run.graves);
        run.digging = graves.len() + 1;
        let number = run.number;
        for (key, rsn) in graves {
            let digging = Digging::Delete(number);
            if !self.dig(&key, LocalOp::Delete { rsn }, digging, out) {
                self.dug(number, out);
            }
        }
        self.dug(number, out);
    }

    pub(super) fn on_deleted(
        &mut self,
        number: u64,
        key: &Bytes,
        outcome: &LocalOutcome,
        out: &mut Outlet<'_>,
    ) {
        if *outcome == LocalOutcome::Gone {
            self.on_gone(number, key, out);
        }
        self.dug(number, out);
    }

    /// Tells lmasters of records that they can have deleted.
    fn hand_over(&mut self, out: &mut Outlet<'_>) {
        let Some(run) = &mut self.vacuum.run else {
            return;
        };
        for (lmaster, graves) in mem::take(&mut run.handed) {
            run.report.handed += graves.len() as u64;
            out.send(lmaster, self.id, RecordBody::VacuumFetch { graves });
        }
    }

    pub(in super::super) fn on_vacuum_fetch(
        &mut self,
        peer: Pnn,
        graves: Vec<Grave>,
        out: &Outlet<'_>,
    ) {
        let fetches = &mut self.vacuum.fetches;
        for Grave { key, .. } in graves.into_iter().take(VACUUM_BATCH) {
            if out.lmaster(&key) == Some(out.own) {
                fetches.insert(key, peer);
            }
        }
    }

    /// Brings emptied records of our slots here; the next run deletes them.
    fn fetch_batch(&mut self, out: &mut Outlet<'_>) {
        let mut batch = Vec::new();
        while batch.is_empty() && !self.vacuum.fetches.is_empty() {
            let wishes = self.vacuum.fetches.take_batch().into_iter();
            // Who wanted a record since takes care of it.
            let tails = &self.directory.tails;
            let stands =
                |(key, node): &(Bytes, Pnn)| tails.get(key) == Some(*node) && *node != out.own;
            batch.extend(wishes.filter(stands).map(|(key, _)| key));
        }
        let Some(run) = &mut self.vacuum.run else {
            return;
        };
        if batch.is_empty() {
            return self.end_vacuum(true, out);
        }
        run.fetching.extend(batch.iter().cloned());
        for key in batch {
            self.work.entry(key.clone()).or_default().is_fetched = true;
            self.advance(&key, out);
        }
    }

    /// A record that the run fetched is here.
    pub(in super::super) fn on_fetched(
        &mut self,
        key: &Bytes,
        rsn: Rsn,
        is_empty: bool,
        out: &mut Outlet<'_>,
    ) {
        if is_empty {
            self.schedule(key.clone(), rsn);
        }
        if let Some(run) = &mut self.vacuum.run
            && run.fetching.remove(key)
        {
            run.report.fetched += 1;
            self.go_on_vacuuming(out);
        }
    }

    /// The composition ends, and with it the run.
    pub(in super::super) fn end_vacuum_early(&mut self, out: &mut Outlet<'_>) {
        self.end_vacuum(false, out);
        self.vacuum.fetches.drain();
        self.vacuum.discards.forget();
    }

    /// Ends the run. What it did not come to waits for the next one.
    fn end_vacuum(&mut self, is_whole: bool, out: &mut Outlet<'_>) {
        let Some(mut run) = self.vacuum.run.take() else {
            return;
        };
        for (key, rsn) in run.todo.into_entries() {
            self.schedule(key, rsn);
        }
        run.report.is_whole = is_whole;
        let (db, report) = (self.id, run.report);
        out.effects.push(Effect::Vacuumed { db, report });
    }
}
