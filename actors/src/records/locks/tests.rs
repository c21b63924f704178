//! The watch with real files and real clients: what it takes back, what it names, whom it ends.

use super::{LockLimits, LockWatch};
use crate::records::tests::helper::Helper;
use crate::records::tests::{Scratch, Shard, only_db};
use crate::records::{DbTable, Store};
use ctdb_protocol::id::{ClientId, DbId};
use ctdb_protocol::record::io::{Effect, Input};
use ctdb_protocol::record::local::LocalOp;
use ctdb_protocol::wire::message::DbKind;
use slog::{Drain, Logger, Never, OwnedKVList, Record};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Drain for Lines {
    type Ok = ();
    type Err = Never;
    fn log(&self, record: &Record<'_>, _: &OwnedKVList) -> Result<(), Never> {
        self.0.lock().unwrap().push(record.msg().to_string());
        Ok(())
    }
}

impl Lines {
    /// Waits for a line with these words and answers after how long it came.
    async fn wait_for(&self, words: &[&str]) -> Duration {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(10) {
            let lines = self.0.lock().unwrap().clone();
            let fits = |line: &String| words.iter().all(|word| line.contains(word));
            if lines.iter().any(fits) {
                return begin.elapsed();
            }
            actix::clock::sleep(Duration::from_millis(5)).await;
        }
        panic!("no {words:?} in {:?}", self.0.lock().unwrap());
    }
}

/// A shard under watch with one database, and clients of its file.
struct World {
    shard: Shard,
    watch: LockWatch,
    lines: Lines,
    db: DbId,
    path: PathBuf,
    _scratch: Scratch,
}

impl World {
    fn start(test: &str, limits: LockLimits) -> Self {
        let scratch = Scratch::new(&format!("locks-{test}"));
        Self::with(scratch, |scratch| scratch.store("v.tdb", |_| ()), limits)
    }

    fn with(scratch: Scratch, store: impl FnOnce(&Scratch) -> Store, limits: LockLimits) -> Self {
        let store = store(&scratch);
        let (db, lines) = (only_db(&store), Lines::default());
        let path = scratch.config().path("v.tdb", DbKind::Volatile);
        let watch = LockWatch::start(&Logger::root(lines.clone(), slog::o!()), limits);
        let shard = Shard::start_watched(store, watch.clone());
        Self {
            shard,
            watch,
            lines,
            db,
            path,
            _scratch: scratch,
        }
    }

    /// Lets the daemon want the record `key`.
    async fn want(&self) {
        let (db, key, op) = (self.db, b"key"[..].into(), LocalOp::Read);
        self.shard.order([Effect::Local { db, key, op }]).await;
    }

    /// Waits until the daemon had it `count` times.
    async fn served(&self, count: usize) {
        let is_local = |input: &Input| matches!(input, Input::Local { .. }).then_some(());
        self.shard.hear(count, is_local).await;
    }
}

fn quick(evict: bool) -> LockLimits {
    LockLimits {
        warn_after: Duration::from_millis(300),
        evict_after: evict.then_some(Duration::from_millis(500)),
        ..LockLimits::default()
    }
}

#[actix::test]
async fn lock_of_a_client_that_closed_and_ended_is_taken_back() {
    for lock in ["lock key", "lockall"] {
        let world = World::start("ended", LockLimits::default());
        let mut client = Helper::open(&world.path);
        world.watch.client_came(client.pid(), ClientId(17));
        client.ask(lock);
        world.want().await;
        client.ask("abandon 0");
        client.end();
        let begin = Instant::now();
        world.watch.client_gone(ClientId(17));
        world.served(1).await;
        let took = begin.elapsed();
        let what = if lock == "lockall" {
            "whole database"
        } else {
            "(key 6B6579)"
        };
        world
            .lines
            .wait_for(&["Took back", what, "database v.tdb"])
            .await;
        println!("{lock}: served after {took:?}");
        // Promised is a second; a shared machine is not held to it here.
    }
}

/// Nobody in the daemon wants the record, and it does not know the client: another client waits.
#[actix::test]
async fn lock_nobody_here_waits_for_is_taken_back_too() {
    let world = World::start("stranger", LockLimits::default());
    let mut client = Helper::open(&world.path);
    client.ask("lock key");
    client.ask("abandon 0");
    client.end();
    let mut other = Helper::open(&world.path);
    other.tell("lock key");
    let took = world
        .lines
        .wait_for(&["Took back chain", "database v.tdb"])
        .await;
    println!("after {took:?}");
    assert_eq!(other.answer(), "held");
}

