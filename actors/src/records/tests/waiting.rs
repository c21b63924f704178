//! Waiting for a client with a clock of our own.

use super::helper::Helper;
use super::{OWN, Scratch, only_db};
use crate::records::LockWatch;
use crate::records::chains::{Chains, PAUSE_MAX};
use crate::records::ops::ChainOp;
use ctdb_protocol::record::local::LocalOp;
use ctdb_protocol::time::Instant;
use ctdb_protocol::wire::message::DbKind;
use slog::Logger;
use std::collections::VecDeque;
use std::time::Duration;

#[test]
fn pauses_grow_to_their_limit() {
    let scratch = Scratch::new("pauses");
    let store = scratch.store("v.tdb", |_| ());
    let db = only_db(&store);
    let mut client = Helper::open(&scratch.config().path("v.tdb", DbKind::Volatile));
    client.ask("lock key");
    let log = Logger::root(slog::Discard, slog::o!());
    let mut chains = Chains::new(OWN, &log, &LockWatch::default());
    let (mut now, mut answers) = (Instant::from_micros(1_000_000), VecDeque::new());
    for _ in 0..3 {
        let op = ChainOp::Machine(LocalOp::Read);
        chains.submit(&store, (db, b"key"[..].into()), op, now, &mut answers);
    }
    let begin = now;
    let mut pauses = Vec::new();
    while now.since(begin) < Duration::from_secs(1) {
        let next = chains.next_try().expect("something waits");
        pauses.push(next.since(now).as_micros());
        now = next;
        chains.retry(&store, now, &mut answers);
    }
    assert_eq!(pauses[..7], [200, 500, 1_000, 2_000, 5_000, 10_000, 10_000]);
    assert!(now + PAUSE_MAX >= chains.next_try().expect("still waits"));
    assert!(answers.is_empty());
    client.ask("unlock");
    chains.retry(&store, now + PAUSE_MAX, &mut answers);
    assert_eq!((answers.len(), chains.next_try()), (3, None));
}
