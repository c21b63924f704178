//! One database: its phase, and the life of the operations on its records.
//!
//! Invariant: `writes` counts the operations under way that change the store and the records that came
//! and are not stored yet. The rebuild goes over the database only when it is zero, so what it reports
//! stays true until the lmasters have decided.

use super::calls::Calls;
use super::directory::Directory;
use super::hot::Hot;
use super::io::Input;
use super::local::{LocalOp, LocalOutcome};
use super::message::RecordBody;
use super::moving::Moving;
use super::outlet::Outlet;
use super::pace::Pace;
use super::rebuild::Rebuild;
use super::replica::Replica;
use super::replica::io::Request;
use super::replica::message::ReplicaMessage;
use super::sweep::Sweep;
use super::touched::Touched;
use super::vacuum::Vacuum;
use super::work::{Coming, Next, Running, Want, Why, Work, writes};
use crate::id::{DbId, Generation, Pnn};
use crate::limits::PARKED_CALLS_MAX;
use crate::notice::{Notice, ShownDb};
use crate::wire::bytes::Bytes;
use crate::wire::message::DbKind;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Whether records may move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// No: no composition, or its rebuild has not reached this database.
    #[default]
    Closed,
    /// No: the directory is being rebuilt.
    Rebuilding,
    /// Yes.
    Served,
}

/// One database.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) id: DbId,
    /// Empty until a rebuild named it.
    pub(super) name: String,
    pub(super) kind: DbKind,
    pub(super) opened: bool,
    /// Opened in this composition, which had no records of it before.
    pub(super) fresh: bool,
    pub(super) phase: Phase,
    pub(super) work: BTreeMap<Bytes, Work>,
    pub(super) directory: Directory,
    /// Calls sent to each lmaster.
    pub(super) calls: Calls,
    pub(super) rebuild: Rebuild,
    pub(super) sweep: Sweep,
    pub(super) moving: Moving,
    pub(super) touched: Touched,
    pub(super) replica: Replica,
    pub(super) vacuum: Vacuum,
    pub(super) hot: Hot,
    pub(super) pace: Pace,
    /// Read-only copies may be made here.
    pub(super) is_readonly: bool,
    /// Nodes that have, or will have, read-only copies of records of which this node is dmaster.
    pub(super) delegations: BTreeMap<Bytes, BTreeSet<Pnn>>,
    /// Messages of this composition that came before it was served here.
    early: VecDeque<(Pnn, RecordBody)>,
    /// Messages about a change of members that came before the order to rebuild.
    pub(super) ahead: Vec<(Pnn, RecordBody)>,
    pub(super) writes: usize,
    /// Calls that are not answered.
    pub(super) waiting: usize,
    /// Requests that a full queue turned away.
    refused: u64,
}

impl Database {
    pub(super) fn new(id: DbId) -> Self {
        Self {
            id,
            name: String::new(),
            kind: DbKind::Volatile,
            opened: false,
            fresh: true,
            phase: Phase::Closed,
            work: BTreeMap::new(),
            directory: Directory::default(),
            calls: Calls::default(),
            rebuild: Rebuild::default(),
            sweep: Sweep::default(),
            moving: Moving::default(),
            touched: Touched::default(),
            replica: Replica::new(id),
            vacuum: Vacuum::default(),
            hot: Hot::default(),
            pace: Pace::default(),
            is_readonly: false,
            delegations: BTreeMap::new(),
            early: VecDeque::new(),
            ahead: Vec::new(),
            writes: 0,
            waiting: 0,
            refused: 0,
        }
    }

    /// Something for this database alone.
    pub(super) fn input(&mut self, generation: Generation, input: Input, out: &mut Outlet<'_>) {
        match input {
            Input::Call {
                call,
                key,
                kind,
                readonly,
                ..
            } => self.on_client_call((call, kind), &key, readonly, out),
            Input::SetSticky { rules, .. } => self.hot.set(rules),
            Input::SetReadonly { .. } => self.is_readonly = self.kind == DbKind::Volatile,
            Input::Local { key, outcome, .. } => self.on_outcome(&key, outcome, out),
            Input::Scanned { holdings, done, .. } if generation == out.composition.generation => {
                self.on_scanned(&holdings, done, out);
            }
            Input::Wiped { .. } if generation == out.composition.generation => self.on_wiped(out),
            Input::Replica { request, .. } => self.on_request(request, out),
            Input::Schedule { key, rsn, .. } => self.schedule(key, rsn),
            Input::Vacuum { full, until, .. } => self.begin_vacuum(full, until, out),
            Input::Sifted {
                run, graves, done, ..
            } => self.on_sifted(run, graves, done, out),
            _ => {}
        }
    }

