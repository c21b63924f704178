//! Persistent and replicated databases of one shard: each one's file belongs to a thread of its own.
//!
//! ```text
//!  Shell ── Work (bounded) ──► Worker thread: one Database, its transactions and walks
//!    ▲                              │
//!    └────────── Feed<Input> ◄──────┘
//! ```
//! A commit waits for the disk and for clients that hold a chain or a transaction, so it runs on no arbiter.
//! One thread per database keeps the order of its jobs and lets no database wait for another one; it is also
//! what libtdb wants: a handle stays in its thread.
//!
//! Invariant: the database of a worker is in the shared [`super::DbTable`] and not in the [`super::Store`].

mod content;
mod digest;
mod health;
mod record;
mod refill;
mod replace;
mod update;
mod worker;

pub(super) use digest::Known;
pub use health::HealthBook;
pub(super) use worker::{Answers, Work, Worker};

use super::error::RecordError;
use super::ops::ChainOp;
use super::store::Database;
use ctdb_protocol::id::DbId;
use ctdb_protocol::record::io::Input;
use ctdb_protocol::record::replica::io::{Job, JobId, Outcome, Request};
use ctdb_protocol::wire::bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// The workers of one shard.
#[derive(Debug, Default)]
pub(super) struct Replicas(BTreeMap<DbId, Worker>);

impl Replicas {
    /// Whether a database has a worker.
    pub(super) fn has(&self, db: DbId) -> bool {
        self.0.contains_key(&db)
    }

    /// Gives a database to a new thread.
    pub(super) fn employ(&mut self, database: Database, answers: Answers) {
        let db = database.entry().id;
        self.0.insert(db, Worker::start(database, answers));
    }

    /// Passes work on; gives it back if the database has no worker, or one that is too far behind.
    pub(super) fn send(&self, db: DbId, work: Work) -> Result<(), Box<(Work, RecordError)>> {
        match self.0.get(&db) {
            Some(worker) => worker
                .send(work)
                .map_err(|work| Box::new((work, RecordError::TooManyWait))),
            None => Err(Box::new((work, RecordError::NoDatabase(db)))),
        }
    }

    /// Passes a job of the machine on.
    pub(super) fn job(&self, db: DbId, id: JobId, job: Job, answers: &mut VecDeque<Input>) {
        let wants_answer = job != Job::Abandon;
        if self.send(db, Work::Job(id, job)).is_err() && wants_answer {
            let (job, outcome) = (id, Outcome::Failed);
            let request = Request::Done { job, outcome };
            answers.push_back(Input::Replica { db, request });
        }
    }

    /// Passes an operation on a record on.
    pub(super) fn submit(&self, db: DbId, key: Bytes, op: ChainOp, answers: &mut VecDeque<Input>) {
        if let Err(refused) = self.send(db, Work::Record(key, op))
            && let (Work::Record(key, op), error) = *refused
        {
            op.fail(db, key, error, answers);
        }
    }
}
