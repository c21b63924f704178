//! Two nodes in one process with the real machine: a recovery, then one record goes back and forth
//! between clients of both. The rate is printed as information.

use super::{Scratch, World};
use crate::clock::Clock;
use crate::fatal::Fatal;
use crate::post::{Feed, Post};
use crate::records::{
    CallDone, DataOut, Database, DbTable, Records, Store, StoreConfig, Wiring, db_id,
};
use actix::{Actor, Arbiter, Recipient};
use ctdb_protocol::id::{DbId, Generation, Pnn};
use ctdb_protocol::membership;
use ctdb_protocol::membership::io::Recover;
use ctdb_protocol::membership::message::{Composition, DbInfo, Scope};
use ctdb_protocol::record::io::{CallId, CallKind, Input};
use ctdb_protocol::record::machine::RecordMachine;
use ctdb_protocol::timing::Timing;
use ctdb_protocol::wire::message::{DataMessage, DbKind};
use slog::Logger;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const GENERATION: Generation = Generation::new(5, 0);
const PASSES: u64 = 2_000;
const NAME: &str = "v.tdb";

/// A cable from one node to the other.
#[derive(Clone)]
struct Cable {
    from: Pnn,
    to: Arc<OnceLock<Recipient<Feed<Input>>>>,
}

impl DataOut for Cable {
    fn send_data(&self, _: Pnn, message: DataMessage) {
        let DataMessage::Record(message) = message else {
            panic!("only records")
        };
        let peer = self.from;
        let other = self.to.get().expect("connected");
        other.do_send(Feed(Input::Message { peer, message }));
    }
}

struct Node {
    records: Recipient<Feed<Input>>,
    cable: Cable,
    done: Receiver<CallDone>,
    world: World,
    /// Keeps the thread alive.
    _arbiter: Arbiter,
}

impl Node {
    fn start(scratch: &Scratch, own: Pnn) -> Self {
        let log = Logger::root(slog::Discard, slog::o!());
        let fatal = Fatal::new(&log);
        let config = StoreConfig {
            own,
            ..scratch.config()
        };
        let database = Database::open(&config, NAME, DbKind::Volatile).expect("open");
        let mut store = Store::new(config, DbTable::new());
        store.insert(database, |_| ());
        let world = World::default();
        let membership = Post::new(1, &fatal).membership;
        membership.occupy(world.clone().start().recipient());
        let to = Arc::default();
        let cable = Cable { from: own, to };
        let (sender, done) = channel();
        let wiring = Wiring {
            links: Box::new(cable.clone()),
            call_done: Box::new(move |done| drop(sender.send(done))),
            membership,
            log,
            locks: crate::records::LockWatch::default(),
        };
        let machine = RecordMachine::new(own, Timing::default(), 42);
        let records = Records::new(machine, store, wiring, Clock::start(), &fatal);
        let arbiter = Arbiter::new();
        let address = Records::start_in_arbiter(&arbiter.handle(), |_| records);
        Self {
            records: address.recipient(),
            cable,
            done,
            world,
            _arbiter: arbiter,
        }
    }

    fn recover(&self, order: Recover) {
        self.records.do_send(Feed(Input::Recover(order)));
    }

    async fn ready(&self) {
        for _ in 0..10_000 {
            let ready = |input: &membership::io::Input| matches!(input, membership::io::Input::Ready { generation, .. } if *generation == GENERATION);
            if self.world.membership.lock().unwrap().iter().any(ready) {
                return;
            }
            actix::clock::sleep(Duration::from_millis(1)).await;
        }
        panic!("no Ready: {:?}", self.world.membership.lock().unwrap());
    }
}

async fn recover(nodes: &[Node], db: DbId) {
    let members = vec![Pnn(0), Pnn(1)];
    let composition = Composition {
        generation: GENERATION,
        members: members.clone(),
        vnnmap: members.clone(),
    };
    for node in nodes {
        node.recover(Recover::Prepare(composition.clone()));
    }
    let info = |name: &str| DbInfo {
        id: db_id(name),
        name: name.into(),
        kind: DbKind::Volatile,
    };
    for node in nodes {
        node.recover(Recover::Rebuild {
            scope: Scope::Whole,
            generation: GENERATION,
            contributors: members.clone(),
            databases: vec![info(NAME)],
        });
    }
    for node in nodes {
        node.ready().await;
    }
    for node in nodes {
        node.recover(Recover::Serve {
            generation: GENERATION,
            db,
        });
        node.recover(Recover::Commit {
            generation: GENERATION,
        });
    }
}

#[actix::test]
async fn one_record_serves_clients_of_two_nodes_in_turn() {
    let scratch = Scratch::new("cluster");
    let nodes = [Node::start(&scratch, Pnn(0)), Node::start(&scratch, Pnn(1))];
    for (number, node) in nodes.iter().enumerate() {
        let other = nodes[1 - number].records.clone();
        assert!(node.cable.to.set(other).is_ok());
    }
    let db = db_id(NAME);
    recover(&nodes, db).await;
    let passing = move || {
        let begin = Instant::now();
        for number in 0..PASSES {
            let node = &nodes[usize::from(number % 2 == 1)];
            node.records.do_send(Feed(Input::Call {
                call: CallId(number),
                db,
                key: b"record"[..].into(),
                kind: CallKind::Null,
                readonly: false,
            }));
            let done = node.done.recv_timeout(Duration::from_secs(20));
            assert_eq!(done.expect("answered").call, CallId(number));
        }
        begin.elapsed()
    };
    let elapsed = tokio::task::spawn_blocking(passing).await.expect("passed");
    let rate = u128::from(PASSES) * 1_000_000 / elapsed.as_micros().max(1);
    println!("{PASSES} passes by calls on two nodes: {rate} passes/s");
}
