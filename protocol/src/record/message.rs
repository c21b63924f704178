//! Records on their way between nodes.
//!
//! ```text
//!   requester ──Call──► lmaster ──Give──► dmaster ──Migrate──► requester
//!                          ▲────Lost────────┘
//! ```
//! The lmaster notes the requester as dmaster when it forwards, so requests for one record form a chain in
//! the order in which the lmaster saw them.

use super::holdings::Holdings;
use super::replica::message::ReplicaMessage;
use crate::id::{DbId, Generation, Pnn, Rsn};
use crate::wire::bytes::Bytes;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Between the record machines; dropped when the generation is not the receiver's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordMessage {
    /// The composition it belongs to.
    pub generation: Generation,
    /// The database.
    pub db: DbId,
    /// What it says.
    pub body: RecordBody,
}

/// In place of a call's number: none was heard since the composition began, or a search saw the record there.
pub const SEEN: u64 = 0;

/// What a record message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordBody {
    /// Requester → lmaster: I want to be dmaster of `key`.
    Call {
        /// The key.
        key: Bytes,
        /// Who wants it.
        requester: Pnn,
        /// How many calls of this database the requester has sent to the lmaster, this one among them.
        number: u64,
    },
    /// lmaster → dmaster: give `key` to `to`.
    Give {
        /// The key.
        key: Bytes,
        /// The next dmaster.
        to: Pnn,
        /// Number of the last call that the lmaster had heard from the dmaster, or [`SEEN`].
        heard: u64,
        /// Nodes passed so far.
        hops: u32,
    },
    /// Old dmaster (or lmaster, for a new record) → new dmaster.
    Migrate {
        /// The key.
        key: Bytes,
        /// Sequence number of the copy that was given up; the new dmaster stores one more.
        rsn: Rsn,
        /// Record flags to keep (client-protocol.md section 5.3).
        flags: u32,
        /// The data without header.
        data: Bytes,
        /// Nodes passed so far.
        hops: u32,
    },
    /// Supposed dmaster → lmaster: I do not have `key`, which `to` wants.
    Lost {
        /// The key.
        key: Bytes,
        /// Who wants it.
        to: Pnn,
    },
    /// lmaster → members: what do you have of `key`?
    Probe {
        /// The key.
        key: Bytes,
    },
    /// Member → lmaster: this copy, or none.
    Probed {
        /// The key.
        key: Bytes,
        /// Sequence number of its copy, if it has one.
        rsn: Option<Rsn>,
        /// Whether it is dmaster by its own header.
        is_dmaster: bool,
    },
    /// Contributor → lmaster, during a recovery: what I hold of your records.
    Directory {
        /// At most [`crate::limits::DIRECTORY_BATCH`] records.
        holdings: Holdings,
    },
    /// Member → lmaster: that was all.
    DirectoryEnd,
    /// Contributor → members, when only what was touched is rebuilt: records with which something was going on here
    /// when the composition before ended.
    Moving {
        /// Keys of which the receiver is lmaster; at most [`crate::limits::DIRECTORY_BATCH`].
        keys: Vec<Bytes>,
        /// Those were all; nor does anything more of the composition before come from here.
        last: bool,
    },
    /// lmaster of the composition before → lmasters of this one: who has the records that are yours now.
    HandOver {
        /// At most [`crate::limits::DIRECTORY_BATCH`].
        tails: Vec<Tail>,
        /// Those were all.
        last: bool,
    },
    /// lmaster → contributors: tell me what you hold of these records, as [`RecordBody::Directory`].
    Show {
        /// At most [`crate::limits::DIRECTORY_BATCH`].
        keys: Vec<Bytes>,
        /// Those were all, and all [`RecordBody::Orphans`].
        last: bool,
    },
    /// lmaster → contributors: records with these [`crate::hash::wide_key_hash`]es are to be told when the database
    /// is served: who had them is gone.
    Orphans {
        /// At most [`crate::limits::DIRECTORY_BATCH`].
        hashes: Vec<u64>,
    },
    /// lmaster → holder: do this with your copies.
    Settle(Settle),
    /// Holder → lmaster: done; `count` keys were named in that `Settle`.
    Settled {
        /// Keys settled.
        count: u32,
        /// Keys of which there is a copy still, though it should go.
        kept: Vec<Bytes>,
    },
    /// About the content of a persistent or replicated database.
    Replica(ReplicaMessage),
    /// dmaster → lmaster: these records are empty; fetch them and have them vacuumed.
    VacuumFetch {
        /// At most [`crate::limits::VACUUM_BATCH`].
        graves: Vec<Grave>,
    },
    /// lmaster, which is dmaster of these empty records → members: delete your older copies.
    Discard {
        /// Names the request.
        batch: u64,
        /// At most [`crate::limits::VACUUM_BATCH`].
        graves: Vec<Grave>,
    },
    /// Member → lmaster: done, but for the records of `kept`.
    Discarded {
        /// As in the request.
        batch: u64,
        /// Records that this node would not or could not delete now.
        kept: Vec<Bytes>,
    },
    /// Reader → lmaster: I want a read-only copy of `key`.
    CallReadonly {
        /// The key.
        key: Bytes,
    },
    /// lmaster → dmaster: send a read-only copy of `key` to `to`.
    Delegate {
        /// The key.
        key: Bytes,
        /// Who reads.
        to: Pnn,
    },
    /// dmaster → reader: a read-only copy.
    Copy {
        /// The key.
        key: Bytes,
        /// Sequence number to store.
        rsn: Rsn,
        /// Record flags to keep.
        flags: u32,
        /// The data without header.
        data: Bytes,
    },
    /// lmaster or dmaster → reader: there is no copy to be had, ask for the record itself.
    NoCopy {
        /// The key.
        key: Bytes,
    },
    /// dmaster → holder of a copy: let nobody read it any more.
    Revoke {
        /// The key.
        key: Bytes,
    },
    /// Holder → dmaster: nobody does.
    Revoked {
        /// The key.
        key: Bytes,
    },
}

impl RecordBody {
    /// Whether it is about a change of members of which only what was touched is rebuilt.
    pub(super) const fn is_about_change(&self) -> bool {
        matches!(
            self,
            Self::Moving { .. } | Self::HandOver { .. } | Self::Show { .. } | Self::Orphans { .. }
        )
    }
}

/// What a holder does with its copies of some records, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settle {
    /// Become dmaster: the receiver holds the newest copy, and nobody is.
    pub adopt: Vec<Bytes>,
    /// Stop being dmaster: another node has the newer copy.
    pub demote: Vec<Bytes>,
    /// Delete copies of these, which are empty on another node; up to that number.
    pub discard: Vec<Grave>,
    /// Delete these empty records, if they still are and have this number: no other member has a copy.
    pub delete: Vec<Grave>,
    /// Let clients write these again: no member has a read-only copy any more.
    pub release: Vec<Bytes>,
    /// For a search, which orders a give next and waits for no answer.
    pub is_search: bool,
}

/// The last node of a record's chain, for those who know the record by its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// The key's [`crate::hash::wide_key_hash`].
    pub hash: u64,
    /// More of its hash, or a number that says that several keys share this entry.
    pub check: u32,
    /// The node.
    pub node: Pnn,
}

/// An empty record of which nothing but the header is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grave {
    /// The key.
    pub key: Bytes,
    /// Sequence number of the dmaster's copy.
    pub rsn: Rsn,
}