    /// A message of this composition from a member.
    pub(super) fn on_message(&mut self, peer: Pnn, body: RecordBody, out: &mut Outlet<'_>) {
        match body {
            body if body.is_about_change() => self.on_change(peer, body, out),
            RecordBody::Directory { holdings } => self.on_directory(peer, &holdings),
            RecordBody::DirectoryEnd => self.on_directory_end(peer, out),
            RecordBody::Settle(settle) => self.on_settle(peer, settle, out),
            RecordBody::Settled { count, kept } => self.on_settled(count, &kept, out),
            RecordBody::Replica(message)
                if self.phase == Phase::Served
                    || !matches!(message, ReplicaMessage::Update { .. }) =>
            {
                self.replica.on_message(peer, message, out);
            }
            body if self.phase != Phase::Served => self.keep_early(peer, body, out),
            RecordBody::Call {
                key,
                requester,
                number,
            } if requester == peer => {
                self.directory.heard_calls.heard(requester, number);
                self.on_call(key, requester, out);
            }
            // A call on behalf of somebody else: nobody sends that. The others are above.
            RecordBody::Call { .. }
            | RecordBody::Replica(_)
            | RecordBody::Moving { .. }
            | RecordBody::HandOver { .. }
            | RecordBody::Show { .. }
            | RecordBody::Orphans { .. } => {}
            RecordBody::Give {
                key,
                to,
                heard,
                hops,
            } => self.on_give(peer, key, Want { to, heard, hops }, out),
            RecordBody::Migrate {
                key,
                rsn,
                flags,
                data,
                hops,
            } => {
                self.hot.came(&key, hops, out.now);
                self.on_migrate(&key, rsn, flags, data, out);
            }
            RecordBody::Lost { key, to } => self.seek(key, to, out),
            RecordBody::Probe { key } => self.on_probe(peer, &key, out),
            RecordBody::Probed {
                key,
                rsn,
                is_dmaster,
            } => {
                self.on_probed(peer, &key, rsn, is_dmaster, out);
            }
            RecordBody::VacuumFetch { graves } => self.on_vacuum_fetch(peer, graves, out),
            RecordBody::Discard { batch, graves } => self.on_discard(peer, batch, graves, out),
            RecordBody::Discarded { batch, kept } => self.on_discarded(peer, batch, &kept, out),
            RecordBody::CallReadonly { key } => self.on_call_readonly(key, peer, out),
            RecordBody::Delegate { key, to } => self.on_delegate(key, to, out),
            RecordBody::Copy {
                key,
                rsn,
                flags,
                data,
            } => self.on_copy(peer, &key, rsn, flags, data, out),
            RecordBody::NoCopy { key } => self.on_no_copy(&key, out),
            RecordBody::Revoke { key } => self.on_revoke(peer, &key, out),
            RecordBody::Revoked { key } => self.on_revoked(peer, &key, out),
        }
    }

    fn keep_early(&mut self, peer: Pnn, body: RecordBody, out: &mut Outlet<'_>) {
        if self.early.len() < PARKED_CALLS_MAX {
            self.early.push_back((peer, body));
        } else {
            self.refuse("early messages", self.early.len(), out);
        }
    }

    /// Logs that a queue is full, at the first refusal and then ever less often.
    pub(super) fn refuse(&mut self, queue: &str, queued: usize, out: &mut Outlet<'_>) {
        self.refused += 1;
        if self.refused.is_power_of_two() {
            out.log(Notice::QueueFull {
                connection: format!("{queue} of database {}", ShownDb(self.id)),
                queued: queued as u64,
            });
        }
    }

    /// The composition ends here: nothing moves any more.
    pub(super) fn close(&mut self, out: &mut Outlet<'_>) {
        self.phase = Phase::Closed;
        self.replica.close(out);
        // What is not open here can hold nothing of the time before.
        self.fresh = !self.opened;
        self.pace = Pace::default();
        // Of what is sought here somebody waits for it, too.
        self.moving.close(self.work.keys().cloned());
        self.directory.seeks.clear();
        self.directory.heard_calls = Calls::default();
        self.calls = Calls::default();
        self.rebuild = Rebuild::default();
        self.touched = Touched::default();
        self.sweep.reset();
        self.end_vacuum_early(out);
        self.early.clear();
        self.ahead.clear();
        self.work.retain(|_, work| {
            work.forget_composition();
            let is_waited_for = !work.waiters.is_empty() || !work.copies.readers.is_empty();
            work.running.is_some() || work.incoming.is_some() || is_waited_for
        });
    }

    /// What was known of the composition before is of no use.
    pub(super) fn forget_composition(&mut self) {
        self.directory = Directory::default();
        self.delegations.clear();
        self.moving = Moving::default();
    }

    /// Records move again.
    pub(super) fn serve(&mut self, out: &mut Outlet<'_>) {
        self.phase = Phase::Served;
        self.replica.serve(out);
        for (peer, body) in core::mem::take(&mut self.early) {
            self.on_message(peer, body, out);
        }
        for work in self.work.values_mut() {
            if work.coming == Coming::Parked {
                work.coming = Coming::Unknown;
            }
        }
        self.advance_all(out);
        if let Some(change) = self.touched.change.clone() {
            self.tell_lost(&change, out);
        }
    }

    /// Serves a database that was opened in this composition: nobody has records of it.
    pub(super) fn serve_new(&mut self, out: &mut Outlet<'_>) {
        self.forget_composition();
        self.serve(out);
        if self.kind != DbKind::Volatile {
            self.replica.look_at_new(out);
        }
    }

