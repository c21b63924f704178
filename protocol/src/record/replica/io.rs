//! What the shell does for a replicated content, and what clients ask for.

use super::message::{Change, Copy};
use crate::time::Instant;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Names a client's commit until it is answered; given by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CommitId(pub u64);

/// Names a job of one database; a later one has a higher number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub u64);

/// What is to be done with the file. Jobs of one database are done in their order, one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Job {
    /// Apply all changes by the rule of [`super::apply`] in one transaction. [`Outcome::Failed`] if one of
    /// them is refused or cannot be stored: then nothing is changed.
    Update(Vec<Change>),
    /// Say what is here: [`Outcome::Copy`].
    Inspect,
    /// Say the next portion of the content, from the beginning if `first`: [`Outcome::Portion`]. Records
    /// without data are left out.
    Read {
        /// Begin anew.
        first: bool,
    },
    /// Replace the content by these portions, in one transaction that the first one begins and the last
    /// one commits.
    Refill {
        /// Begin anew with an empty database.
        first: bool,
        /// Commit.
        last: bool,
        /// Records to store.
        changes: Vec<Change>,
    },
    /// Give a transaction of [`Job::Refill`] up. Has no answer.
    Abandon,
    /// Delete records without data, and note whether the content can be relied on.
    Settle {
        /// It can.
        healthy: bool,
    },
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is done.
    Done,
    /// What is here.
    Copy(Copy),
    /// A part of the content.
    Portion {
        /// Records.
        changes: Vec<Change>,
        /// That was all.
        last: bool,
    },
    /// It could not be done; nothing was changed.
    Failed,
}

/// What a client may ask for, or the shell answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// `TRANS3_COMMIT`; answered by [`crate::record::io::Effect::CommitDone`].
    Commit {
        /// Names it.
        commit: CommitId,
        /// All of it.
        changes: Vec<Change>,
        /// When the client has waited long enough.
        until: Instant,
    },
    /// A job's end.
    Done {
        /// The job.
        job: JobId,
        /// What came of it.
        outcome: Outcome,
    },
}

/// Answers of `TRANS3_COMMIT` (client-protocol.md section 5.8).
pub mod status {
    /// Every member has it.
    pub const DONE: i32 = 0;
    /// It took too long; the client must look.
    pub const TIMED_OUT: i32 = 1;
    /// A recovery ended it; the client must look.
    pub const RECOVERED: i32 = 2;
    /// Not begun: a recovery, another commit, or no such database.
    pub const REFUSED: i32 = -1;
}
