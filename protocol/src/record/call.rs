//! The requester: calls of local clients, and records that come for them.
//!
//! ```text
//!  call ──► look ──mine──► reply
//!             └─not mine─► Call to the lmaster ── Migrate ──► take ──► reply to all who wait
//! ```
//! One request per record is on its way however many clients wait.

use super::database::{Database, Phase};
use super::header::{RecordFlags, RecordHeader};
use super::io::{CallId, CallKind};
use super::local::LocalOutcome;
use super::message::RecordBody;
use super::outlet::Outlet;
use super::work::{Coming, Incoming};
use crate::id::Rsn;
use crate::limits::{PARKED_CALLS_MAX, RECORD_WAITERS_MAX};
use crate::wire::bytes::Bytes;
use crate::wire::message::DbKind;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

/// How long a record that others wait for stays for each of the clients that were just answered: without it
/// two busy nodes could pass a record between them and no client ever get its lock.
const HOLD: Duration = Duration::from_millis(1);
/// The same for a client that only looked at it the last time ([`super::pace`]): who is to change the record waits so
/// long for each node that looks. It is about what a client needs to wake.
const LOOK: Duration = Duration::from_micros(200);
/// Clients that count for that: it stays no longer for a crowd, so that all nodes have their turn soon.
const HOLD_CLIENTS_MAX: u32 = 8;

impl Database {
    pub(super) fn on_client_call(
        &mut self,
        call: (CallId, CallKind),
        key: &Bytes,
        readonly: bool,
        out: &mut Outlet<'_>,
    ) {
        if self.phase != Phase::Served && self.waiting >= PARKED_CALLS_MAX {
            return self.refuse("calls", self.waiting, out);
        }
        let work = self.work.entry(key.clone()).or_default();
        if work.waiters.len() + work.copies.readers.len() >= RECORD_WAITERS_MAX {
            return self.refuse("calls of one record", RECORD_WAITERS_MAX, out);
        }
        if readonly && self.is_readonly {
            work.copies.readers.push(call);
        } else {
            work.waiters.push(call);
        }
        self.waiting += 1;
        self.advance(key, out);
    }

    /// Forgets calls whose client is gone; a record under way still comes here.
    pub(super) fn forget(&mut self, calls: &BTreeSet<CallId>, out: &mut Outlet<'_>) {
        for work in self.work.values_mut() {
            for queue in [&mut work.waiters, &mut work.copies.readers] {
                let before = queue.len();
                queue.retain(|(call, _)| !calls.contains(call));
                self.waiting -= before - queue.len();
            }
        }
        self.advance_all(out);
    }

    /// Whether the record was here when we looked.
    pub(super) fn on_look(&mut self, key: &Bytes, outcome: LocalOutcome, out: &mut Outlet<'_>) {
        match outcome {
            LocalOutcome::Mine { rsn, flags, data } => {
                let header = RecordHeader {
                    rsn,
                    dmaster: out.own,
                    flags: RecordFlags::from_bits_retain(flags),
                };
                self.on_mine(key, header, &data, out);
            }
            // Every node has the whole of such a database: a call never moves its records.
            _ if self.kind != DbKind::Volatile => {
                let header = RecordHeader {
                    dmaster: out.own,
                    ..RecordHeader::default()
                };
                self.answer(key, header, &Bytes::default(), out);
            }
            LocalOutcome::Copy {
                rsn,
                dmaster,
                flags,
                data,
            } => {
                let header = RecordHeader {
                    rsn,
                    dmaster,
                    flags: RecordFlags::from_bits_retain(flags),
                };
                self.answer_readers(key, header, &data, out);
                self.ask_what_is_wanted(key, out);
            }
            // It was deleted here under its copies. One may be on its way still, and only we know to whom: it would be
            // read beside what others make of the record.
            _ if self.has_holders(key) => self.begin_revoke(key, None, out),
            _ => self.ask_what_is_wanted(key, out),
        }
    }

    /// This node is dmaster: who reads is answered, and who writes once no other node reads a copy.
    fn on_mine(&mut self, key: &Bytes, header: RecordHeader, data: &Bytes, out: &mut Outlet<'_>) {
        let is_delegated = header.flags.contains(RecordFlags::RO_HAVE_DELEGATIONS);
        let has_holders = self.has_holders(key);
        let is_served = self.phase == Phase::Served;
        match self.work.get_mut(key) {
            Some(work) if is_delegated && !work.waiters.is_empty() => {
                if is_served {
                    work.copies.is_recalled = !has_holders;
                } else {
                    // Who has copies is forgotten: the recovery ends them.
                    work.coming = Coming::Parked;
                }
                self.answer_readers(key, header, data, out);
                self.begin_revoke(key, None, out);
            }
            _ => self.answer(key, header, data, out),
        }
    }

    /// All copies were called back, for clients that write.
    pub(super) fn on_recalled(&mut self, key: &Bytes, outcome: LocalOutcome, out: &mut Outlet<'_>) {
        self.hold(key, out);
        self.on_look(key, outcome, out);
    }

