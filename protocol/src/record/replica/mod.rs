//! Persistent and replicated databases: every member has the whole content, which changes by transactions.
//!
//! ```text
//!  client ──Commit──► coordinator ──Update──► every member ──Updated──► coordinator ──status──► client
//!
//!  recovery:  member ──Tell──► decider ──Supply──► source ──Content──► members that differ
//!                                 │◄──────────────Filled──────────────────┘
//!                                 └──Equal──► every member ──Ready──► leader
//! ```
//! It is a part of the record machine, so that a database has one machine and one actor. What touches the
//! file is a [`io::Job`]; the shell does the jobs of one database one after the other, in their order, each
//! in one transaction of the file. So when a recovery asks what is here, all updates of the time before
//! are done or will never be.
//!
//! Invariants:
//! * a transaction is in a file as a whole or not at all;
//! * a transaction that was answered with 0 is in the file of every member of that composition, and a
//!   recovery takes the content with the highest sequence number: it is lost only with all who have it, or
//!   when another side of a split went on and came to a higher number;
//! * when a database is served, the members' files have the same content.

pub mod apply;
mod commit;
mod decider;
pub mod digest;
pub mod io;
mod member;
pub mod message;

#[cfg(test)]
mod tests;

use super::io::Effect;
use super::outlet::Outlet;
use crate::id::{DbId, Generation, Pnn};
use alloc::collections::BTreeMap;
use commit::Commit;
use decider::{Decider, Mark};
use io::{Job, JobId};
use member::Member;
use message::ReplicaMessage;

/// Key of the sequence number of transactions, with its final NUL (client-protocol.md section 5.8).
pub const SEQNUM_KEY: &[u8] = b"__db_sequence_number__\0";

/// Stands for an update of which no more is known; commits are counted from 1.
const EARLIER_LIFE: (Pnn, u64) = (Pnn(u32::MAX), 0);

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// An update that `coordinator` waits for.
    Update { coordinator: Pnn, number: u64 },
    /// To tell the decider what is here.
    Inspect,
    /// To see whether a database that was just attached has content already.
    LookAtNew,
    /// To supply others.
    Read,
    /// A portion of another node's content.
    Refill { number: u64, last: bool },
    /// To end a recovery.
    Settle,
}

/// One database's part of this.
#[derive(Debug)]
pub(super) struct Replica {
    db: DbId,
    /// The commit of a client of this node; at most one.
    commit: Option<Commit>,
    last_commit: u64,
    /// Jobs under way.
    jobs: BTreeMap<JobId, (Generation, Purpose)>,
    last_job: u64,
    member: Member,
    decider: Decider,
    /// The last update of this file of which nobody knows here whether all members have it, by its coordinator and
    /// number. At the start there may be one of an earlier life.
    unsure: Option<(Pnn, u64)>,
    /// A member of this composition was lost: a recovery will follow.
    lacks_member: bool,
    /// The content is what the cluster agreed on, not the rest of a damaged file.
    healthy: bool,
}

impl Replica {
    pub(super) fn new(db: DbId) -> Self {
        Self {
            db,
            commit: None,
            last_commit: 0,
            jobs: BTreeMap::new(),
            last_job: 0,
            member: Member::default(),
            decider: Decider::default(),
            unsure: Some(EARLIER_LIFE),
            lacks_member: false,
            healthy: true,
        }
    }

    fn order(&mut self, purpose: Purpose, job: Job, out: &mut Outlet<'_>) {
        self.last_job += 1;
        let id = JobId(self.last_job);
        self.jobs.insert(id, (out.composition.generation, purpose));
        self.carry(id, job, out);
    }

    fn carry(&self, id: JobId, job: Job, out: &mut Outlet<'_>) {
        let db = self.db;
        out.effects.push(Effect::Replica { db, id, job });
    }

    /// The composition ends here.
    pub(super) fn close(&mut self, out: &mut Outlet<'_>) {
        self.interrupt();
        self.lacks_member = false;
        if core::mem::take(&mut self.member).is_refilling() {
            self.last_job += 1;
            self.carry(JobId(self.last_job), Job::Abandon, out);
        }
        self.decider = Decider::default();
    }

    pub(super) fn on_peer_down(&mut self, peer: Pnn, out: &Outlet<'_>) {
        self.lacks_member |= out.composition.members.contains(&peer);
    }

    /// All members have the same content.
    pub(super) fn serve(&mut self, out: &mut Outlet<'_>) {
        self.unsure = None;
        self.answer_interrupted(out);
    }

    /// A message of this composition; those that change the content come only while it is served.
    pub(super) fn on_message(&mut self, peer: Pnn, message: ReplicaMessage, out: &mut Outlet<'_>) {
        match message {
            ReplicaMessage::Update { number, changes } => {
                let purpose = Purpose::Update {
                    coordinator: peer,
                    number,
                };
                self.order(purpose, Job::Update(changes), out);
            }
            ReplicaMessage::Updated { number, done } => self.on_updated(peer, number, done, out),
            ReplicaMessage::Tell { copy, counts, sure } => {
                self.on_tell(peer, copy, Mark { sure, counts }, out);
            }
            ReplicaMessage::Supply { to } => self.on_supply(peer, to, out),
            ReplicaMessage::Content {
                number,
                changes,
                last,
            } => self.on_content(peer, number, changes, last, out),
            ReplicaMessage::Taken { number } => self.on_taken(peer, number, out),
            ReplicaMessage::Filled => self.on_filled(peer, out),
            ReplicaMessage::Equal { healthy } => self.on_equal(peer, healthy, out),
        }
    }

    /// A job is done.
    pub(super) fn on_job(&mut self, id: JobId, outcome: io::Outcome, out: &mut Outlet<'_>) {
        let Some((generation, purpose)) = self.jobs.remove(&id) else {
            return;
        };
        if outcome == io::Outcome::Done {
            self.note_change(purpose);
        }
        // What an older composition wanted to know nobody waits for any more.
        if generation != out.composition.generation || out.suspended {
            return;
        }
        match purpose {
            Purpose::Update {
                coordinator,
                number,
            } => {
                let done = outcome == io::Outcome::Done;
                let updated = ReplicaMessage::Updated { number, done };
                self.send(coordinator, updated, out);
            }
            Purpose::Inspect => self.on_inspected(&outcome, out),
            Purpose::LookAtNew => Self::on_new_seen(&outcome, out),
            Purpose::Read => self.on_read(outcome, out),
            Purpose::Refill { number, last } => self.on_refilled(number, last, &outcome, out),
            Purpose::Settle => self.on_settled(&outcome, out),
        }
    }

    /// The file has another content now.
    fn note_change(&mut self, purpose: Purpose) {
        match purpose {
            Purpose::Update {
                coordinator,
                number,
            } => self.unsure = Some((coordinator, number)),
            Purpose::Refill { last: true, .. } => self.unsure = Some(EARLIER_LIFE),
            _ => {}
        }
    }

    fn send(&self, peer: Pnn, message: ReplicaMessage, out: &mut Outlet<'_>) {
        out.send(peer, self.db, super::message::RecordBody::Replica(message));
    }
}
