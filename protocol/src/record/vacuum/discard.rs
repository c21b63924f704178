//! The member's side: older copies of records that their lmaster is about to delete.

use super::super::database::Database;
use super::super::local::LocalOp;
use super::super::message::{Grave, RecordBody};
use super::super::outlet::Outlet;
use super::Digging;
use crate::id::Pnn;
use crate::limits::VACUUM_BATCH;
use crate::wire::bytes::Bytes;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A request that is not answered yet.
#[derive(Debug)]
struct Discard {
    lmaster: Pnn,
    batch: u64,
    open: usize,
    kept: Vec<Bytes>,
}

/// Requests of lmasters.
#[derive(Debug, Default)]
pub(in super::super) struct Discards {
    requests: BTreeMap<u64, Discard>,
    /// Number of the last request; never used twice, so that a late outcome meets no other one.
    last: u64,
}

impl Discards {
    /// Nobody waits for the answers any more.
    pub(super) fn forget(&mut self) {
        self.requests.clear();
    }
}

impl Database {
    pub(in super::super) fn on_discard(
        &mut self,
        lmaster: Pnn,
        batch: u64,
        graves: Vec<Grave>,
        out: &mut Outlet<'_>,
    ) {
        let discards = &mut self.vacuum.discards;
        discards.last += 1;
        let number = discards.last;
        // One more than there are keeps the request open until all were begun.
        let discard = Discard {
            lmaster,
            batch,
            open: graves.len() + 1,
            kept: Vec::new(),
        };
        discards.requests.insert(number, discard);
        for (place, Grave { key, rsn }) in graves.into_iter().enumerate() {
            let is_theirs = out.lmaster(&key) == Some(lmaster) && place < VACUUM_BATCH;
            let op = LocalOp::Discard { rsn };
            if !is_theirs || !self.dig(&key, op, Digging::Discard(number), out) {
                self.count_discard(number, &key, true, out);
            }
        }
        self.close_discard(number, out);
    }

    /// One record of a request is done.
    pub(super) fn count_discard(
        &mut self,
        number: u64,
        key: &Bytes,
        is_kept: bool,
        out: &mut Outlet<'_>,
    ) {
        if let Some(discard) = self.vacuum.discards.requests.get_mut(&number)
            && is_kept
        {
            discard.kept.push(key.clone());
        }
        self.close_discard(number, out);
    }

    fn close_discard(&mut self, number: u64, out: &mut Outlet<'_>) {
        let requests = &mut self.vacuum.discards.requests;
        let Some(discard) = requests.get_mut(&number) else {
            return;
        };
        discard.open -= 1;
        if discard.open == 0
            && let Some(discard) = requests.remove(&number)
        {
            let (batch, kept) = (discard.batch, discard.kept);
            out.send(
                discard.lmaster,
                self.id,
                RecordBody::Discarded { batch, kept },
            );
        }
    }
}
