//! Clients of the nodes, incrementing records as smbd does (client-protocol.md section 5.4): lock the record
//! locally; if this node is its dmaster, write, else ask the daemon to bring it here, wait, and start again.
//!
//! A client ends with its node's worker, and goes on while that is merely stopped.

use crate::clock::{MS, Micros, SEC};
use crate::event::{Event, Mail};
use crate::node::Life;
use crate::store::{RecordName, Waiter};
use crate::world::World;
use ctdb_protocol::hash;
use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::record::io::{CallId, CallKind, Input};
use ctdb_protocol::wire::bytes::Bytes;

/// Names of the databases; the second one is opened by node 0 alone, the others learn of it.
pub const DATABASES: [&str; 2] = ["sim.tdb", "late.tdb"];
/// Records that clients use in each database.
const KEYS: u64 = 6;
/// A client that waits longer at the end of a run was forgotten.
const ANSWER_WITHIN: Micros = 2 * SEC;
/// No client begins anything in this last part of a run.
pub(crate) const QUIET: Micros = 3 * SEC;

/// What a client is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing for a while.
    Idle,
    /// Waits for the record's lock.
    Locking,
    /// Holds it and writes.
    Writing,
    /// Waits for the daemon's answer.
    Calling(CallId, Micros),
}

/// See the module.
#[derive(Debug)]
pub struct Client {
    node: Pnn,
    /// The worker's life that it is connected to.
    life: u32,
    record: RecordName,
    step: Step,
    /// It only reads this time.
    reads: bool,
}

/// The id of a database.
pub fn db_id(name: &str) -> DbId {
    DbId(hash::db_id(name))
}

impl World {
    /// The clients of a node that starts.
    pub(crate) fn add_clients(&mut self, pnn: Pnn, life: u32) {
        for _ in 0..self.bench.options.clients {
            let record = (db_id(DATABASES[0]), Bytes::default());
            self.clients.push(Client {
                node: pnn,
                life,
                record,
                step: Step::Idle,
                reads: false,
            });
            let wait = self.bench.between(MS, SEC);
            self.bench
                .after(wait, Event::Client(self.clients.len() - 1));
        }
    }

    fn is_connected(&self, number: usize) -> bool {
        let client = &self.clients[number];
        let node = &self.nodes[client.node.0 as usize];
        node.lives == client.life && node.life != Life::Dead
    }

    fn rest(&mut self, number: usize) {
        self.clients[number].step = Step::Idle;
        // The end is judged at rest.
        if self.bench.now + QUIET > self.bench.options.end {
            return;
        }
        let wait = if self.bench.one_in(3) {
            self.bench.between(50, 2 * MS)
        } else {
            self.bench.between(20 * MS, 900 * MS)
        };
        self.bench.after(wait, Event::Client(number));
    }

    /// A client's next step is due.
    pub(crate) fn client(&mut self, number: usize) {
        if !self.is_connected(number) {
            return;
        }
        match self.clients[number].step {
            Step::Idle => {
                let second = self.bench.one_in(4);
                let db = db_id(DATABASES[usize::from(second)]);
                let node = &self.nodes[self.clients[number].node.0 as usize];
                if !node.store.open.contains(&db) {
                    return self.rest(number);
                }
                // A few records are hot.
                let (one, other) = (self.bench.rng.below(KEYS), self.bench.rng.below(KEYS));
                let key = format!("record {}", one.min(other));
                self.clients[number].record = (db, Bytes::from(key.as_bytes()));
                self.clients[number].reads =
                    self.bench.options.habits.readonly && self.bench.one_in(2);
                if self.clients[number].reads {
                    self.read(number);
                } else {
                    self.lock_record(number);
                }
            }
            Step::Writing => self.write(number),
            Step::Locking | Step::Calling(..) => {}
        }
    }

    /// Reads what is here, or asks for a copy, which is enough.
    fn read(&mut self, number: usize) {
        let Client { node, record, .. } = &self.clients[number];
        let (pnn, record) = (*node, record.clone());
        let store = &self.nodes[pnn.0 as usize].store;
        if store.is_copy(&record) {
            self.bench.census.count("readonly.read");
            return self.rest(number);
        }
        if store.is_dmaster(&record, pnn) {
            return self.rest(number);
        }
        self.call(number, pnn, record, true);
    }

