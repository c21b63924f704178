//! The actor's death ends the worker: shown in a second process.

use super::{OWN, Scratch, Shard};
use crate::fatal::EXIT_FATAL;
use crate::records::{SinkState, Traverse, TraverseRecord, TraverseSink};
use std::env;
use std::process::{Command, Stdio};
use std::time::Duration;

const VARIABLE: &str = "CTDB_RECORDS_TEST_DEATH";

struct Faulty;

impl TraverseSink for Faulty {
    fn state(&self) -> SinkState {
        SinkState::Ready
    }
    fn batch(&mut self, _: Vec<TraverseRecord>) {
        panic!("a fault of the shell");
    }
    fn done(&mut self, _: Result<(), crate::records::RecordError>) {}
}

/// Does nothing in the first process.
#[actix::test]
async fn death_entry() {
    if env::var_os(VARIABLE).is_none() {
        return;
    }
    let scratch = Scratch::new("death");
    let store = scratch.store("v.tdb", |database| {
        let value = super::value(1, OWN, b"data");
        database.tdb().store(b"key", &value).expect("store");
    });
    let db = super::only_db(&store);
    let shard = Shard::start(store);
    let sink = Box::new(Faulty);
    let traverse = Traverse {
        db,
        with_empty: false,
        sink,
    };
    // The worker ends before or after the answer.
    let _ = shard.records.send(traverse).await;
    actix::clock::sleep(Duration::from_secs(5)).await;
}

#[test]
fn panic_in_the_actor_ends_the_worker() {
    // The second process ends without clean-up.
    let scratch = Scratch::new("deaths");
    let status = Command::new(env::current_exe().expect("own path"))
        .args(["--exact", "records::tests::death::death_entry"])
        .env(VARIABLE, "1")
        .env("TMPDIR", scratch.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("start");
    assert_eq!(status.code(), Some(EXIT_FATAL));
}
