//! The lmaster, which knows whom to ask for a copy, and the dmaster, which makes copies and calls them back.

use super::super::database::{Database, Phase};
use super::super::local::LocalOutcome;
use super::super::message::RecordBody;
use super::super::outlet::Outlet;
use super::super::work::Coming;
use crate::id::Pnn;
use crate::wire::bytes::Bytes;
use alloc::collections::BTreeSet;

impl Database {
    /// The lmaster: `reader` wants a copy.
    pub(in super::super) fn on_call_readonly(&self, key: Bytes, reader: Pnn, out: &mut Outlet<'_>) {
        if out.lmaster(&key) != Some(out.own) {
            return;
        }
        match self.directory.tails.get(&key) {
            Some(tail) if tail != reader && !self.touched.is_undecided(&key) => {
                out.send(tail, self.id, RecordBody::Delegate { key, to: reader });
            }
            // Nobody has the record, or the reader should: it can only become dmaster.
            _ => out.send(reader, self.id, RecordBody::NoCopy { key }),
        }
    }

    /// The lmaster says that `to` wants a copy.
    pub(in super::super) fn on_delegate(&mut self, key: Bytes, to: Pnn, out: &mut Outlet<'_>) {
        if to == out.own || !out.composition.members.contains(&to) {
            return;
        }
        if !self.is_readonly {
            return out.send(to, self.id, RecordBody::NoCopy { key });
        }
        let pinned_until = self.hot.pinned_until(&key, out.now);
        let work = self.work.entry(key.clone()).or_default();
        work.hold_until = work.hold_until.max(pinned_until);
        // A node has one request per record on its way, so the members bound this queue.
        if !work.copies.borrowers.contains(&to) {
            work.copies.borrowers.push_back(to);
        }
        self.advance(&key, out);
    }

    /// A copy for `to` was made, or there is nothing to copy.
    pub(in super::super) fn on_delegated(
        &mut self,
        key: &Bytes,
        to: Pnn,
        outcome: LocalOutcome,
        out: &mut Outlet<'_>,
    ) {
        let Some(work) = self.work.get_mut(key) else {
            return;
        };
        if let LocalOutcome::Delegated { rsn, flags, data } = outcome {
            work.copies.is_recalled = false;
            let holders = self.delegations.entry(key.clone()).or_default();
            holders.insert(to);
            let key = key.clone();
            let copy = RecordBody::Copy {
                key,
                rsn,
                flags,
                data,
            };
            out.send(to, self.id, copy);
        } else if work.coming == Coming::Asked || work.incoming.is_some() {
            work.copies.borrowers.push_front(to);
        } else {
            out.send(to, self.id, RecordBody::NoCopy { key: key.clone() });
        }
    }

    /// Calls back all copies but that of `except`, which is about to become dmaster.
    pub(in super::super) fn begin_revoke(
        &mut self,
        key: &Bytes,
        except: Option<Pnn>,
        out: &mut Outlet<'_>,
    ) {
        let (Some(work), Some(holders)) = (self.work.get_mut(key), self.delegations.get(key))
        else {
            return;
        };
        if self.phase != Phase::Served {
            // Who holds copies in the next composition is not known yet.
            work.coming = Coming::Parked;
            return;
        }
        let others = holders.iter().filter(|holder| Some(**holder) != except);
        work.copies.revoking = others.copied().collect();
        for holder in &work.copies.revoking {
            out.send(*holder, self.id, RecordBody::Revoke { key: key.clone() });
        }
    }

    /// Nobody reads the copy of `peer` any more.
    pub(in super::super) fn on_revoked(&mut self, peer: Pnn, key: &Bytes, out: &mut Outlet<'_>) {
        let Some(work) = self.work.get_mut(key) else {
            return;
        };
        if !work.copies.revoking.remove(&peer) {
            return;
        }
        if let Some(holders) = self.delegations.get_mut(key) {
            holders.remove(&peer);
            if holders.is_empty() {
                self.delegations.remove(key);
            }
        }
        work.copies.is_recalled = !self.delegations.contains_key(key);
        self.lose_older_orders(key, out);
        self.advance(key, out);
    }

    /// The holders of copies of a record, if there are any.
    pub(in super::super) fn has_holders(&self, key: &Bytes) -> bool {
        self.delegations
            .get(key)
            .is_some_and(|holders: &BTreeSet<Pnn>| !holders.is_empty())
    }
}