#[actix::test]
async fn walk_gets_past_the_lock_of_a_dead_client() {
    let world = World::start("walk", LockLimits::default());
    let mut client = Helper::open(&world.path);
    client.ask("lock key");
    client.ask("abandon 0");
    client.end();
    let (db, generation) = (world.db, ctdb_protocol::id::Generation::new(5, 0));
    let begin = Instant::now();
    world.shard.order([Effect::Wipe { generation, db }]).await;
    let wiped = |input: &Input| matches!(input, Input::Wiped { .. }).then_some(());
    world.shard.hear(1, wiped).await;
    let took = begin.elapsed();
    println!("wiped after {took:?}");
    // Promised is a second; a shared machine is not held to it here.
}

#[actix::test]
async fn client_that_closed_and_lives_on_keeps_it_and_is_named() {
    let world = World::start("alive", LockLimits::default());
    let mut client = Helper::open(&world.path);
    client.ask("lock key");
    client.ask("abandon 60000");
    world.want().await;
    let named = [
        "stays with PID",
        &client.pid().to_string(),
        "(key 6B6579)",
        "lives on",
    ];
    world.lines.wait_for(&named).await;
    actix::clock::sleep(Duration::from_millis(500)).await;
    let is_about = |line: &&String| line.contains("stays with");
    let lines = world.lines.0.lock().unwrap().clone();
    assert_eq!(
        lines.iter().filter(is_about).count(),
        1,
        "said once: {lines:?}"
    );
    assert!(!lines.iter().any(|line| line.contains("Took back")));
    drop(client);
    world.served(1).await;
    world.lines.wait_for(&["Took back", "(key 6B6579)"]).await;
}

#[actix::test]
async fn client_of_an_unknown_namespace_keeps_it() {
    let world = World::start("foreign", LockLimits::default());
    world.watch.client_came(0, ClientId(1));
    let mut client = Helper::open(&world.path);
    client.ask("lock key");
    client.ask("abandon 0");
    client.end();
    world.want().await;
    world
        .lines
        .wait_for(&["stays with thread", "another PID namespace"])
        .await;
}

#[actix::test]
async fn live_holder_is_named_again_and_again() {
    let world = World::start("named", quick(false));
    let mut client = Helper::open(&world.path);
    world.watch.client_came(client.pid(), ClientId(23));
    client.ask("lock key");
    let pid = rustix::process::Pid::from_raw(client.pid()).expect("a number");
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("stop");
    world.want().await;
    let who = format!("PID {}", client.pid());
    let words = [
        "Unable to get RECORD lock on database v.tdb for",
        "key 6B6579",
        "is stopped",
        &who,
        "client 23",
    ];
    let begin = Instant::now();
    world.lines.wait_for(&words).await;
    let count = || world.lines.0.lock().unwrap().len();
    while count() < 2 {
        assert!(begin.elapsed() < Duration::from_secs(10), "named once only");
        actix::clock::sleep(Duration::from_millis(5)).await;
    }
    // The wait began a moment before.
    let most = begin.elapsed().as_millis() / 300 + 1;
    assert!(
        count() as u128 <= most,
        "{:?}",
        world.lines.0.lock().unwrap()
    );
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).expect("continue");
    client.ask("unlock");
    world.served(1).await;
}

#[actix::test]
async fn live_holder_is_killed_where_that_is_allowed() {
    let world = World::start("killed", quick(true));
    let mut client = Helper::open(&world.path);
    client.ask("lockall");
    world.want().await;
    world
        .lines
        .wait_for(&["Killed PID", "database v.tdb"])
        .await;
    world.served(1).await;
    client.end();
}

/// Where there are no mutexes the kernel releases the locks; the holder is found in `/proc/locks`.
#[actix::test]
async fn holder_of_a_record_lock_is_named() {
    let scratch = Scratch::new("locks-fcntl");
    let plain = |scratch: &Scratch| {
        let config = crate::records::StoreConfig {
            mutexes: false,
            hash_size: 1_009,
            ..scratch.config()
        };
        let database = crate::records::Database::open(&config, "v.tdb", DbKind::Volatile);
        let mut store = Store::new(config, DbTable::new());
        store.insert(database.expect("open"), |_| ());
        store
    };
    let world = World::with(scratch, plain, quick(false));
    let mut client = Helper::open_plain(&world.path);
    client.ask("lock key");
    world.want().await;
    let who = format!("PID {}", client.pid());
    world
        .lines
        .wait_for(&["key 6B6579", "which sleeps", &who])
        .await;
    drop(client);
    world.served(1).await;
}
