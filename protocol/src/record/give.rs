//! The dmaster: records that other nodes want.
//!
//! The lmaster orders a give from each dmaster of the chain exactly once. It may come before the record
//! does; then it waits here, because the lmaster only names nodes whose request it has answered or will.

use super::database::Database;
use super::local::LocalOutcome;
use super::message::{RecordBody, SEEN};
use super::outlet::Outlet;
use super::work::{Coming, Want};
use crate::id::Pnn;
use crate::limits::HOPS_MAX;
use crate::notice::{Notice, ShownDb};
use crate::wire::bytes::Bytes;

impl Database {
    pub(super) fn on_give(&mut self, lmaster: Pnn, key: Bytes, want: Want, out: &mut Outlet<'_>) {
        let Want { to, hops, .. } = want;
        if !out.composition.members.contains(&to) {
            return;
        }
        if hops >= HOPS_MAX {
            let db = ShownDb(self.id);
            out.log(Notice::HighHopcount { db, hops });
            return out.send(lmaster, self.id, RecordBody::Lost { key, to });
        }
        let pinned_until = self.hot.pinned_until(&key, out.now);
        let work = self.work.entry(key.clone()).or_default();
        work.hold_until = work.hold_until.max(pinned_until);
        let is_of_search = core::mem::take(&mut work.search_gives);
        if to == out.own {
            // A search found it where it was wanted: look again.
            work.coming = Coming::Unknown;
        } else if !work.gives.iter().any(|want| want.to == to) {
            // A node has one request per record on its way, so the members bound this queue.
            if is_of_search {
                work.gives.push_front(want);
            } else {
                work.gives.push_back(want);
            }
        }
        let was_seen_here = want.heard == SEEN && !work.is_settling();
        if was_seen_here && work.coming == Coming::Asked {
            // The file is tried before it is sought again.
            work.coming = Coming::Adopted;
        }
        self.lose_older_orders(&key, out);
        self.advance(&key, out);
    }

    /// Has the lmaster seek what we should have had for those who want it.
    pub(super) fn lose_older_orders(&mut self, key: &Bytes, out: &mut Outlet<'_>) {
        let (Some(work), Some(lmaster)) = (self.work.get_mut(key), out.lmaster(key)) else {
            return;
        };
        for want in work.take_older_orders() {
            let (key, to) = (key.clone(), want.to);
            out.send(lmaster, self.id, RecordBody::Lost { key, to });
        }
    }

    pub(super) fn on_given(
        &mut self,
        key: &Bytes,
        want: Want,
        outcome: LocalOutcome,
        out: &mut Outlet<'_>,
    ) {
        let has_holders = self.has_holders(key);
        let Some(work) = self.work.get_mut(key) else {
            return;
        };
        if work.coming == Coming::Adopted {
            work.coming = Coming::Asked;
        }
        if let LocalOutcome::Given {
            to,
            rsn,
            flags,
            data,
        } = outcome
        {
            // Copies of other nodes were called back; the next dmaster's own is one no more.
            self.delegations.remove(key);
            self.pace.left(key, &data, out.now);
            let migrate = RecordBody::Migrate {
                key: key.clone(),
                rsn,
                flags,
                data,
                // A record that is new in the cluster begins with none.
                hops: want.hops.saturating_add(1 + self.hot.hops(key, out.now)),
            };
            return out.send(to, self.id, migrate);
        }
        if has_holders {
            // As in `on_look`: the next dmaster's copy is one still.
            work.gives.push_front(want);
            self.begin_revoke(key, None, out);
        } else if work.coming == Coming::Asked || work.incoming.is_some() {
            work.gives.push_front(want);
            self.lose_older_orders(key, out);
        } else if let Some(lmaster) = out.lmaster(key) {
            let lost = RecordBody::Lost {
                key: key.clone(),
                to: want.to,
            };
            out.send(lmaster, self.id, lost);
        }
    }

    /// Nothing more goes to a lost peer.
    pub(super) fn on_peer_down(&mut self, peer: Pnn, out: &mut Outlet<'_>) {
        for work in self.work.values_mut() {
            work.gives.retain(|want| want.to != peer);
            work.copies.borrowers.retain(|to| *to != peer);
        }
        self.replica.on_peer_down(peer, out);
        self.on_digger_lost(peer, out);
        self.advance_all(out);
    }
}
