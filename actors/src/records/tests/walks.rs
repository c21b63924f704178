//! Scans, wipes and traverses of files that clients use meanwhile.

use super::helper::Helper;
use super::replicas::update;
use super::{OWN, Scratch, Shard, only_db, value};
use crate::records::{
    Attach, Detach, ReadRecord, RecordError, SinkState, Store, Traverse, TraverseRecord,
    TraverseSink,
};
use ctdb_protocol::id::{DbId, Generation, Pnn, Rsn};
use ctdb_protocol::limits::DIRECTORY_BATCH;
use ctdb_protocol::record::holdings::Holdings;
use ctdb_protocol::record::io::{Effect, Input};
use ctdb_protocol::record::replica::message::Change;
use ctdb_protocol::wire::message::DbKind;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const RECORDS: usize = 200_000;
const GENERATION: Generation = Generation::new(77, 0);

fn fill(count: usize) -> impl Fn(&crate::records::Database) {
    move |database| {
        for number in 0..count {
            let dmaster = if number % 2 == 0 { OWN } else { Pnn(1) };
            let value = value(5, dmaster, b"data");
            database
                .tdb()
                .store(format!("key{number}").as_bytes(), &value)
                .expect("store");
        }
    }
}

#[actix::test]
async fn scan_shows_each_record_once_while_a_client_stores_and_calls_are_served() {
    let scratch = Scratch::new("scan");
    let store = scratch.store("v.tdb", fill(RECORDS));
    let db = only_db(&store);
    let shard = Shard::start(store);
    let mut client = Helper::open(&scratch.config().path("v.tdb", DbKind::Volatile));
    client.tell("churn 5000");
    assert_eq!(client.answer(), "churning");
    let begin = Instant::now();
    shard
        .order([Effect::Scan {
            generation: GENERATION,
            db,
        }])
        .await;
    let ended = |input: &Input| matches!(input, Input::Scanned { done: true, .. }).then_some(());
    let mut slowest = Duration::ZERO;
    let mut served = 0_u32;
    while shard.heard.lock().unwrap().iter().find_map(ended).is_none() {
        let sent = Instant::now();
        let read = ReadRecord {
            db,
            key: b"absent"[..].into(),
        };
        shard
            .records
            .send(read)
            .await
            .expect("alive")
            .expect("read");
        slowest = slowest.max(sent.elapsed());
        served += 1;
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "the scan does not end"
        );
    }
    println!(
        "scan of {RECORDS} records: {} ms, {served} reads served meanwhile, slowest {} us",
        begin.elapsed().as_millis(),
        slowest.as_micros()
    );
    assert!(served > 10, "reads are served between the slices");
    let mut seen = BTreeMap::new();
    for input in shard.heard.lock().unwrap().iter() {
        let Input::Scanned {
            generation,
            holdings,
            ..
        } = input
        else {
            continue;
        };
        assert_eq!(*generation, GENERATION);
        assert!(holdings.len() <= 2 * DIRECTORY_BATCH);
        for holding in holdings.iter() {
            let old = seen.insert(holding.key.to_vec(), (holding.rsn, holding.is_dmaster));
            assert_eq!(old, None, "{:?} is shown twice", holding.key);
        }
    }
    assert_eq!(seen.len(), RECORDS);
    let of = |key: &str| seen[key.as_bytes()];
    assert_eq!(of("key100000"), (Rsn(5), true));
    assert_eq!(of("key100001"), (Rsn(5), false));
}

#[actix::test]
async fn newer_scan_replaces_the_older_one() {
    let scratch = Scratch::new("newer");
    let store = scratch.store("v.tdb", fill(20_000));
    let db = only_db(&store);
    let shard = Shard::start(store);
    shard
        .order([Effect::Scan {
            generation: Generation::new(76, 0),
            db,
        }])
        .await;
    shard
        .order([Effect::Scan {
            generation: GENERATION,
            db,
        }])
        .await;
    let ends = |input: &Input| match input {
        Input::Scanned {
            generation,
            done: true,
            ..
        } => Some(*generation),
        _ => None,
    };
    assert_eq!(shard.hear(1, ends).await, [GENERATION]);
}

#[actix::test]
async fn wipe_waits_for_a_held_chain_and_leaves_nothing() {
    let scratch = Scratch::new("wipe");
    let store = scratch.store("v.tdb", fill(20_000));
    let db = only_db(&store);
    let shard = Shard::start(store);
    let mut client = Helper::open(&scratch.config().path("v.tdb", DbKind::Volatile));
    client.ask("lock key7");
    shard
        .order([Effect::Wipe {
            generation: GENERATION,
            db,
        }])
        .await;
    let wiped = |input: &Input| {
        (*input
            == Input::Wiped {
                generation: GENERATION,
                db,
            })
        .then_some(())
    };
    actix::clock::sleep(Duration::from_millis(300)).await;
    assert!(shard.heard.lock().unwrap().iter().find_map(wiped).is_none());
    client.ask("store key7");
    client.ask("unlock");
    shard.hear(1, wiped).await;
    shard
        .order([Effect::Scan {
            generation: GENERATION,
            db,
        }])
        .await;
    let holdings = shard.hear(1, |input| match input {
        Input::Scanned {
            holdings,
            done: true,
            ..
        } => Some(holdings.len()),
        _ => None,
    });
    assert_eq!(holdings.await, [0]);
}

