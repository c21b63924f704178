//! Two shards in one process pass one record back and forth; the rate is printed as information.

use super::Scratch;
use crate::clock::Clock;
use crate::fatal::Fatal;
use crate::post::{Feed, Post};
use crate::records::{DataOut, Database, DbTable, Records, Store, StoreConfig, Wiring, db_id};
use actix::{Actor, Arbiter, Recipient};
use ctdb_protocol::id::{DbId, Generation, Pnn, Rsn};
use ctdb_protocol::machine::{Effects, Machine};
use ctdb_protocol::record::io::{Effect, Input};
use ctdb_protocol::record::local::{LocalOp, LocalOutcome};
use ctdb_protocol::record::message::{RecordBody, RecordMessage};
use ctdb_protocol::time::Instant;
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_protocol::wire::message::{DataMessage, DbKind};
use slog::Logger;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const PASSES: u64 = 2_000;

/// Takes the record and gives it to the other node at once.
struct Passer {
    other: Pnn,
    end: Sender<u64>,
}

impl Passer {
    fn message(db: DbId, key: Bytes, rsn: Rsn, data: Bytes) -> RecordMessage {
        let (flags, hops, generation) = (0, 0, Generation::new(2, 0));
        let body = RecordBody::Migrate {
            key,
            rsn,
            flags,
            data,
            hops,
        };
        RecordMessage {
            generation,
            db,
            body,
        }
    }
}

impl Machine for Passer {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, _: Instant, input: Input, effects: &mut Effects<Effect>) {
        let to = self.other;
        match input {
            Input::Message { message, .. } => {
                let RecordBody::Migrate { key, rsn, data, .. } = message.body else {
                    panic!("only migrations")
                };
                let (rsn, flags, db) = (Rsn(rsn.0 + 1), 0, message.db);
                let op = LocalOp::Take { rsn, flags, data };
                effects.push(Effect::Local { db, key, op });
            }
            Input::Local { db, key, outcome } => match outcome {
                LocalOutcome::Mine { rsn, .. } if rsn.0 >= PASSES => {
                    self.end.send(rsn.0).expect("the test waits");
                }
                LocalOutcome::Mine { .. } => {
                    let op = LocalOp::Give { to };
                    effects.push(Effect::Local { db, key, op });
                }
                LocalOutcome::Given { rsn, data, .. } => {
                    let message = Self::message(db, key, rsn, data);
                    effects.push(Effect::Send { peer: to, message });
                }
                other => panic!("{other:?}"),
            },
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// A cable to the other shard.
#[derive(Clone, Default)]
struct Cable(Arc<OnceLock<Recipient<Feed<Input>>>>);

impl DataOut for Cable {
    fn send_data(&self, peer: Pnn, message: DataMessage) {
        let DataMessage::Record(message) = message else {
            panic!("only records")
        };
        // The sender is the node that is not the receiver.
        let peer = Pnn(1 - peer.0);
        let other = self.0.get().expect("connected");
        other.do_send(Feed(Input::Message { peer, message }));
    }
}

fn store(scratch: &Scratch, own: Pnn) -> Store {
    let config = StoreConfig {
        own,
        ..scratch.config()
    };
    let database = Database::open(&config, "v.tdb", DbKind::Volatile).expect("open");
    let mut store = Store::new(config, DbTable::new());
    store.insert(database, |_| ());
    store
}

#[actix::test]
async fn one_record_goes_back_and_forth_between_two_shards() {
    let scratch = Scratch::new("passing");
    let log = Logger::root(slog::Discard, slog::o!());
    let fatal = Fatal::new(&log);
    let (end, ended) = channel();
    let arbiters = [Arbiter::new(), Arbiter::new()];
    let cables = [Cable::default(), Cable::default()];
    let mut addresses = Vec::new();
    for (number, arbiter) in arbiters.iter().enumerate() {
        let own = Pnn(number as u32);
        let wiring = Wiring {
            links: Box::new(cables[number].clone()),
            call_done: Box::new(|_| ()),
            membership: Post::new(1, &fatal).membership,
            log: log.clone(),
            locks: crate::records::LockWatch::default(),
        };
        let other = Pnn(1 - own.0);
        let passer = Passer {
            other,
            end: end.clone(),
        };
        let records = Records::new(passer, store(&scratch, own), wiring, Clock::start(), &fatal);
        addresses.push(Records::start_in_arbiter(&arbiter.handle(), |_| records));
    }
    for (number, cable) in cables.iter().enumerate() {
        let other = addresses[1 - number].clone().recipient();
        assert!(cable.0.set(other).is_ok());
    }
    let begin = std::time::Instant::now();
    let (key, data) = (b"record"[..].into(), vec![b'd'; 100].into());
    let message = Passer::message(db_id("v.tdb"), key, Rsn(0), data);
    addresses[0].do_send(Feed(Input::Message {
        peer: Pnn(1),
        message,
    }));
    let passes = tokio::task::spawn_blocking(move || ended.recv_timeout(Duration::from_secs(60)))
        .await
        .unwrap()
        .expect("the record arrives");
    let micros = begin.elapsed().as_micros().max(1);
    let rate = u128::from(passes) * 1_000_000 / micros;
    println!("{passes} passes between two shards: {rate} passes/s");
}
