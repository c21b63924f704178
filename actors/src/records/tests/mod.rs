//! Tests with real TDB files and a real second process, and a machine that does as the test says.

mod actor;
mod cluster;
mod death;
mod files;
pub(super) mod helper;
mod hot;
mod passing;
mod replicas;
mod waiting;
mod walks;

use super::{
    CallDone, DataOut, Database, DbTable, HealthBook, LockWatch, Records, Store, StoreConfig,
    Wiring,
};
use crate::clock::Clock;
use crate::fatal::Fatal;
use crate::post::{Feed, Post};
use actix::{Actor, Addr, Context, Handler};
use ctdb_protocol::id::{DbId, Pnn, Rsn};
use ctdb_protocol::machine::{Effects, Machine};
use ctdb_protocol::membership;
use ctdb_protocol::record::header::{RecordFlags, RecordHeader};
use ctdb_protocol::record::io::{Effect, Input};
use ctdb_protocol::time::Instant;
use ctdb_protocol::wire::message::{DataMessage, DbKind};
use slog::Logger;
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) const OWN: Pnn = Pnn(3);

/// A directory of one test, removed on drop.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(test: &str) -> Self {
        let name = format!("ctdb-store-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("scratch directory");
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn config(&self) -> StoreConfig {
        StoreConfig {
            own: OWN,
            volatile_dir: self.0.join("volatile"),
            persistent_dir: self.0.join("persistent"),
            hash_size: 100_001,
            max_dead: 5,
            mutexes: true,
            health: HealthBook::default(),
            shard: 0,
            shards: 1,
        }
    }

    /// A store with one volatile database of few chains, filled by `fill`.
    pub(super) fn store(&self, name: &str, fill: impl FnOnce(&Database)) -> Store {
        let config = StoreConfig {
            hash_size: 1_009,
            ..self.config()
        };
        let database = Database::open(&config, name, DbKind::Volatile).expect("open");
        fill(&database);
        let mut store = Store::new(config, DbTable::new());
        store.insert(database, |_| ());
        store
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A stored value.
pub(super) fn value(rsn: u64, dmaster: Pnn, data: &[u8]) -> Vec<u8> {
    let flags = RecordFlags::empty();
    let header = RecordHeader {
        rsn: Rsn(rsn),
        dmaster,
        flags,
    };
    [&header.to_bytes(), data].concat()
}

/// A list that test and actors share.
type Shared<T> = Arc<Mutex<Vec<T>>>;

/// Notes what it hears; asks for what the test put into `orders` at each timeout input.
struct Double {
    heard: Shared<Input>,
    orders: Arc<Mutex<VecDeque<Effect>>>,
}

impl Machine for Double {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, _: Instant, input: Input, effects: &mut Effects<Effect>) {
        if input == Input::Timeout {
            for order in self.orders.lock().unwrap().drain(..) {
                effects.push(order);
            }
        } else {
            self.heard.lock().unwrap().push(input);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// Membership and links, as far as they are seen from here.
#[derive(Clone, Default)]
struct World {
    membership: Shared<membership::io::Input>,
    sent: Shared<(Pnn, DataMessage)>,
    done: Shared<CallDone>,
}

impl Actor for World {
    type Context = Context<Self>;
}

impl Handler<Feed<membership::io::Input>> for World {
    type Result = ();
    fn handle(&mut self, Feed(input): Feed<membership::io::Input>, _: &mut Context<Self>) {
        self.membership.lock().unwrap().push(input);
    }
}

impl DataOut for World {
    fn send_data(&self, peer: Pnn, message: DataMessage) {
        self.sent.lock().unwrap().push((peer, message));
    }
}

/// A shard under test.
pub(super) struct Shard {
    records: Addr<Records<Double>>,
    heard: Shared<Input>,
    orders: Arc<Mutex<VecDeque<Effect>>>,
    world: World,
}

impl Shard {
    fn start(store: Store) -> Self {
        Self::start_watched(store, LockWatch::default())
    }

    pub(super) fn start_watched(store: Store, locks: LockWatch) -> Self {
        let log = Logger::root(slog::Discard, slog::o!());
        let fatal = Fatal::new(&log);
        let world = World::default();
        let membership = Post::new(1, &fatal).membership;
        membership.occupy(world.clone().start().recipient());
        let done = Arc::clone(&world.done);
        let wiring = Wiring {
            links: Box::new(world.clone()),
            call_done: Box::new(move |call| done.lock().unwrap().push(call)),
            membership,
            log,
            locks,
        };
        let (heard, orders) = (Shared::default(), Arc::default());
        let double = Double {
            heard: Arc::clone(&heard),
            orders: Arc::clone(&orders),
        };
        let records = Records::new(double, store, wiring, Clock::start(), &fatal).start();
        Self {
            records,
            heard,
            orders,
            world,
        }
    }

    /// Lets the machine ask for `effects`.
    pub(super) async fn order(&self, effects: impl IntoIterator<Item = Effect>) {
        self.orders.lock().unwrap().extend(effects);
        self.records
            .send(Feed(Input::Timeout))
            .await
            .expect("alive");
    }

    /// Waits for `count` inputs that `wanted` picks, and answers all of them.
    pub(super) async fn hear<T>(
        &self,
        count: usize,
        wanted: impl Fn(&Input) -> Option<T>,
    ) -> Vec<T> {
        for _ in 0..20_000 {
            let picked: Vec<T> = self
                .heard
                .lock()
                .unwrap()
                .iter()
                .filter_map(&wanted)
                .collect();
            if picked.len() >= count {
                return picked;
            }
            actix::clock::sleep(Duration::from_millis(1)).await;
        }
        panic!("heard only {:?}", self.heard.lock().unwrap());
    }
}

/// The id of the database that [`Scratch::store`] opens.
pub(super) fn only_db(store: &Store) -> DbId {
    store.iter().next().expect("one database").entry().id
}
