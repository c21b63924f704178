//! Vacuum runs of one shard: those who asked for one, and whose turn it is in each database.

use super::error::RecordError;
use super::message::VacuumDb;
use super::ops::Answer;
use ctdb_protocol::id::DbId;
use ctdb_protocol::record::io::Input;
use ctdb_protocol::record::vacuum::VacuumReport;
use ctdb_protocol::time::Instant;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Most runs of one database that wait for the one under way.
const WAITING_MAX: usize = 64;

/// Requests; the first of each database is under way.
#[derive(Debug, Default)]
pub(super) struct Vacuums {
    queues: BTreeMap<DbId, VecDeque<(VacuumDb, Answer<VacuumReport>)>>,
    begun: BTreeMap<DbId, Instant>,
}

impl Vacuums {
    /// Begins a run, or has it follow those before.
    pub(super) fn ask(
        &mut self,
        request: VacuumDb,
        answer: Answer<VacuumReport>,
        now: Instant,
        inputs: &mut VecDeque<Input>,
    ) {
        let queue = self.queues.entry(request.db).or_default();
        if queue.len() >= WAITING_MAX {
            // A requester that is gone is no error; nor is it below.
            return drop(answer.send(Err(RecordError::TooManyWait)));
        }
        queue.push_back((request, answer));
        if queue.len() == 1 {
            self.begun.insert(request.db, now);
            inputs.push_back(begin(request, now));
        }
    }

    /// A run is over: the next one of its database begins. Answers how long it took.
    pub(super) fn done(
        &mut self,
        db: DbId,
        report: VacuumReport,
        now: Instant,
        inputs: &mut VecDeque<Input>,
    ) -> Duration {
        let begun = self.begun.remove(&db);
        let took = begun.map_or(Duration::ZERO, |begun| now.since(begun));
        let Some(queue) = self.queues.get_mut(&db) else {
            return took;
        };
        if let Some((_, answer)) = queue.pop_front() {
            drop(answer.send(Ok(report)));
        }
        match queue.front() {
            Some((request, _)) => {
                self.begun.insert(db, now);
                inputs.push_back(begin(*request, now));
            }
            None => drop(self.queues.remove(&db)),
        }
        took
    }

    /// A database goes away.
    pub(super) fn forget(&mut self, db: DbId) {
        self.begun.remove(&db);
        for (_, answer) in self.queues.remove(&db).into_iter().flatten() {
            drop(answer.send(Err(RecordError::Detached)));
        }
    }
}

fn begin(request: VacuumDb, now: Instant) -> Input {
    Input::Vacuum {
        db: request.db,
        full: request.full,
        until: now + request.patience,
    }
}
