//! Messages about replicated content; like all record messages they belong to one composition.

use crate::id::Pnn;
use crate::wire::bytes::Bytes;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A record to be stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The key.
    pub key: Bytes,
    /// Header and data.
    pub value: Bytes,
}

/// What a member has of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// Value of the sequence number record.
    pub seqnum: u64,
    /// Sum of the digests of all records with data ([`super::digest`]): the same for the same content,
    /// whatever the order.
    pub digest: u64,
    /// Records with data.
    pub records: u64,
    /// Records without data.
    pub empty: u64,
    /// False for the rest of a damaged file.
    pub healthy: bool,
}

impl Copy {
    /// Whether both have the same content.
    pub const fn is_same(&self, other: &Self) -> bool {
        self.seqnum == other.seqnum && self.digest == other.digest && self.records == other.records
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplicaMessage {
    /// Coordinator → member: apply all of this.
    Update {
        /// Number of the commit at the coordinator.
        number: u64,
        /// The transaction.
        changes: Vec<Change>,
    },
    /// Member → coordinator: it is in my file, or I refused it as a whole.
    Updated {
        /// Number of the commit.
        number: u64,
        /// It is in the file.
        done: bool,
    },
    /// Member → decider, during a recovery: what I have.
    Tell {
        /// Nothing if the database is kept in another way here.
        copy: Option<Copy>,
        /// The copy belongs to the newest composition.
        counts: bool,
        /// The last transaction in it is known to have been in the files of all members of a composition: this node told
        /// its client so, or a recovery made them equal since.
        sure: bool,
    },
    /// Decider → source: send your content to these.
    Supply {
        /// Members that have something else.
        to: Vec<Pnn>,
    },
    /// Source → member: a portion of the content, which replaces yours.
    Content {
        /// Number of the portion, from 0.
        number: u64,
        /// Records.
        changes: Vec<Change>,
        /// That was all.
        last: bool,
    },
    /// Member → source: that portion is done.
    Taken {
        /// Its number.
        number: u64,
    },
    /// Member → decider: the content is in my file.
    Filled,
    /// Decider → members: all have the same content.
    Equal {
        /// Some member had a sound copy.
        healthy: bool,
    },
}
