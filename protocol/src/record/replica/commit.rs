//! The coordinator of a client's transaction: the client's own node.
//!
//! An answer of 0 means that every member has it. If anything else happens, a recovery makes the members
//! equal again, and the client, told so by the status, looks at the sequence number in the local file.
//! Nothing is begun while a member is lost: what the others stored nobody could be told of, but its number would
//! count when they meet the side on which the cluster goes on.

use super::Replica;
use super::io::{CommitId, status};
use super::message::{Change, ReplicaMessage};
use crate::id::Pnn;
use crate::limits::{DATA_FRAME_BYTES_MAX, KEY_BYTES_MAX};
use crate::record::header::RecordHeader;
use crate::record::io::Effect;
use crate::record::outlet::Outlet;
use crate::time::Instant;
use crate::wire::bytes::Bytes;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

/// Bytes of one change on the wire beside key and value.
const CHANGE_BYTES: usize = 16;

/// A transaction of a client of this node.
#[derive(Debug)]
pub(super) struct Commit {
    id: CommitId,
    number: u64,
    /// Members that have not answered; of no meaning once it is interrupted.
    awaited: BTreeSet<Pnn>,
    until: Instant,
    /// A recovery decides what becomes of it.
    interrupted: bool,
}

impl Replica {
    /// A client wants a transaction; `serving` says that the members are equal and known.
    pub(in crate::record) fn on_commit(
        &mut self,
        id: CommitId,
        changes: &[Change],
        until: Instant,
        serving: bool,
        out: &mut Outlet<'_>,
    ) {
        let free = serving && self.healthy && !self.lacks_member && self.commit.is_none();
        if !free || !is_sound(changes) {
            return answer(id, status::REFUSED, out);
        }
        self.last_commit += 1;
        let number = self.last_commit;
        let members = out.composition.members.clone();
        self.commit = Some(Commit {
            id,
            number,
            awaited: members.iter().copied().collect(),
            until,
            interrupted: false,
        });
        out.wake(until, self.db, &Bytes::default());
        for member in members {
            let changes = changes.to_vec();
            self.send(member, ReplicaMessage::Update { number, changes }, out);
        }
    }

    pub(super) fn on_updated(&mut self, peer: Pnn, number: u64, done: bool, out: &mut Outlet<'_>) {
        let Some(commit) = &mut self.commit else {
            return;
        };
        if commit.number != number || commit.interrupted || !commit.awaited.remove(&peer) {
            return;
        }
        if !done {
            commit.interrupted = true;
            let reason = format!("node {peer} refused a transaction");
            out.effects.push(Effect::WantRecovery { reason });
        } else if commit.awaited.is_empty() {
            let id = commit.id;
            self.commit = None;
            self.unsure.take_if(|last| *last == (out.own, number));
            answer(id, status::DONE, out);
        }
    }

    /// The client has waited long enough. Some members may have the transaction: only a recovery can tell.
    pub(in crate::record) fn on_wake(&mut self, out: &mut Outlet<'_>) {
        if self
            .commit
            .as_ref()
            .is_none_or(|commit| commit.until > out.now)
        {
            return;
        }
        if let Some(commit) = self.commit.take() {
            answer(commit.id, status::TIMED_OUT, out);
            if !commit.interrupted {
                let reason = format!(
                    "a transaction took too long on nodes {:?}",
                    commit.awaited.iter().map(|pnn| pnn.0).collect::<Vec<_>>()
                );
                out.effects.push(Effect::WantRecovery { reason });
            }
        }
    }

    pub(super) const fn interrupt(&mut self) {
        if let Some(commit) = &mut self.commit {
            commit.interrupted = true;
        }
    }

    /// The members are equal again: they all have the transaction, or none of them.
    pub(super) fn answer_interrupted(&mut self, out: &mut Outlet<'_>) {
        if let Some(commit) = self.commit.take_if(|commit| commit.interrupted) {
            answer(commit.id, status::RECOVERED, out);
        }
    }
}

fn answer(commit: CommitId, status: i32, out: &mut Outlet<'_>) {
    out.effects.push(Effect::CommitDone { commit, status });
}

/// Whether every member can be sent the changes, and store them as far as their form goes.
fn is_sound(changes: &[Change]) -> bool {
    let bytes = |change: &Change| CHANGE_BYTES + change.key.len() + change.value.len();
    let total: usize = changes.iter().map(bytes).sum();
    let has_header = |change: &Change| RecordHeader::split(&change.value).is_some();
    total + KEY_BYTES_MAX < DATA_FRAME_BYTES_MAX && changes.iter().all(has_header)
}
