//! The thread of one database.

use super::content::Reading;
use super::digest::Known;
use super::health::HealthBook;
use super::refill::Refill;
use crate::fatal::Fatal;
use crate::log::notice;
use crate::records::content::{Progress, Replacement};
use crate::records::error::RecordError;
use crate::records::ops::{Answer, ChainOp};
use crate::records::store::Database;
use crate::records::walk::{Goal, Slice, Walk};
use crate::supervise::last_panic;
use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::notice::Notice;
use ctdb_protocol::record::io::Input;
use ctdb_protocol::record::replica::io::{Job, JobId, Outcome, Request};
use ctdb_protocol::record::replica::message::Change;
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_tdb::TdbFlags;
use slog::Logger;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, sleep};
use std::time::Duration;

/// Most work that waits for one database. Peers have one update each on its way; the rest are calls of
/// clients, who are refused beyond.
const WORK_MAX: usize = 16_384;
/// Pause of a traverse whose reader is behind, or that waits for a client's lock.
const WALK_PAUSE: Duration = Duration::from_millis(5);
/// Pauses between tries for a lock that a client holds; the last one repeats.
const PAUSES_US: [u64; 6] = [50, 100, 200, 500, 1_000, 5_000];

/// What a worker needs to answer.
#[derive(Clone)]
pub(in crate::records) struct Answers {
    /// To the machine of its shard.
    pub(in crate::records) feed: Arc<dyn Fn(Input) + Send + Sync>,
    pub(in crate::records) own: Pnn,
    pub(in crate::records) health: HealthBook,
    pub(in crate::records) log: Logger,
    pub(in crate::records) fatal: Fatal,
}

/// What the thread is asked to do.
pub(in crate::records) enum Work {
    /// For the machine.
    Job(JobId, Job),
    /// On one record.
    Record(Bytes, ChainOp),
    /// Hold transactions of clients back, or go on with them.
    Freeze(bool, Answer<Progress>),
    /// Store records on this node alone.
    Update(Vec<Change>, Answer<()>),
    /// Replace the content.
    Replace(Replacement, Answer<Progress>),
    /// A traverse.
    Walk(Box<dyn crate::records::TraverseSink>),
    /// Count changes in the file's header from now on.
    EnableSeqnum(Answer<()>),
    /// Count it up because another node's did.
    BumpSeqnum(Answer<()>),
}

/// A running worker; it ends when this is dropped and all work is done.
#[derive(Debug)]
pub(in crate::records) struct Worker {
    work: SyncSender<Work>,
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start(database: Database, answers: Answers) -> Self {
        let (work, queue) = sync_channel(WORK_MAX);
        let name = format!("db {}", database.entry().name);
        let fatal = answers.fatal.clone();
        let body = move || {
            let end = EndOnPanic(answers.fatal.clone());
            Desk::new(database, answers).run(&queue);
            drop(end);
        };
        if let Err(error) = thread::Builder::new().name(name).spawn(body) {
            fatal.end(&format!("no thread for a database: {error}"));
        }
        Self { work }
    }

    /// Gives the work back if too much waits.
    pub(super) fn send(&self, work: Work) -> Result<(), Work> {
        self.work.try_send(work).map_err(|error| match error {
            std::sync::mpsc::TrySendError::Full(work)
            | std::sync::mpsc::TrySendError::Disconnected(work) => work,
        })
    }
}

/// A panic in the thread leaves a database that nobody serves: the worker process ends.
struct EndOnPanic(Fatal);

impl Drop for EndOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end(&format!("database thread: {}", last_panic()));
        }
    }
}

/// What the thread works with.
pub(super) struct Desk {
    pub(super) database: Database,
    pub(super) answers: Answers,
    /// What is known of the content without reading it.
    pub(super) known: Option<Known>,
    /// The content on its way to other nodes.
    pub(super) reading: Option<Reading>,
    /// Another node's content, in an open transaction.
    pub(super) refill: Option<Refill>,
    walks: VecDeque<Walk>,
    /// What must not see an open transaction.
    held: VecDeque<Work>,
    frozen: bool,
    /// Transactions of clients that wait for the thaw.
    waiting: VecDeque<Work>,
}

impl Desk {
    fn new(database: Database, answers: Answers) -> Self {
        let known = database.known();
        Self {
            database,
            answers,
            known,
            reading: None,
            refill: None,
            walks: VecDeque::new(),
            held: VecDeque::new(),
            frozen: false,
            waiting: VecDeque::new(),
        }
    }