    /// Keeps the record for a moment for those who wait for it here, if others want it.
    fn hold(&mut self, key: &Bytes, out: &Outlet<'_>) {
        if let Some(work) = self.work.get_mut(key)
            && !work.waiters.is_empty()
            && !(work.gives.is_empty() && work.copies.borrowers.is_empty())
        {
            let stays = match work.waiters.len() as u32 {
                1 if self.pace.only_looks(key) => LOOK,
                clients => HOLD * clients.min(HOLD_CLIENTS_MAX),
            };
            work.hold_until = work.hold_until.max(Some(out.now + stays));
        }
    }

    fn ask_what_is_wanted(&mut self, key: &Bytes, out: &mut Outlet<'_>) {
        let Some(work) = self.work.get(key) else {
            return;
        };
        let only_read =
            work.waiters.is_empty() && !work.is_fetched && !work.copies.readers.is_empty();
        if only_read {
            self.ask_copy(key, out);
        } else if !work.waiters.is_empty() || work.is_fetched {
            self.ask(key, out);
        }
    }

    fn ask(&mut self, key: &Bytes, out: &mut Outlet<'_>) {
        let Some(work) = self.work.get_mut(key) else {
            return;
        };
        if work.coming == Coming::Adopted {
            work.coming = Coming::Asked;
        }
        // What came meanwhile is stored first; what was asked for needs no second request.
        if work.coming == Coming::Asked || work.incoming.is_some() {
            return self.lose_older_orders(key, out);
        }
        match out.lmaster(key) {
            Some(lmaster) if self.phase == Phase::Served && !out.suspended => {
                work.paced_until = self.pace.not_before(key, out.now);
                if work.paced_until.is_some() {
                    return;
                }
                work.coming = Coming::Asked;
                work.asked_at = Some(out.now);
                work.asked_number = self.calls.next(lmaster);
                let call = RecordBody::Call {
                    key: key.clone(),
                    requester: out.own,
                    number: work.asked_number,
                };
                out.send(lmaster, self.id, call);
                self.lose_older_orders(key, out);
            }
            _ => work.coming = Coming::Parked,
        }
    }

    /// A record comes to this node.
    pub(super) fn on_migrate(
        &mut self,
        key: &Bytes,
        rsn: Rsn,
        flags: u32,
        data: Bytes,
        out: &mut Outlet<'_>,
    ) {
        let work = self.work.entry(key.clone()).or_default();
        let rsn = Rsn(rsn.0.saturating_add(1));
        match &work.incoming {
            Some(present) if present.rsn >= rsn => return,
            Some(_) => {}
            None => self.writes += 1,
        }
        work.incoming = Some(Incoming { rsn, flags, data });
        self.advance(key, out);
    }

    /// A record that came is stored.
    pub(super) fn on_taken(&mut self, key: &Bytes, outcome: LocalOutcome, out: &mut Outlet<'_>) {
        let Some(work) = self.work.get_mut(key) else {
            return;
        };
        work.coming = Coming::Unknown;
        work.paced_until = None;
        let asked_at = work.asked_at.take();
        let is_wanted_elsewhere = !work.gives.is_empty();
        if is_wanted_elsewhere {
            work.hold_until = self.hot.pinned_until(key, out.now);
        }
        if let LocalOutcome::Mine { data, .. } = &outcome {
            match asked_at.filter(|_| is_wanted_elsewhere) {
                Some(at) => self.pace.came(key, data, out.now.since(at), out.now),
                None => self.pace.forget(key),
            }
        }
        self.hold(key, out);
        if let LocalOutcome::Mine { rsn, flags, data } = outcome {
            if data.is_empty() {
                // Should nobody write it: who emptied it said so on another node, if at all.
                self.schedule(key.clone(), rsn);
            }
            let header = RecordHeader {
                rsn,
                dmaster: out.own,
                flags: RecordFlags::from_bits_retain(flags),
            };
            self.answer(key, header, &data, out);
        }
    }

    /// The record is here: tells all who wait for it.
    fn answer(&mut self, key: &Bytes, header: RecordHeader, data: &Bytes, out: &mut Outlet<'_>) {
        self.answer_readers(key, header, data, out);
        let Some(work) = self.work.get_mut(key) else {
            return;
        };
        if out.suspended {
            return;
        }
        let was_fetched = core::mem::take(&mut work.is_fetched);
        let waiters = core::mem::take(&mut work.waiters);
        self.reply(waiters, header, data, out);
        if was_fetched {
            self.on_fetched(key, header.rsn, data.is_empty(), out);
        }
    }

    /// Something that can be read is here.
    fn answer_readers(
        &mut self,
        key: &Bytes,
        header: RecordHeader,
        data: &Bytes,
        out: &mut Outlet<'_>,
    ) {
        if let Some(work) = self.work.get_mut(key)
            && !out.suspended
        {
            let readers = core::mem::take(&mut work.copies.readers);
            self.reply(readers, header, data, out);
        }
    }

    fn reply(
        &mut self,
        calls: Vec<(CallId, CallKind)>,
        header: RecordHeader,
        data: &Bytes,
        out: &mut Outlet<'_>,
    ) {
        self.waiting -= calls.len();
        for (call, kind) in calls {
            let reply = match kind {
                CallKind::Null => Bytes::default(),
                CallKind::Fetch => data.clone(),
                CallKind::FetchWithHeader => Bytes([&header.to_bytes(), &**data].concat()),
            };
            out.reply(call, reply);
        }
    }
}
