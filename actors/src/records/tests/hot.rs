//! A chain that clients hold nearly all the time.

use super::helper::Helper;
use super::{Scratch, Shard, only_db};
use crate::records::{Database, LockWatch};
use ctdb_protocol::id::Rsn;
use ctdb_protocol::record::io::{Effect, Input};
use ctdb_protocol::record::local::LocalOp;
use ctdb_protocol::wire::message::DbKind;
use ctdb_tdb::Place;
use rustix::process::{Pid, Signal, kill_process};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[actix::test]
async fn hot_chain_is_had_again_and_again_and_each_wait_is_counted() {
    const TURNS: usize = 50;
    let scratch = Scratch::new("hot");
    let store = scratch.store("v.tdb", |_| ());
    let (db, path) = (
        only_db(&store),
        scratch.config().path("v.tdb", DbKind::Volatile),
    );
    let watch = LockWatch::default();
    let shard = Shard::start_watched(store, watch.clone());
    let mut clients = [Helper::open(&path), Helper::open(&path)];
    for client in &mut clients {
        client.ask("hold key 1000");
    }
    let is_local = |input: &Input| matches!(input, Input::Local { .. }).then_some(());
    let mut longest = Duration::ZERO;
    for turn in 1..=TURNS {
        let (key, op) = (b"key"[..].into(), LocalOp::Read);
        let begin = Instant::now();
        shard.order([Effect::Local { db, key, op }]).await;
        shard.hear(turn, is_local).await;
        longest = longest.max(begin.elapsed());
        // Else we come again before a client has woken up.
        actix::clock::sleep(Duration::from_millis(2)).await;
    }
    let (locks, all) = (watch.counters().of(db).locks, watch.counters().locks());
    println!("longest of {TURNS} turns {longest:?}, {locks:?}");
    assert_eq!(
        (locks.num_current, locks.num_pending, locks.num_failed),
        (0, 0, 0)
    );
    // A turn that came in a moment when the chain was free was no wait.
    assert!((1..=TURNS as u32).contains(&locks.num_calls), "{locks:?}");
    assert_eq!(locks.buckets.iter().sum::<u32>(), locks.num_calls);
    assert_eq!(locks, all);
}

/// libtdb's store would wait for that client, and with it all that this thread serves.
#[actix::test]
async fn client_stopped_in_the_freelist_delays_its_database_only() {
    let scratch = Scratch::new("freelist");
    let mut store = scratch.store("v.tdb", |_| ());
    let config = store.config().clone();
    let other = Database::open(&config, "w.tdb", DbKind::Volatile).expect("open");
    let (db, other_db) = (only_db(&store), other.entry().id);
    let mutexes = Arc::clone(store.get(db).and_then(Database::mutexes).expect("mutexes"));
    store.insert(other, |_| ());
    let mut client = Helper::open(&config.path("v.tdb", DbKind::Volatile));
    client.ask("count-free");
    let pid = Pid::from_raw(client.pid()).expect("a number");
    let is_stopped_there = || {
        kill_process(pid, Signal::STOP).expect("stop");
        std::thread::sleep(Duration::from_millis(2));
        let place = mutexes.owner(Place::Freelist);
        if place.is_none() {
            kill_process(pid, Signal::CONT).expect("go on");
            std::thread::sleep(Duration::from_micros(300));
        }
        place.is_some()
    };
    assert!(
        (0..1_000).any(|_| is_stopped_there()),
        "never stopped in the freelist"
    );
    let shard = Shard::start(store);
    let take = |db, name: &[u8]| Effect::Local {
        db,
        key: name.into(),
        op: LocalOp::Take {
            rsn: Rsn(1),
            flags: 0,
            data: vec![7; 300].into(),
        },
    };
    shard
        .order([take(db, b"one"), take(db, b"two"), take(other_db, b"three")])
        .await;
    let local = |input: &Input| match input {
        Input::Local { db, .. } => Some(*db),
        _ => None,
    };
    assert_eq!(shard.hear(1, local).await, [other_db]);
    actix::clock::sleep(Duration::from_millis(50)).await;
    assert_eq!(shard.hear(1, local).await, [other_db]);
    kill_process(pid, Signal::CONT).expect("go on");
    assert_eq!(shard.hear(3, local).await, [other_db, db, db]);
}
