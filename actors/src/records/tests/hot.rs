//! A chain that clients hold nearly all the time.

use super::helper::Helper;
use super::{Scratch, Shard, only_db};
use crate::records::LockWatch;
use ctdb_protocol::record::io::{Effect, Input};
use ctdb_protocol::record::local::LocalOp;
use ctdb_protocol::wire::message::DbKind;
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
    }
    let (locks, all) = (watch.counters().of(db), watch.counters().all());
    println!("longest of {TURNS} turns {longest:?}, {locks:?}");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    assert_eq!(
        (locks.num_current, locks.num_pending, locks.num_failed),
        (0, 0, 0)
    );
    // A turn that came in a moment when the chain was free was no wait.
    assert!((25..=TURNS as u32).contains(&locks.num_calls), "{locks:?}");
    assert_eq!(locks.buckets.iter().sum::<u32>(), locks.num_calls);
    assert_eq!(locks, all);
}
