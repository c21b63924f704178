//! Waiting for a client with a clock of our own: pauses and warnings.

use super::helper::Helper;
use super::{OWN, Scratch, only_db};
use crate::records::chains::{ChainOp, Chains, PAUSE_MAX};
use ctdb_protocol::record::local::LocalOp;
use ctdb_protocol::time::Instant;
use ctdb_protocol::wire::message::DbKind;
use slog::{Drain, Logger, Never, OwnedKVList, Record};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

#[test]
fn pauses_grow_to_their_limit_and_each_ten_seconds_are_logged() {
    let scratch = Scratch::new("pauses");
    let store = scratch.store("v.tdb", |_| ());
    let db = only_db(&store);
    let mut client = Helper::open(&scratch.config().path("v.tdb", DbKind::Volatile));
    client.ask("lock key");
    let lines = Lines::default();
    let mut chains = Chains::new(OWN, &Logger::root(lines.clone(), slog::o!()));
    let (mut now, mut answers) = (Instant::from_micros(1_000_000), VecDeque::new());
    for _ in 0..3 {
        let op = ChainOp::Machine(LocalOp::Read);
        chains.submit(&store, (db, b"key"[..].into()), op, now, &mut answers);
    }
    let begin = now;
    let mut pauses = Vec::new();
    while now.since(begin) < Duration::from_secs(25) {
        let next = chains.next_try().expect("something waits");
        pauses.push(next.since(now).as_micros());
        now = next;
        chains.retry(&store, now, &mut answers);
    }
    assert_eq!(pauses[..7], [200, 500, 1_000, 2_000, 5_000, 10_000, 10_000]);
    assert!(now + PAUSE_MAX >= chains.next_try().expect("still waits"));
    let expected = format!("database 0x{:08x} for 10 seconds", db.0);
    let logged = lines.0.lock().unwrap();
    assert_eq!(logged.len(), 2, "{logged:?}");
    assert!(logged[0].ends_with(&expected), "{logged:?}");
    assert!(logged[1].ends_with("for 20 seconds"), "{logged:?}");
    assert!(answers.is_empty());
    client.ask("unlock");
    chains.retry(&store, now + PAUSE_MAX, &mut answers);
    assert_eq!((answers.len(), chains.next_try()), (3, None));
}
