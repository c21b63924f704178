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
use crate::id::{Pnn, Rsn};
use crate::limits::{PARKED_CALLS_MAX, RECORD_WAITERS_MAX};
use crate::wire::bytes::Bytes;
use crate::wire::message::DbKind;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

/// How long a record that others wait for stays with the clients that were just answered: without it
/// two busy nodes could pass a record between them and no client ever get its lock.
const HOLD: Duration = Duration::from_millis(1);

impl Database {
    pub(super) fn on_client_call(
        &mut self,
        call: CallId,
        key: &Bytes,
        kind: CallKind,
        out: &mut Outlet<'_>,
    ) {
        if self.phase != Phase::Served && self.waiting >= PARKED_CALLS_MAX {
            return self.refuse("calls", self.waiting, out);
        }
        let work = self.work.entry(key.clone()).or_default();
        if work.waiters.len() >= RECORD_WAITERS_MAX {
            return self.refuse("calls of one record", RECORD_WAITERS_MAX, out);
        }
        work.waiters.push((call, kind));
        self.waiting += 1;
        self.advance(key, out);
    }

    /// Forgets calls whose client is gone; a record under way still comes here.
    pub(super) fn forget(&mut self, calls: &BTreeSet<CallId>, out: &mut Outlet<'_>) {
        for work in self.work.values_mut() {
            let before = work.waiters.len();
            work.waiters.retain(|(call, _)| !calls.contains(call));
            self.waiting -= before - work.waiters.len();
        }
        self.advance_all(out);
    }

    /// Whether the record was here when we looked.
    pub(super) fn on_look(&mut self, key: &Bytes, outcome: LocalOutcome, out: &mut Outlet<'_>) {
        match outcome {
            LocalOutcome::Mine { rsn, flags, data } => self.answer(key, rsn, flags, &data, out),
            // Every node has the whole of such a database: a call never moves its records.
            _ if self.kind != DbKind::Volatile => {
                self.answer(key, Rsn(0), 0, &Bytes::default(), out);
            }
            _ => self.ask(key, out),
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
            return;
        }
        match out.lmaster(key) {
            Some(lmaster) if self.phase == Phase::Served && !out.suspended => {
                work.coming = Coming::Asked;
                let call = RecordBody::Call {
                    key: key.clone(),
                    requester: out.own,
                    hops: 0,
                };
                out.send(lmaster, self.id, call);
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
        if !work.waiters.is_empty() && !work.gives.is_empty() {
            work.hold_until = Some(out.now + HOLD);
        }
        if let LocalOutcome::Mine { rsn, flags, data } = outcome {
            if data.is_empty() {
                // Should nobody write it: who emptied it said so on another node, if at all.
                self.schedule(key.clone(), rsn);
            }
            self.answer(key, rsn, flags, &data, out);
        }
    }

    /// The record is here: tells all who wait for it.
    fn answer(&mut self, key: &Bytes, rsn: Rsn, flags: u32, data: &Bytes, out: &mut Outlet<'_>) {
        let Some(work) = self.work.get_mut(key) else {
            return;
        };
        if out.suspended {
            return;
        }
        let was_fetched = core::mem::take(&mut work.is_fetched);
        for (call, kind) in core::mem::take(&mut work.waiters) {
            self.waiting -= 1;
            let reply = match kind {
                CallKind::Null => Bytes::default(),
                CallKind::Fetch => data.clone(),
                CallKind::FetchWithHeader => with_header(out.own, rsn, flags, data),
            };
            out.reply(call, reply);
        }
        if was_fetched {
            self.on_fetched(key, rsn, data.is_empty(), out);
        }
    }
}

fn with_header(own: Pnn, rsn: Rsn, flags: u32, data: &Bytes) -> Bytes {
    let header = RecordHeader {
        rsn,
        dmaster: own,
        flags: RecordFlags::from_bits_retain(flags),
    };
    let mut value: Vec<u8> = header.to_bytes().to_vec();
    value.extend_from_slice(data);
    Bytes(value)
}
