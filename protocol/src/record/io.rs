//! What a record machine hears and asks for.

use super::holdings::Holdings;
use super::hot::StickyRules;
use super::local::{LocalOp, LocalOutcome};
use super::message::{Grave, RecordMessage};
use super::replica::io::{CommitId, Job, JobId, Request};
use super::vacuum::VacuumReport;
use crate::id::{DbId, Generation, Pnn, Rsn};
use crate::membership;
use crate::notice::Notice;
use crate::time::Instant;
use crate::wire::bytes::Bytes;
use crate::wire::message::DbKind;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Names a call of a local client until it is answered; given by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallId(pub u64);

/// What a client's call wants besides the record being here (client-protocol.md section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallKind {
    /// Nothing.
    Null,
    /// The data.
    Fetch,
    /// Header and data.
    FetchWithHeader,
}

/// Everything that can happen to a record machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// From membership.
    Recover(membership::io::Recover),
    /// From membership: a peer is lost; nothing more will come from it.
    PeerDown {
        /// The peer.
        peer: Pnn,
    },
    /// The shell opened a database (empty, or persistent with content).
    Opened {
        /// Its id.
        db: DbId,
        /// How it is kept.
        kind: DbKind,
    },
    /// The shell closed a database.
    Closed {
        /// Its id.
        db: DbId,
    },
    /// A local client wants a record here.
    Call {
        /// Names the call.
        call: CallId,
        /// The database.
        db: DbId,
        /// The key.
        key: Bytes,
        /// What to answer.
        kind: CallKind,
        /// A read-only copy is enough.
        readonly: bool,
    },
    /// Nodes may have read-only copies of this database's records from now on (`SET_DB_READONLY`).
    SetReadonly {
        /// The database.
        db: DbId,
    },
    /// Records that go from node to node stay for a while from now on, by these rules (`SET_DB_STICKY`).
    SetSticky {
        /// The database.
        db: DbId,
        /// When, and for how long.
        rules: StickyRules,
    },
    /// The client of these calls is gone.
    Forget {
        /// Its calls.
        calls: Vec<CallId>,
    },
    /// From a peer.
    Message {
        /// The sender.
        peer: Pnn,
        /// What it says.
        message: RecordMessage,
    },
    /// The end of an [`Effect::Local`].
    Local {
        /// The database.
        db: DbId,
        /// The key.
        key: Bytes,
        /// What came of it.
        outcome: LocalOutcome,
    },
    /// The shell went over a part of the database, as [`Effect::Scan`] asked.
    Scanned {
        /// The composition it was asked for.
        generation: Generation,
        /// The database.
        db: DbId,
        /// What it found, each key once.
        holdings: Holdings,
        /// The whole database was seen.
        done: bool,
    },
    /// The shell emptied the database, as [`Effect::Wipe`] asked.
    Wiped {
        /// The composition it was asked for.
        generation: Generation,
        /// The database.
        db: DbId,
    },
    /// About a persistent or replicated database.
    Replica {
        /// The database.
        db: DbId,
        /// What a client asks, or a job's end.
        request: Request,
    },
    /// A client emptied a record of which this node is dmaster (`SCHEDULE_FOR_DELETION`).
    Schedule {
        /// The database.
        db: DbId,
        /// The key.
        key: Bytes,
        /// Its number then.
        rsn: Rsn,
    },
    /// A vacuum run is due; answered by [`Effect::Vacuumed`]. The shell begins no second one of a database
    /// before that.
    Vacuum {
        /// The database.
        db: DbId,
        /// Go through the whole database.
        full: bool,
        /// What is not done then waits for the next run.
        until: Instant,
    },
    /// The shell went over a part of the database, as [`Effect::Sift`] asked.
    Sifted {
        /// The database.
        db: DbId,
        /// The run that it is for.
        run: u64,
        /// Empty records of which this node is dmaster.
        graves: Vec<Grave>,
        /// There is nothing more.
        done: bool,
    },
    /// The deadline has come.
    Timeout,
}

/// Everything that a record machine can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send to a peer.
    Send {
        /// The peer.
        peer: Pnn,
        /// The message.
        message: RecordMessage,
    },
    /// Lock the key's chain without waiting, apply the operation to the record by
    /// [`super::local::apply`], unlock, answer with [`Input::Local`]. While the chain is locked by a client
    /// the shell keeps the operation and tries again, first come first served per chain; one that does not
    /// wait ([`LocalOp::waits`]) ends as [`LocalOutcome::Kept`] then.
    Local {
        /// The database.
        db: DbId,
        /// The key.
        key: Bytes,
        /// What to do.
        op: LocalOp,
    },
    /// Answer a local client's call: the record is here.
    Reply {
        /// The call.
        call: CallId,
        /// What the client gets (data, or header and data, or nothing).
        data: Bytes,
    },
    /// Go over the whole database in parts, each answered by [`Input::Scanned`].
    Scan {
        /// The composition.
        generation: Generation,
        /// The database.
        db: DbId,
    },
    /// Delete all records of the database; answer with [`Input::Wiped`].
    Wipe {
        /// The composition.
        generation: Generation,
        /// The database.
        db: DbId,
    },
    /// Look for empty records of which this node is dmaster; answer with [`Input::Sifted`]. Chains that are
    /// held may be left out.
    Sift {
        /// The database.
        db: DbId,
        /// Names the run.
        run: u64,
    },
    /// The end of a vacuum run.
    Vacuumed {
        /// The database.
        db: DbId,
        /// What was done.
        report: VacuumReport,
    },
    /// Open a database that other nodes have; answer with [`Input::Opened`].
    Open {
        /// Its name.
        name: String,
        /// How it is kept.
        kind: DbKind,
    },
    /// Tell membership that this lmaster is ready with `db`.
    Ready {
        /// The composition.
        generation: Generation,
        /// The database.
        db: DbId,
        /// No record of it waits for what this lmaster does not know yet; otherwise this comes once more.
        whole: bool,
    },
    /// Do something with the content of a persistent or replicated database, after all that was asked for
    /// before; answer with [`Request::Done`].
    Replica {
        /// The database.
        db: DbId,
        /// Names the job.
        id: JobId,
        /// What to do.
        job: Job,
    },
    /// Answer a client's `TRANS3_COMMIT` with [`super::replica::io::status`].
    CommitDone {
        /// The commit.
        commit: CommitId,
        /// The answer.
        status: i32,
    },
    /// Ask the leader for a recovery.
    WantRecovery {
        /// Why, for the log.
        reason: String,
    },
    /// Log.
    Log(Notice),
}