    fn lock_record(&mut self, number: usize) {
        let Client { node, record, .. } = &self.clients[number];
        let (pnn, record) = (*node, record.clone());
        let store = &mut self.nodes[pnn.0 as usize].store;
        if store.locked.contains_key(&record) {
            store
                .waiting
                .entry(record)
                .or_default()
                .push_back(Waiter::Client(number));
            self.clients[number].step = Step::Locking;
            return;
        }
        store.locked.insert(record, number);
        self.locked(number);
    }

    /// The client has the lock: it writes, or asks for the record.
    pub(crate) fn locked(&mut self, number: usize) {
        let Client { node, record, .. } = &self.clients[number];
        let (pnn, record) = (*node, record.clone());
        if self.nodes[pnn.0 as usize].store.is_writable(&record, pnn) {
            self.clients[number].step = Step::Writing;
            let hold = match self.bench.rng.below(200) {
                0 => self.bench.between(10 * MS, 500 * MS),
                _ => self.bench.between(5, 300),
            };
            return self.bench.after(hold, Event::Client(number));
        }
        self.unlock(pnn, &record);
        self.call(number, pnn, record, false);
    }

    fn call(&mut self, number: usize, pnn: Pnn, (db, key): RecordName, readonly: bool) {
        self.calls += 1;
        let call = CallId(self.calls);
        self.clients[number].step = Step::Calling(call, self.bench.now);
        self.calling.insert(call, number);
        self.bench.census.count("client.call");
        let kind = match self.bench.rng.below(3) {
            0 => CallKind::Fetch,
            1 => CallKind::FetchWithHeader,
            _ => CallKind::Null,
        };
        self.post(
            pnn,
            Mail::Record(Input::Call {
                call,
                db,
                key,
                kind,
                readonly,
            }),
        );
    }

    fn write(&mut self, number: usize) {
        let Client { node, record, .. } = &self.clients[number];
        let (pnn, record) = (*node, record.clone());
        if self.bench.options.habits.vacuums && self.bench.one_in(3) {
            return self.delete(number, pnn, &record);
        }
        self.increments += 1;
        let id = self.increments;
        self.nodes[pnn.0 as usize].store.increment(&record, id);
        self.bench.census.count("client.increment");
        self.ledger.acknowledge(&record, id);
        let now = self.bench.now;
        self.bench.trace.line(now, Some(pnn), || {
            format!("record {record:?} incremented by {id}")
        });
        self.unlock(pnn, &record);
        self.rest(number);
    }

    /// The client deletes the record, as smbd does: it empties it, and mostly tells the daemon.
    fn delete(&mut self, number: usize, pnn: Pnn, record: &RecordName) {
        let store = &mut self.nodes[pnn.0 as usize].store;
        let rsn = store.read(record).map(|(header, _)| header.rsn);
        let had = store.empty(record);
        self.bench.census.count("client.delete");
        self.ledger.delete(record, &had);
        let now = self.bench.now;
        self.bench
            .trace
            .line(now, Some(pnn), || format!("record {record:?} emptied"));
        if let (Some(rsn), false) = (rsn, self.bench.one_in(4)) {
            let (db, key) = record.clone();
            self.post(pnn, Mail::Record(Input::Schedule { db, key, rsn }));
        }
        self.unlock(pnn, record);
        self.rest(number);
    }

    /// The daemon answers a call: the record should be here.
    pub(crate) fn answer(&mut self, call: CallId) {
        let Some(number) = self.calling.remove(&call) else {
            return;
        };
        if self.is_connected(number)
            && matches!(self.clients[number].step, Step::Calling(of, _) if of == call)
        {
            if self.clients[number].reads {
                self.rest(number);
            } else {
                self.lock_record(number);
            }
        }
    }

    /// A client that nobody answers, at the end of a run.
    pub(crate) fn forgotten(&self) -> Option<String> {
        let (now, end) = (self.bench.now, self.bench.options.end);
        let mut waiting = self
            .clients
            .iter()
            .enumerate()
            .filter(|(n, _)| self.is_connected(*n));
        waiting.find_map(|(_, client)| match client.step {
            Step::Calling(call, since) if since + ANSWER_WITHIN < now.min(end) => {
                let Client { node, record, .. } = client;
                Some(format!(
                    "{call:?} of a client of node {node} for {record:?} waits since {since} µs"
                ))
            }
            _ => None,
        })
    }
}
