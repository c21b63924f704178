//! The node whose clients read: it asks for a copy, stores it, and lets it go when the dmaster calls it back.

use super::super::database::{Database, Phase};
use super::super::header::{RecordFlags, RecordHeader};
use super::super::local::LocalOutcome;
use super::super::message::RecordBody;
use super::super::outlet::Outlet;
use super::super::work::Coming;
use super::IncomingCopy;
use crate::id::{Pnn, Rsn};
use crate::wire::bytes::Bytes;

impl Database {
    /// Asks for a copy for all clients that want to read.
    pub(in super::super) fn ask_copy(&mut self, key: &Bytes, out: &mut Outlet<'_>) {
        let Some(work) = self.work.get_mut(key) else {
            return;
        };
        // The record itself is on its way, or the copy.
        if work.coming == Coming::Asked || work.copies.is_asked {
            return;
        }
        match out.lmaster(key) {
            Some(lmaster) if self.phase == Phase::Served && !out.suspended => {
                work.copies.is_asked = true;
                let key = key.clone();
                out.send(lmaster, self.id, RecordBody::CallReadonly { key });
            }
            _ => work.coming = Coming::Parked,
        }
    }

    /// A copy comes from the dmaster. It is stored even if nobody wants it any more: the dmaster counts on its
    /// being called back.
    pub(in super::super) fn on_copy(
        &mut self,
        dmaster: Pnn,
        key: &Bytes,
        rsn: Rsn,
        flags: u32,
        data: Bytes,
        out: &mut Outlet<'_>,
    ) {
        let work = self.work.entry(key.clone()).or_default();
        work.copies.is_asked = false;
        let header = RecordHeader {
            rsn,
            dmaster,
            flags: RecordFlags::from_bits_retain(flags),
        };
        work.copies.incoming = Some(IncomingCopy { header, data });
        self.advance(key, out);
    }

    /// There is no copy to be had: the readers get the record itself.
    pub(in super::super) fn on_no_copy(&mut self, key: &Bytes, out: &mut Outlet<'_>) {
        let Some(work) = self.work.get_mut(key) else {
            return;
        };
        work.copies.is_asked = false;
        work.upgrade_readers();
        self.advance(key, out);
    }

    /// A copy was stored, or could not be because something newer is here.
    pub(in super::super) fn on_copy_stored(
        &mut self,
        key: &Bytes,
        outcome: LocalOutcome,
        out: &mut Outlet<'_>,
    ) {
        if let LocalOutcome::NotMine { .. } = outcome {
            if let Some(work) = self.work.get_mut(key) {
                work.upgrade_readers();
            }
        } else {
            self.on_look(key, outcome, out);
        }
    }

    /// The dmaster calls our copy back.
    pub(in super::super) fn on_revoke(&mut self, dmaster: Pnn, key: &Bytes, out: &mut Outlet<'_>) {
        let work = self.work.entry(key.clone()).or_default();
        if !work.copies.drops.contains(&dmaster) {
            work.copies.drops.push(dmaster);
        }
        self.advance(key, out);
    }
}
