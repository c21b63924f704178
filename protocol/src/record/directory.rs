//! The lmaster: who has, or will have, each record of its slots.

use super::calls::Calls;
use super::database::Database;
use super::message::RecordBody;
use super::outlet::Outlet;
use super::seek::Seek;
use super::tails::Tails;
use crate::id::{Pnn, Rsn};
use crate::wire::bytes::Bytes;
use alloc::collections::BTreeMap;

/// The directory of one database.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// The last node of each record's chain: it is dmaster, or will be once those before it gave it on.
    pub(super) tails: Tails,
    pub(super) seeks: BTreeMap<Bytes, Seek>,
    /// Calls heard from each requester.
    pub(super) heard_calls: Calls,
}

impl Database {
    /// A node wants a record: it becomes the end of the chain.
    pub(super) fn on_call(&mut self, key: Bytes, requester: Pnn, out: &mut Outlet<'_>) {
        if out.lmaster(&key) != Some(out.own) {
            // Members of one composition have one vnnmap: the sender is wrong.
            return;
        }
        if self.touched.is_undecided(&key) {
            return self.park(key, requester, out);
        }
        match self.directory.tails.insert(&key, requester) {
            None => self.grant_empty(key, requester, out),
            // It had the record, asked for nothing since, was asked for nothing, and has it no more:
            // something else deleted it there, and nothing is on its way.
            Some(tail) if tail == requester => self.seek(key, requester, out),
            Some(tail) => {
                let heard = self.directory.heard_calls.of(tail);
                self.order_give(key, tail, requester, heard, out);
            }
        }
    }

    /// `from`, which has the record or will have it once its call `heard` was answered, is to give it to `to`.
    pub(super) fn order_give(
        &self,
        key: Bytes,
        from: Pnn,
        to: Pnn,
        heard: u64,
        out: &mut Outlet<'_>,
    ) {
        let give = RecordBody::Give {
            key,
            to,
            heard,
            hops: 1,
        };
        out.send(from, self.id, give);
    }

    /// No node has a copy: `to` may begin one.
    pub(super) fn grant_empty(&mut self, key: Bytes, to: Pnn, out: &mut Outlet<'_>) {
        let migrate = RecordBody::Migrate {
            key,
            rsn: Rsn(0),
            flags: 0,
            data: Bytes::default(),
            hops: 1,
        };
        out.send(to, self.id, migrate);
    }
}
