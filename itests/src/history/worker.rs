//! A client of a run: operations on random records until its time is over, whatever becomes of its daemon.

use std::thread::sleep;
use std::time::{Duration, Instant};

use ctdb_protocol::rng::Rng;
use rustix::time::{ClockId, clock_gettime};

use super::operation::{Kind, Operation, Outcome, Token};
use crate::client::{Client, ClientError, Db, DbKind, Ended, GLock, Result, transact};

/// Rest between two operations, at most.
const REST_US: u64 = 500;
/// Between two attempts to reach the daemon.
const AGAIN: Duration = Duration::from_millis(20);
/// Longer than any outage of a run.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Bytes of a record: token and number.
const VALUE_BYTES: usize = 16;

/// Where the records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// In a volatile database, changed under their locks.
    Volatile,
    /// In a persistent one, changed in transactions.
    Persistent,
}

/// What one client does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The daemon's socket.
    pub socket: String,
    /// The database.
    pub db: String,
    /// Its kind.
    pub store: Store,
    /// Keys begin so.
    pub prefix: String,
    /// Counters, and as many registers.
    pub records: u64,
    /// How long it goes on.
    pub duration: Duration,
    /// Number of the client in the run, from 1: its tokens are those of nobody else.
    pub number: u64,
    /// Where its choices begin.
    pub seed: u64,
}

impl Plan {
    /// Works; answers what was done.
    pub fn work(&self) -> Vec<Operation> {
        let begin = Instant::now();
        let mut rng = Rng::new(self.seed);
        let (mut history, mut connected) = (Vec::new(), None);
        let mut changes = 0;
        while begin.elapsed() < self.duration {
            let Some(connection) = &mut connected else {
                connected = Connection::new(self).ok();
                if connected.is_none() {
                    sleep(AGAIN);
                }
                continue;
            };
            changes += 1;
            let token = self.number << 32 | changes;
            let operation = connection.operate(self, &mut rng, token);
            if !operation.is_done() {
                connected = None;
            }
            history.push(operation);
            sleep(Duration::from_micros(rng.below(REST_US)));
        }
        history
    }

    fn keys(&self) -> impl Iterator<Item = (Kind, String)> {
        let key = |kind, name, number| (kind, format!("{}-{name}-{number}", self.prefix));
        (0..self.records).flat_map(move |number| {
            let counter = key(Kind::Add, "counter", number);
            [counter, key(Kind::Write, "register", number)]
        })
    }
}

/// What stands in each record, seen from this node.
pub fn values(plan: &Plan) -> Result<Vec<(String, Token)>> {
    let mut connection = Connection::new(plan)?;
    let keys = plan.keys();
    keys.map(|(_, key)| Ok((key.clone(), connection.read(key.as_bytes(), true)?.0)))
        .collect()
}

/// A client and its database; after an error it is of no use.
struct Connection {
    client: Client,
    db: Db,
    locks: Option<GLock>,
}

impl Connection {
    fn new(plan: &Plan) -> Result<Self> {
        let mut client = Client::connect(&plan.socket)?;
        client.set_timeout(ANSWER_LIMIT);
        let (kind, locks) = match plan.store {
            Store::Volatile => (DbKind::Volatile, None),
            Store::Persistent => (DbKind::Persistent, Some(GLock::attach(&mut client)?)),
        };
        let db = client.attach_kind(&plan.db, kind)?;
        Ok(Self { client, db, locks })
    }

    /// One operation on a random record.
    fn operate(&mut self, plan: &Plan, rng: &mut Rng, token: Token) -> Operation {
        let place = rng.below(2 * plan.records) as usize;
        let (mut kind, key) = plan.keys().nth(place).expect("a record");
        if rng.chance(1, 2) {
            kind = Kind::Read;
        }
        let mut operation = Operation {
            node: self.client.pnn().into(),
            key,
            kind,
            outcome: Outcome::Failed,
            begin_us: now_us(),
            end_us: 0,
            saw: 0,
            put: 0,
            number: 0,
        };
        let moves = rng.chance(1, 2);
        let result = match kind {
            Kind::Read => {
                let seen = self.read(operation.key.as_bytes(), moves);
                seen.map(|(saw, number)| {
                    (operation.saw, operation.number) = (saw, number);
                    Outcome::Done
                })
            }
            Kind::Write | Kind::Add => self.change(&mut operation, token),
        };
        operation.end_us = now_us();
        operation.outcome = match result {
            Ok(outcome) => outcome,
            // The daemon ended before anything was stored.
            Err(_) if operation.put == 0 => Outcome::Failed,
            Err(_) => Outcome::Unknown,
        };
        operation
    }

    fn change(&mut self, operation: &mut Operation, token: Token) -> Result<Outcome> {
        let key = operation.key.clone().into_bytes();
        let added = u64::from(operation.kind == Kind::Add);
        let mut update = |old: &[u8]| {
            let (saw, number) = split(old);
            (operation.saw, operation.put) = (saw, token);
            operation.number = number + added;
            joined(token, number + added)
        };
        match &mut self.locks {
            None => self.db.fetch_lock(&key, update).map(|_| Outcome::Done),
            Some(locks) => {
                let ended = transact(&mut self.client, locks, &self.db, |transaction| {
                    let old = transaction.read(&key)?;
                    transaction.write(&key, &update(&old))
                })?;
                match ended {
                    Ended::Committed => Ok(Outcome::Done),
                    Ended::Presumed => Ok(Outcome::Presumed),
                    Ended::Unknown => Err(ClientError::Closed),
                }
            }
        }
    }

    /// What stands in a record; one of a volatile database is moved here first or not.
    fn read(&mut self, key: &[u8], moves: bool) -> Result<(Token, u64)> {
        let mut seen = (0, 0);
        if let Some(locks) = &mut self.locks {
            transact(&mut self.client, locks, &self.db, |transaction| {
                seen = split(&transaction.read(key)?);
                Ok(())
            })?;
            return Ok(seen);
        }
        if !moves {
            let value = self.db.fetch(key)?;
            return Ok(split(&value.unwrap_or_default()));
        }
        self.db.fetch_lock(key, |old| {
            seen = split(old);
            old.to_vec()
        })?;
        Ok(seen)
    }
}

fn split(value: &[u8]) -> (Token, u64) {
    let Some(value) = value.first_chunk::<VALUE_BYTES>() else {
        return (0, 0);
    };
    let number = u128::from_le_bytes(*value);
    (number as u64, (number >> 64) as u64)
}

fn joined(token: Token, number: u64) -> Vec<u8> {
    [token.to_le_bytes(), number.to_le_bytes()].concat()
}

/// The machine's clock, which all its namespaces share.
pub(super) fn now_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000 + now.tv_nsec.cast_unsigned() / 1_000
}
