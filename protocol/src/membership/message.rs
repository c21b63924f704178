//! Recovery between leader and members. The leader sends `Prepare`, `Rebuild`, `Serve`, `Commit`; members
//! answer `Prepared` and `Ready`. A message of another generation than the last `Prepare` is dropped.

use super::drift::Lines;
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

impl Composition {
    /// The lmaster of the keys with this [`crate::hash::key_hash`]; `None` before the first composition.
    pub fn lmaster(&self, key_hash: u32) -> Option<Pnn> {
        let slot = (key_hash as usize).checked_rem(self.vnnmap.len())?;
        self.vnnmap.get(slot).copied()
    }
}

/// Names a composition so that any two can be compared: of two sides that went different ways, the one
/// with the younger leadership is the newer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Stamp {
    /// The leadership that ordered it.
    pub term: Term,
    /// Its number.
    pub generation: Generation,
}

impl Stamp {
    /// No composition; older than any.
    pub const NONE: Self = Self {
        term: Term(0),
        generation: Generation::INVALID,
    };
}

/// How much of the databases a recovery goes through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// All that the contributors hold.
    Whole,
    /// What the change from this composition touched. Of everything else the lmasters know already who has it: all
    /// contributors served it to its end.
    Touched(Composition),
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
        /// The newest composition whose records are here: this node served a database in it, or
        /// contributed to a later `Rebuild` as one of those who hold them.
        committed: Stamp,
        /// The newest composition whose `Rebuild` it carried out, so that it holds nothing older. If its
        /// generation is not below that of the `Prepare`, the `Prepare` was refused: the leader must
        /// take a higher one.
        prepared: Stamp,
        /// The members of the composition of that `Rebuild`.
        rebuilt_with: Vec<Pnn>,
        /// The composition of `committed`, if that was served to its end, its directories are here, and nobody asked for
        /// more than that since.
        intact: Option<Composition>,
        /// Databases it has open.
        databases: Vec<DbInfo>,
    },
    /// Leader → members: rebuild the directories of these databases from what `contributors` hold;
    /// everybody else drops its volatile records first.
    Rebuild {
        /// The generation of the `Prepare`.
        generation: Generation,
        /// The newest composition that any member served, or may have begun to.
        newest: Stamp,
        /// Nodes that hold its records: these count.
        contributors: Vec<Pnn>,
        /// How much of these is gone through.
        scope: Scope,
        /// All databases that any member has.
        databases: Vec<DbInfo>,
    },
    /// lmaster → leader: every record of `db` that is mine has one dmaster, or waits until I know more.
    Ready {
        /// The generation of the `Prepare`.
        generation: Generation,
        /// The database.
        db: DbId,
        /// No record waits; otherwise this is told once more.
        whole: bool,
    },
    /// Leader → members: all lmasters are ready with `db`, serve it.
    Serve {
        /// The generation of the `Prepare`.
        generation: Generation,
        /// The database.
        db: DbId,
    },
    /// Leader → members: all databases are served, and all lmasters know everything.
    Commit {
        /// The generation of the `Prepare`.
        generation: Generation,
    },
    /// Anyone → leader: recover, for this reason.
    WantRecovery {
        /// Why, for the log.
        reason: String,
    },
    /// Leader → node: leave the cluster for a time.
    Ban {
        /// How long; 0 lifts a ban.
        seconds: u32,
        /// Why, for the log.
        reason: String,
    },
    /// To a node with another nodes file in force: this is mine.
    NodesFile(Lines),
}