    fn run(mut self, queue: &Receiver<Work>) {
        let mut pause = None;
        loop {
            let next = match pause {
                None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(Duration::ZERO) => queue.try_recv().map_err(|error| match error {
                    TryRecvError::Empty => RecvTimeoutError::Timeout,
                    TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                }),
                Some(pause) => queue.recv_timeout(pause),
            };
            match next {
                Ok(work) => self.take(work),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            pause = self.walk_on();
        }
    }

    fn take(&mut self, work: Work) {
        match work {
            work @ (Work::Job(_, Job::Update(_)) | Work::Update(..)) if self.frozen => {
                self.waiting.push_back(work);
            }
            Work::Job(id, job) => {
                if let Some(outcome) = self.job(job) {
                    let (job, db) = (id, self.db());
                    let request = Request::Done { job, outcome };
                    self.feed(Input::Replica { db, request });
                }
                if self.refill.is_none() {
                    for work in std::mem::take(&mut self.held) {
                        self.take(work);
                    }
                }
            }
            work if self.refill.is_some() => self.held.push_back(work),
            Work::Record(key, op) => {
                if let Some(input) = self.record(key, op) {
                    self.feed(input);
                }
            }
            Work::Walk(sink) => {
                // A persistent database shows records without data too.
                let walk = Walk::new(&self.database, Goal::Traverse(true, sink));
                self.walks.push_back(walk);
            }
            Work::Freeze(frozen, answer) => {
                self.frozen = frozen;
                drop(answer.send(Ok(Progress::Done(0))));
                if !frozen {
                    for work in std::mem::take(&mut self.waiting) {
                        self.take(work);
                    }
                }
            }
            Work::Update(changes, answer) => {
                let updated = match self.update(&changes) {
                    Ok(Outcome::Done) => Ok(()),
                    Ok(_) => Err(RecordError::Refused),
                    Err(error) => Err(error.into()),
                };
                drop(answer.send(updated));
            }
            Work::Replace(replacement, answer) => {
                let replaced = self.replace(&replacement);
                drop(answer.send(replaced.map(|()| Progress::Done(0))));
            }
            Work::EnableSeqnum(answer) => {
                let enabled = self.database.tdb().add_flags(TdbFlags::SEQNUM);
                drop(answer.send(enabled.map_err(RecordError::from)));
            }
            Work::BumpSeqnum(answer) => {
                let bumped = self.database.tdb().increment_seqnum();
                drop(answer.send(bumped.map_err(RecordError::from)));
            }
        }
    }

    fn job(&mut self, job: Job) -> Option<Outcome> {
        let done = match job {
            Job::Update(changes) => self.update(&changes),
            Job::Inspect => self.inspect(),
            Job::Read { first } => self.read(first),
            Job::Refill {
                first,
                last,
                changes,
            } => self.refill(first, last, &changes),
            Job::Abandon => {
                self.abandon();
                return None;
            }
            Job::Settle { healthy } => self.settle(healthy),
        };
        Some(done.unwrap_or_else(|error| {
            self.complain(&error.to_string());
            Outcome::Failed
        }))
    }

    /// Does a slice of the walks; answers how long to wait for the next one.
    fn walk_on(&mut self) -> Option<Duration> {
        if self.refill.is_some() {
            return None;
        }
        let mut walk = self.walks.pop_front()?;
        let mut none = VecDeque::new();
        let (slice, error) = walk.slice(&self.database, self.answers.own, &mut none);
        if let Some(error) = error {
            self.complain(&error.to_string());
        }
        if slice != Slice::Done {
            self.walks.push_back(walk);
        }
        let pause = if slice == Slice::Pause {
            WALK_PAUSE
        } else {
            Duration::ZERO
        };
        (!self.walks.is_empty()).then_some(pause)
    }

    fn db(&self) -> DbId {
        self.database.entry().id
    }

    fn feed(&self, input: Input) {
        (self.answers.feed)(input);
    }

    /// Logs why something was not done.
    pub(super) fn complain(&self, reason: &str) {
        let name = self.database.entry().name.clone();
        let reason = reason.to_owned();
        notice(
            &self.answers.log,
            &Notice::TransactionFailed { name, reason },
        );
    }

    /// Begins a transaction; waits for clients that hold locks, which costs this database only. It tries
    /// again and again because a wait inside the kernel would count for the whole process: the kernel
    /// could then take two databases that wait for one client for a deadlock.
    pub(super) fn begin(&self) -> ctdb_tdb::Result<()> {
        for number in 0_usize.. {
            if self.database.tdb().transaction_start_nonblock()? {
                break;
            }
            sleep(pause(number));
        }
        Ok(())
    }
}

/// How long to wait before try number `number` of something that clients hold.
pub(super) fn pause(number: usize) -> Duration {
    Duration::from_micros(PAUSES_US[number.min(PAUSES_US.len() - 1)])
}
