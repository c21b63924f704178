//! Databases whose content is replicated: transactions on real files, in their own threads.

use super::helper::Helper;
use super::{OWN, Scratch, Shard, value};
use crate::records::{Attach, GetSeqnum, ReadRecord, Store};
use ctdb_protocol::id::DbId;
use ctdb_protocol::record::io::{Effect, Input};
use ctdb_protocol::record::replica::SEQNUM_KEY;
use ctdb_protocol::record::replica::io::{Job, JobId, Outcome, Request};
use ctdb_protocol::record::replica::message::{Change, Copy};
use ctdb_protocol::wire::message::DbKind;
use ctdb_tdb::{Access, OpenOptions, Tdb, TdbFlags};
use std::time::Duration;

/// A transaction for the thread of a database.
pub(super) fn update(db: DbId, id: u64, changes: Vec<Change>) -> Effect {
    let (id, job) = (JobId(id), Job::Update(changes));
    Effect::Replica { db, id, job }
}

fn change(key: &[u8], rsn: u64, data: &[u8]) -> Change {
    Change {
        key: key.into(),
        value: value(rsn, OWN, data).into(),
    }
}

/// A shard with one persistent database.
struct Bench {
    shard: Shard,
    db: DbId,
    jobs: u64,
}

impl Bench {
    async fn new(scratch: &Scratch) -> Self {
        let shard = Shard::start(Store::new(scratch.config(), crate::records::DbTable::new()));
        let (name, kind) = ("p.tdb".into(), DbKind::Persistent);
        let attached = shard.records.send(Attach { name, kind }).await;
        let db = attached.expect("alive").expect("attached").id;
        Self { shard, db, jobs: 0 }
    }

    async fn order(&mut self, job: Job) -> JobId {
        self.jobs += 1;
        let (db, id) = (self.db, JobId(self.jobs));
        self.shard.order([Effect::Replica { db, id, job }]).await;
        id
    }

    async fn outcome(&self, id: JobId) -> Outcome {
        let of_job = |input: &Input| match input {
            Input::Replica {
                request: Request::Done { job, outcome },
                ..
            } if *job == id => Some(outcome.clone()),
            _ => None,
        };
        self.shard.hear(1, of_job).await.remove(0)
    }

    async fn run(&mut self, job: Job) -> Outcome {
        let id = self.order(job).await;
        self.outcome(id).await
    }

    async fn copy(&mut self) -> Copy {
        match self.run(Job::Inspect).await {
            Outcome::Copy(copy) => copy,
            other => panic!("{other:?}"),
        }
    }

    async fn data(&self, key: &[u8]) -> Option<Vec<u8>> {
        let (db, key) = (self.db, key.into());
        let read = self.shard.records.send(ReadRecord { db, key }).await;
        let record = read.expect("alive").expect("read");
        record.map(|record| record.data)
    }
}

/// As a client opens the file; another process in earnest.
fn client_options() -> OpenOptions {
    OpenOptions {
        hash_size: 0,
        flags: TdbFlags::CTDB_PERSISTENT,
        access: Access::ReadWrite,
        ..OpenOptions::default()
    }
}

#[actix::test]
async fn transaction_is_done_as_a_whole_or_not_at_all() {
    let scratch = Scratch::new("whole");
    let mut bench = Bench::new(&scratch).await;
    let first = vec![
        change(b"a", 1, b"1"),
        change(SEQNUM_KEY, 1, &1_u64.to_le_bytes()),
    ];
    assert_eq!(bench.run(Job::Update(first)).await, Outcome::Done);
    let before = bench.copy().await;
    assert_eq!((before.seqnum, before.records), (1, 2));
    // The second record is not newer than what is there.
    let refused = vec![change(b"b", 1, b"2"), change(b"a", 1, b"other")];
    assert_eq!(bench.run(Job::Update(refused)).await, Outcome::Failed);
    assert_eq!(bench.data(b"b").await, None);
    assert_eq!(bench.copy().await, before);
    let seqnum = bench.shard.records.send(GetSeqnum(bench.db)).await;
    assert_eq!(seqnum.expect("alive").expect("number"), 1);
}

