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
}

/// An empty record of which nothing but the header is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grave {
    /// The key.
    pub key: Bytes,
    /// Sequence number of the dmaster's copy.
    pub rsn: Rsn,
}