#[actix::test]
async fn walks_over_an_unknown_database_find_nothing() {
    let scratch = Scratch::new("nothing");
    let shard = Shard::start(scratch.store("v.tdb", |_| ()));
    let (generation, db) = (GENERATION, DbId(1));
    shard
        .order([
            Effect::Scan { generation, db },
            Effect::Wipe { generation, db },
        ])
        .await;
    let (holdings, done) = (Holdings::new(), true);
    let expected = [
        Input::Scanned {
            generation,
            db,
            holdings,
            done,
        },
        Input::Wiped { generation, db },
    ];
    let heard = shard.hear(2, |input| match input {
        Input::Opened { .. } => None,
        other => Some(other.clone()),
    });
    assert_eq!(heard.await, expected);
}

#[derive(Default)]
struct Taken {
    records: Vec<TraverseRecord>,
    batches: usize,
    end: Option<Result<(), RecordError>>,
}

#[derive(Clone)]
struct Collector {
    taken: Arc<Mutex<Taken>>,
    state: Arc<Mutex<SinkState>>,
}

impl Collector {
    fn new(state: SinkState) -> Self {
        Self {
            taken: Arc::default(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    async fn ended(&self) -> bool {
        for _ in 0..5_000 {
            if let Some(end) = &self.taken.lock().unwrap().end {
                return end.is_ok();
            }
            actix::clock::sleep(Duration::from_millis(1)).await;
        }
        panic!("the traverse does not end");
    }

    fn keys(&self) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        let text = |record: &TraverseRecord| String::from_utf8_lossy(&record.key).into_owned();
        let mut keys: Vec<_> = taken.records.iter().map(text).collect();
        keys.sort();
        keys
    }
}

impl TraverseSink for Collector {
    fn state(&self) -> SinkState {
        *self.state.lock().unwrap()
    }
    fn batch(&mut self, records: Vec<TraverseRecord>) {
        let mut taken = self.taken.lock().unwrap();
        taken.records.extend(records);
        taken.batches += 1;
    }
    fn done(&mut self, end: Result<(), RecordError>) {
        self.taken.lock().unwrap().end = Some(end);
    }
}

#[actix::test]
async fn traverse_shows_own_records_and_empty_ones_if_asked() {
    let scratch = Scratch::new("traverse");
    let store = scratch.store("v.tdb", |database| {
        let tdb = database.tdb();
        tdb.store(b"mine", &value(5, OWN, b"data")).expect("store");
        tdb.store(b"empty", &value(5, OWN, b"")).expect("store");
        tdb.store(b"other", &value(5, Pnn(1), b"data"))
            .expect("store");
        tdb.store(b"broken", b"short").expect("store");
    });
    let db = only_db(&store);
    let shard = Shard::start(store);
    for (with_empty, expected) in [(false, vec!["mine"]), (true, vec!["empty", "mine"])] {
        let sink = Collector::new(SinkState::Ready);
        let traverse = Traverse {
            db,
            with_empty,
            sink: Box::new(sink.clone()),
        };
        shard
            .records
            .send(traverse)
            .await
            .expect("alive")
            .expect("starts");
        assert!(sink.ended().await);
        assert_eq!(sink.keys(), expected);
        let taken = sink.taken.lock().unwrap();
        assert!(taken.records.iter().all(|record| record.value.len() >= 24));
    }
}

#[actix::test]
async fn traverse_of_a_persistent_database_shows_all() {
    let scratch = Scratch::new("all");
    let shard = Shard::start(Store::new(scratch.config(), super::DbTable::new()));
    let attach = Attach {
        name: "secrets.tdb".into(),
        kind: DbKind::Persistent,
    };
    let db = shard
        .records
        .send(attach)
        .await
        .unwrap()
        .expect("opened")
        .id;
    let change = |key: &str| Change {
        key: key.as_bytes().into(),
        value: value(1, OWN, b"").into(),
    };
    let changes = ["one", "two"].map(change).to_vec();
    shard.order([update(db, 1, changes)]).await;
    let sink = Collector::new(SinkState::Ready);
    let traverse = Traverse {
        db,
        with_empty: false,
        sink: Box::new(sink.clone()),
    };
    shard.records.send(traverse).await.unwrap().expect("starts");
    assert!(sink.ended().await);
    assert_eq!(sink.keys(), ["one", "two"]);
}

#[actix::test]
async fn full_sink_holds_the_traverse_back_and_detach_ends_it() {
    let scratch = Scratch::new("full");
    let store = scratch.store("v.tdb", fill(10));
    let db = only_db(&store);
    let shard = Shard::start(store);
    let full = Collector::new(SinkState::Full);
    let traverse = Traverse {
        db,
        with_empty: false,
        sink: Box::new(full.clone()),
    };
    shard.records.send(traverse).await.unwrap().expect("starts");
    actix::clock::sleep(Duration::from_millis(30)).await;
    assert!(full.keys().is_empty());
    *full.state.lock().unwrap() = SinkState::Ready;
    assert!(full.ended().await);
    assert_eq!(full.keys().len(), 5);

    let cut = Collector::new(SinkState::Full);
    let traverse = Traverse {
        db,
        with_empty: false,
        sink: Box::new(cut.clone()),
    };
    shard.records.send(traverse).await.unwrap().expect("starts");
    shard
        .records
        .send(Detach(db))
        .await
        .unwrap()
        .expect("closed");
    assert!(!cut.ended().await);
}