#[actix::test]
async fn digest_follows_changes_and_sees_those_of_others() {
    let scratch = Scratch::new("digest");
    let mut bench = Bench::new(&scratch).await;
    for rsn in 1..20_u64 {
        let data = rsn.to_string();
        let data = if rsn % 3 == 0 { "" } else { &data };
        let key = [b'k', (rsn % 5) as u8];
        let changes = vec![change(&key, rsn, data.as_bytes())];
        assert_eq!(bench.run(Job::Update(changes)).await, Outcome::Done);
    }
    let followed = bench.copy().await;
    assert!(followed.empty > 0 && followed.records > 0);
    let path = scratch.config().path("p.tdb", DbKind::Persistent);
    drop(bench);
    // The file is closed when the thread has ended.
    let tdb = loop {
        match Tdb::open(&path, &client_options()) {
            Ok(tdb) => break tdb,
            Err(_) => actix::clock::sleep(Duration::from_millis(2)).await,
        }
    };
    drop(tdb);
    let mut bench = Bench::new(&scratch).await;
    assert_eq!(
        bench.copy().await,
        followed,
        "the same as by reading all of it"
    );
    let mut other = Helper::open_persistent(&path);
    other.ask("store elsewhere");
    drop(other);
    assert_ne!(
        bench.copy().await.digest,
        followed.digest,
        "seen without being told"
    );
    assert_eq!(
        bench.run(Job::Settle { healthy: true }).await,
        Outcome::Done
    );
    assert_eq!(bench.copy().await.empty, 0);
}

#[actix::test]
async fn new_content_is_seen_when_it_is_complete() {
    let scratch = Scratch::new("refill");
    let mut bench = Bench::new(&scratch).await;
    let old = vec![change(b"old", 1, b"old")];
    assert_eq!(bench.run(Job::Update(old)).await, Outcome::Done);
    let refill = |first, last, changes| Job::Refill {
        first,
        last,
        changes,
    };
    let part = bench
        .run(refill(true, false, vec![change(b"one", 1, b"1")]))
        .await;
    assert_eq!(part, Outcome::Done);
    let given_up = bench.order(Job::Abandon).await;
    assert_eq!(
        bench.data(b"old").await.as_deref(),
        Some(&b"old"[..]),
        "{given_up:?}"
    );
    let orphan = bench.run(refill(false, true, Vec::new())).await;
    assert_eq!(orphan, Outcome::Failed, "its beginning was given up");
    assert_eq!(bench.data(b"old").await.as_deref(), Some(&b"old"[..]));
    for (first, last, key) in [(true, false, b"one"), (false, true, b"two")] {
        let part = refill(first, last, vec![change(key, 1, b"new")]);
        assert_eq!(bench.run(part).await, Outcome::Done);
    }
    assert_eq!(bench.data(b"old").await, None);
    assert_eq!(bench.data(b"two").await.as_deref(), Some(&b"new"[..]));
    let Outcome::Portion { changes, last } = bench.run(Job::Read { first: true }).await else {
        panic!("no portion");
    };
    assert_eq!((changes.len(), last), (2, true));
}

#[actix::test]
async fn commit_waits_for_a_client_and_holds_nobody_else_up() {
    let scratch = Scratch::new("held");
    let mut bench = Bench::new(&scratch).await;
    let path = scratch.config().path("p.tdb", DbKind::Persistent);
    let mut client = Helper::open_persistent(&path);
    client.ask("lock key");
    let id = bench
        .order(Job::Update(vec![change(b"key", 1, b"new")]))
        .await;
    actix::clock::sleep(Duration::from_millis(50)).await;
    let (name, kind) = ("v.tdb".into(), DbKind::Volatile);
    let other = bench.shard.records.send(Attach { name, kind }).await;
    other.expect("alive").expect("attached");
    let heard = bench.shard.heard.lock().unwrap().clone();
    let is_done = |input: &Input| matches!(input, Input::Replica { .. });
    assert!(!heard.iter().any(is_done), "not before the client lets go");
    client.ask("unlock");
    assert_eq!(bench.outcome(id).await, Outcome::Done);
}
