//! Lost records: the lmaster asks all members for their copies and takes the newest.
//!
//! The directory is not touched: requests that come meanwhile extend the chain behind the node for which
//! the record is sought.

use super::database::Database;
use super::local::LocalOutcome;
use super::message::{RecordBody, SEEN, Settle};
use super::outlet::Outlet;
use crate::id::{Pnn, Rsn};
use crate::notice::{Notice, ShownDb};
use crate::wire::bytes::Bytes;
use alloc::collections::BTreeSet;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// A copy; a greater one is the better choice: a dmaster's before any other, then the newest, then that
/// of the lowest node.
type Candidate = (bool, Rsn, Reverse<Pnn>);

/// A search for one record.
#[derive(Debug)]
pub(super) struct Seek {
    /// Who wants it, in order.
    wanted: Vec<Pnn>,
    /// Members that have not answered.
    awaited: BTreeSet<Pnn>,
    best: Option<Candidate>,
}

/// Bytes of a key shown in the log.
const SHOWN_KEY_BYTES: usize = 64;

impl Database {
    /// Begins a search for `to`, or lets it join the one under way.
    pub(super) fn seek(&mut self, key: Bytes, to: Pnn, out: &mut Outlet<'_>) {
        if out.lmaster(&key) != Some(out.own) || !out.composition.members.contains(&to) {
            return;
        }
        if let Some(seek) = self.directory.seeks.get_mut(&key) {
            if !seek.wanted.contains(&to) {
                seek.wanted.push(to);
            }
            return;
        }
        let shown = &key[..key.len().min(SHOWN_KEY_BYTES)];
        out.log(Notice::RecordSought {
            db: ShownDb(self.id),
            key: shown.escape_ascii().to_string(),
        });
        let members = &out.composition.members;
        let seek = Seek {
            wanted: vec![to],
            awaited: members.iter().copied().collect(),
            best: None,
        };
        for member in members {
            out.send(*member, self.id, RecordBody::Probe { key: key.clone() });
        }
        self.directory.seeks.insert(key, seek);
    }

    /// An lmaster wants to know what is here.
    pub(super) fn on_probe(&mut self, lmaster: Pnn, key: &Bytes, out: &mut Outlet<'_>) {
        let work = self.work.entry(key.clone()).or_default();
        if !work.probes.contains(&lmaster) {
            work.probes.push(lmaster);
        }
        self.advance(key, out);
    }

    /// Tells an lmaster what is here.
    pub(super) fn answer_probe(
        &mut self,
        key: &Bytes,
        lmaster: Pnn,
        outcome: &LocalOutcome,
        out: &mut Outlet<'_>,
    ) {
        let (rsn, is_dmaster) = match outcome {
            LocalOutcome::Mine { rsn, .. } => (Some(*rsn), true),
            LocalOutcome::NotMine { rsn } => (*rsn, false),
            _ => (None, false),
        };
        let probed = RecordBody::Probed {
            key: key.clone(),
            rsn,
            is_dmaster,
        };
        out.send(lmaster, self.id, probed);
    }

    pub(super) fn on_probed(
        &mut self,
        peer: Pnn,
        key: &Bytes,
        rsn: Option<Rsn>,
        is_dmaster: bool,
        out: &mut Outlet<'_>,
    ) {
        let Some(seek) = self.directory.seeks.get_mut(key) else {
            return;
        };
        if !seek.awaited.remove(&peer) {
            return;
        }
        let copy = rsn.map(|rsn| (is_dmaster, rsn, Reverse(peer)));
        seek.best = seek.best.max(copy);
        if !seek.awaited.is_empty() {
            return;
        }
        if let Some(seek) = self.directory.seeks.remove(key) {
            self.end_seek(key, &seek, out);
        }
    }

    fn end_seek(&mut self, key: &Bytes, seek: &Seek, out: &mut Outlet<'_>) {
        let Some((first, others)) = seek.wanted.split_first() else {
            return;
        };
        match seek.best {
            None => self.grant_empty(key.clone(), *first, out),
            Some((is_dmaster, _, Reverse(holder))) => {
                if !is_dmaster {
                    let settle = Settle {
                        adopt: vec![key.clone()],
                        is_search: true,
                        ..Settle::default()
                    };
                    out.send(holder, self.id, RecordBody::Settle(settle));
                }
                // It is there now: none of the holder's own calls is to bring it before.
                self.order_give(key.clone(), holder, *first, SEEN, out);
            }
        }
        let mut from = *first;
        for to in others {
            let heard = self.directory.heard_calls.of(from);
            self.order_give(key.clone(), from, *to, heard, out);
            from = *to;
        }
    }
}
