//! Recovery between leader and members. The leader sends `Prepare`, `Rebuild`, `Serve`, `Commit`; members
//! answer `Prepared` and `Ready`. A message of another generation than the last `Prepare` is dropped.

use crate::id::{DbId, Generation, Pnn, Term};
use crate::wire::message::DbKind;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A database as nodes tell each other of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DbInfo {
    /// Hash of the name.
    pub id: DbId,
    /// Name, as clients attach it.
    pub name: String,
    /// How it is kept.
    pub kind: DbKind,
}

/// The composition of the cluster that a generation stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composition {
    /// Its number.
    pub generation: Generation,
    /// Nodes whose databases take part.
    pub members: Vec<Pnn>,
    /// lmaster of each slot (`hash(key) mod len`).
    pub vnnmap: Vec<Pnn>,
}

/// Between the membership machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MembershipMessage {
    /// Leader → members: stop serving the old composition, tell what you have.
    Prepare {
        /// The leadership that orders it.
        term: Term,
        /// What is to come.
        composition: Composition,
        /// Why, for the log.
        reason: String,
    },
    /// Member → leader: done.
    Prepared {
        /// The generation of the `Prepare`.
        generation: Generation,
        /// The newest composition this node saw completely recovered.
        committed: Generation,
        /// The newest composition it was prepared for before this one.
        prepared: Generation,
        /// Databases it has open.
        databases: Vec<DbInfo>,
    },
    /// Leader → members: rebuild the directories of these databases from what `contributors` hold;
    /// everybody else drops its volatile records first.
    Rebuild {
        /// The generation of the `Prepare`.
        generation: Generation,
        /// Nodes of the newest composition, whose records count.
        contributors: Vec<Pnn>,
        /// All databases that any member has.
        databases: Vec<DbInfo>,
    },
    /// lmaster → leader: every record of `db` that is mine has one dmaster.
    Ready {
        /// The generation of the `Prepare`.
        generation: Generation,
        /// The database.
        db: DbId,
    },
    /// Leader → members: all lmasters are ready with `db`, serve it.
    Serve {
        /// The generation of the `Prepare`.
        generation: Generation,
        /// The database.
        db: DbId,
    },
    /// Leader → members: all databases are served, the recovery is over.
    Commit {
        /// The generation of the `Prepare`.
        generation: Generation,
    },
    /// Anyone → leader: recover, for this reason.
    WantRecovery {
        /// Why, for the log.
        reason: String,
    },
}