    fn on_request(&mut self, request: Request, out: &mut Outlet<'_>) {
        match request {
            Request::Commit {
                commit,
                changes,
                until,
            } => {
                let is_replica = self.opened && self.kind != DbKind::Volatile;
                let serving = is_replica && self.phase == Phase::Served && !out.suspended;
                self.replica
                    .on_commit(commit, &changes, until, serving, out);
            }
            Request::Done { job, outcome } => self.replica.on_job(job, outcome, out),
        }
    }

    /// Looks at every record that something is going on with.
    pub(super) fn advance_all(&mut self, out: &mut Outlet<'_>) {
        let keys: Vec<Bytes> = self.work.keys().cloned().collect();
        for key in keys {
            self.advance(&key, out);
        }
    }

    /// Begins the next operation on a record, if none is under way.
    pub(super) fn advance(&mut self, key: &Bytes, out: &mut Outlet<'_>) {
        let Some(work) = self.work.get_mut(key) else {
            return;
        };
        if work.running.is_some() {
            return;
        }
        let may_answer = !out.suspended && self.opened;
        match work.next(out.now, may_answer, self.delegations.get(key)) {
            Next::Run(why, op) => {
                // What came was counted when it came.
                self.writes += usize::from(writes(&op) && why != Why::Take);
                work.running = Some(Running {
                    why,
                    op: op.clone(),
                    generation: out.composition.generation,
                    failing: None,
                });
                out.local(self.id, key.clone(), op);
            }
            Next::Wait(at) => out.wake(at, self.id, key),
            Next::Revoke(except) => self.begin_revoke(key, Some(except), out),
            Next::Rest => {}
            Next::Done => {
                self.work.remove(key);
            }
        }
    }

    /// The time for which a record asked has come.
    pub(super) fn on_wake(&mut self, key: &Bytes, out: &mut Outlet<'_>) {
        self.replica.on_wake(out);
        self.go_on_vacuuming(out);
        self.go_on_deciding(out);
        let running = self
            .work
            .get_mut(key)
            .and_then(|work| work.running.as_mut());
        match running {
            Some(running) if running.failing.is_some_and(|(_, at)| at <= out.now) => {
                let op = running.op.clone();
                out.local(self.id, key.clone(), op);
            }
            Some(_) => {}
            None => self.advance(key, out),
        }
    }

    fn on_outcome(&mut self, key: &Bytes, outcome: LocalOutcome, out: &mut Outlet<'_>) {
        let Some(work) = self.work.get_mut(key) else {
            return;
        };
        let Some(running) = work.running.take() else {
            return;
        };
        let is_vacuum = matches!(running.why, Why::Vacuum(_));
        if outcome == LocalOutcome::Failed && !is_vacuum {
            self.on_failed(key, running, out);
        } else {
            self.writes -= usize::from(writes(&running.op));
            let current = running.generation == out.composition.generation && !out.suspended;
            match running.why {
                Why::Look => self.on_look(key, outcome, out),
                Why::Recall => self.on_recalled(key, outcome, out),
                Why::Take => self.on_taken(key, outcome, out),
                // Nobody waits for these any more. A record given away in an older composition is an
                // orphan whose newest copy is here: the rebuild finds it.
                _ if !current => {}
                Why::Give(want) => self.on_given(key, want, outcome, out),
                Why::Probe { lmaster } => self.answer_probe(key, lmaster, &outcome, out),
                Why::Settle { batch } => self.on_record_settled(key, batch, &outcome, out),
                Why::Vacuum(digging) => self.on_dug(key, digging, &outcome, out),
                Why::Delegate { to } => self.on_delegated(key, to, outcome, out),
                Why::StoreCopy => self.on_copy_stored(key, outcome, out),
                Why::Drop { dmaster } => {
                    let key = key.clone();
                    out.send(dmaster, self.id, RecordBody::Revoked { key });
                }
            }
        }
        self.advance(key, out);
        self.try_sweep(out);
    }

    /// The store failed: the operation is tried again, for ever in its own composition. In a later one it
    /// must not hold up the recovery, so it is given up after a third of its time: the node that gave
    /// the record away still has that copy.
    fn on_failed(&mut self, key: &Bytes, mut running: Running, out: &mut Outlet<'_>) {
        let is_stale = running.generation != out.composition.generation;
        let since = running.failing.map_or(out.now, |(since, _)| since);
        let patience = match running.op {
            LocalOp::Take { .. } => out.timing.recovery_timeout / 3,
            _ => core::time::Duration::ZERO,
        };
        if running.failing.is_none() {
            let name = if self.name.is_empty() {
                format!("{}", ShownDb(self.id))
            } else {
                self.name.clone()
            };
            out.log(Notice::DatabaseFailed {
                name,
                reason: String::from("a record could not be read or written"),
            });
        }
        if is_stale && out.now.since(since) >= patience {
            self.writes -= usize::from(writes(&running.op));
            return;
        }
        let at = out.retry_at();
        running.failing = Some((since, at));
        if let Some(work) = self.work.get_mut(key) {
            work.running = Some(running);
        }
        out.wake(at, self.id, key);
    }
}
