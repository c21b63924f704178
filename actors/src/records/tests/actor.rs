//! The actor: order of operations, messages of sessions.

use super::helper::Helper;
use super::replicas::update;
use super::{OWN, Scratch, Shard, only_db, value};
use crate::post::Feed;
use crate::records::{
    Attach, BumpSeqnum, Detach, EnableSeqnum, GetSeqnum, OpenError, ReadRecord, RecordError,
    RenewRecord, Store, StoreConfig, StoredRecord, WriteRecord, db_id,
};
use ctdb_protocol::id::{DbId, Generation, Pnn, Rsn};
use ctdb_protocol::membership;
use ctdb_protocol::membership::io::Recover;
use ctdb_protocol::membership::message::{DbInfo, Scope};
use ctdb_protocol::record::header::RecordHeader;
use ctdb_protocol::record::io::{CallId, Effect, Input};
use ctdb_protocol::record::local::{LocalOp, LocalOutcome};
use ctdb_protocol::record::replica::message::Change;
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_protocol::wire::message::DbKind;

fn key(text: &str) -> Bytes {
    text.as_bytes().into()
}

fn local(db: DbId, name: &str, op: LocalOp) -> Effect {
    Effect::Local {
        db,
        key: key(name),
        op,
    }
}

fn take(rsn: u64, data: &str) -> LocalOp {
    LocalOp::Take {
        rsn: Rsn(rsn),
        flags: 0,
        data: key(data),
    }
}

fn outcome(input: &Input) -> Option<(String, LocalOutcome)> {
    let Input::Local { key, outcome, .. } = input else {
        return None;
    };
    Some((String::from_utf8_lossy(key).into_owned(), outcome.clone()))
}

fn mine(rsn: u64, data: &str) -> LocalOutcome {
    LocalOutcome::Mine {
        rsn: Rsn(rsn),
        flags: 0,
        data: key(data),
    }
}

#[actix::test]
async fn operations_on_a_held_chain_wait_in_order_and_others_do_not() {
    let scratch = Scratch::new("order");
    let store = scratch.store("v.tdb", |_| ());
    let (db, path) = (
        only_db(&store),
        scratch.config().path("v.tdb", DbKind::Volatile),
    );
    let shard = Shard::start(store);
    let mut client = Helper::open(&path);
    assert_eq!(client.ask("lock held"), "held");
    shard
        .order([
            local(db, "held", take(1, "one")),
            local(db, "held", LocalOp::Give { to: Pnn(1) }),
            local(db, "free", take(5, "free")),
            local(db, "held", LocalOp::Read),
        ])
        .await;
    assert_eq!(
        shard.hear(1, outcome).await,
        [("free".into(), mine(5, "free"))]
    );
    actix::clock::sleep(std::time::Duration::from_millis(30)).await;
    shard.order([local(db, "held", take(3, "three"))]).await;
    assert_eq!(shard.hear(1, outcome).await.len(), 1, "the others wait");
    assert_eq!(client.ask("unlock"), "done");
    let heard = shard.hear(5, outcome).await;
    let given = LocalOutcome::Given {
        to: Pnn(1),
        rsn: Rsn(1),
        flags: 0x1_0000,
        data: key("one"),
    };
    let held: Vec<_> = heard[1..]
        .iter()
        .map(|(_, outcome)| outcome.clone())
        .collect();
    let lost = LocalOutcome::NotMine { rsn: Some(Rsn(1)) };
    assert_eq!(held, [mine(1, "one"), given, lost, mine(3, "three")]);
}

#[actix::test]
async fn client_that_dies_with_a_lock_lets_operations_through() {
    let scratch = Scratch::new("dies");
    let store = scratch.store("v.tdb", |_| ());
    let db = only_db(&store);
    let shard = Shard::start(store);
    let mut client = Helper::open(&scratch.config().path("v.tdb", DbKind::Volatile));
    client.ask("lock held");
    shard.order([local(db, "held", take(1, "one"))]).await;
    drop(client);
    assert_eq!(
        shard.hear(1, outcome).await,
        [("held".into(), mine(1, "one"))]
    );
}

#[actix::test]
async fn operations_on_an_unknown_database_fail() {
    let scratch = Scratch::new("unknown");
    let shard = Shard::start(scratch.store("v.tdb", |_| ()));
    shard.order([local(DbId(1), "key", LocalOp::Read)]).await;
    assert_eq!(
        shard.hear(1, outcome).await,
        [("key".into(), LocalOutcome::Failed)]
    );
    let read = ReadRecord {
        db: DbId(1),
        key: key("key"),
    };
    let answer = shard.records.send(read).await.expect("alive");
    assert!(matches!(answer, Err(RecordError::NoDatabase(DbId(1)))));
}

#[actix::test]
async fn attach_opens_once_tells_everybody_and_detach_closes() {
    let scratch = Scratch::new("attach");
    let store = Store::new(scratch.config(), super::DbTable::new());
    let table = store.table().clone();
    let shard = Shard::start(store);
    let attach = |name: &str, kind| {
        shard.records.send(Attach {
            name: name.into(),
            kind,
        })
    };
    let (one, two) = tokio::join!(
        attach("locking.tdb", DbKind::Volatile),
        attach("locking.tdb", DbKind::Volatile)
    );
    let (one, two) = (one.unwrap().expect("opened"), two.unwrap().expect("opened"));
    assert_eq!(one, two);
    assert_eq!((one.id, one.open_flags), (DbId(0x7a19_d84d), 0x1c41));
    let secrets = attach("secrets.tdb", DbKind::Persistent)
        .await
        .unwrap()
        .expect("opened");
    let newest_first: Vec<_> = table.list().into_iter().map(|entry| entry.id).collect();
    assert_eq!(newest_first, [secrets.id, one.id]);
    let heard = shard.hear(2, |input| match input {
        Input::Opened { db, kind } => Some((*db, *kind)),
        _ => None,
    });
    let expected = [(one.id, DbKind::Volatile), (secrets.id, DbKind::Persistent)];
    assert_eq!(heard.await, expected);

    let again = attach("locking.tdb", DbKind::Persistent).await.unwrap();
    assert!(matches!(again, Err(OpenError::KindDiffers { .. })));
    let found = attach("secrets.tdb", DbKind::Volatile)
        .await
        .unwrap()
        .expect("found");
    assert_eq!(found.kind, DbKind::Persistent);

    shard
        .records
        .send(EnableSeqnum(one.id))
        .await
        .unwrap()
        .expect("enabled");
    assert_eq!(table.get(one.id).expect("listed").open_flags, 0x1cc1);

    shard
        .records
        .send(Detach(one.id))
        .await
        .unwrap()
        .expect("closed");
    assert_eq!(table.len(), 1);
    let closed = |input: &Input| (*input == Input::Closed { db: one.id }).then_some(());
    shard.hear(1, closed).await;
    assert!(shard.records.send(Detach(one.id)).await.unwrap().is_err());
    let again = attach("locking.tdb", DbKind::Volatile)
        .await
        .unwrap()
        .expect("opened again");
    assert_eq!(again.open_flags, 0x1c41);

    actix::clock::sleep(std::time::Duration::from_millis(5)).await;
    let lists = shard.world.membership.lock().unwrap();
    let Some(membership::io::Input::Databases(last)) = lists.last() else {
        panic!("{lists:?}")
    };
    let names: Vec<_> = last.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(names, ["secrets.tdb", "locking.tdb"]);
}

#[actix::test]
async fn machine_gets_the_databases_that_it_wants() {
    let scratch = Scratch::new("wants");
    let store = Store::new(scratch.config(), super::DbTable::new());
    let shard = Shard::start(store);
    let open = |kind| Effect::Open {
        name: "locking.tdb".into(),
        kind,
    };
    let reply = Effect::Reply {
        call: CallId(4),
        data: key("data"),
    };
    shard
        .order([open(DbKind::Volatile), reply, open(DbKind::Volatile)])
        .await;
    let opened = Input::Opened {
        db: DbId(0x7a19_d84d),
        kind: DbKind::Volatile,
    };
    shard
        .hear(1, |input| (*input == opened).then_some(()))
        .await;
    assert_eq!(shard.world.done.lock().unwrap()[0].call, CallId(4));
}

#[actix::test]
async fn console_reads_and_writes_records_but_only_its_own() {
    let scratch = Scratch::new("console");
    let store = scratch.store("v.tdb", |database| {
        database
            .tdb()
            .store(b"mine", &value(7, OWN, b"old"))
            .expect("store");
        database
            .tdb()
            .store(b"other", &value(7, Pnn(1), b"old"))
            .expect("store");
    });
    let db = only_db(&store);
    let shard = Shard::start(store);
    let write = |name, data| {
        let (key, data) = (key(name), key(data));
        shard.records.send(WriteRecord { db, key, data })
    };
    let read = |name| shard.records.send(ReadRecord { db, key: key(name) });
    write("mine", "new").await.unwrap().expect("written");
    let record = read("mine")
        .await
        .unwrap()
        .expect("read")
        .expect("is there");
    assert_eq!(
        (record.header.rsn, record.data.as_slice()),
        (Rsn(7), &b"new"[..])
    );
    for name in ["other", "absent"] {
        let refused = write(name, "new").await.unwrap();
        assert!(matches!(refused, Err(RecordError::NotDmaster)), "{name}");
    }
    assert_eq!(read("absent").await.unwrap().expect("read"), None);

    let mut client = Helper::open(&scratch.config().path("v.tdb", DbKind::Volatile));
    client.ask("lock mine");
    let waiting = actix::spawn(write("mine", "later"));
    actix::clock::sleep(std::time::Duration::from_millis(20)).await;
    assert!(!waiting.is_finished(), "waits for the client");
    client.ask("unlock");
    waiting.await.unwrap().unwrap().expect("written");
}

/// `UPDATE_RECORD`; 4.17 makes no record by it, and never lets an older number replace a newer one.
#[actix::test]
async fn record_is_renewed_only_by_a_newer_one_where_it_lives() {
    let scratch = Scratch::new("renew");
    let store = scratch.store("v.tdb", |database| {
        for (name, dmaster) in [(&b"mine"[..], OWN), (&b"other"[..], Pnn(1))] {
            let stored = database.tdb().store(name, &value(7, dmaster, b"old"));
            stored.expect("store");
        }
    });
    let db = only_db(&store);
    let shard = Shard::start(store);
    let renew = async |name, rsn, data: &[u8]| {
        let (header, data) = RecordHeader::split(&value(rsn, Pnn(2), data))
            .map(|(header, data)| (header, data.to_vec()))
            .expect("a record");
        let (key, record) = (key(name), StoredRecord { header, data });
        let answer = shard.records.send(RenewRecord { db, key, record }).await;
        answer.expect("the shard lives")
    };
    let read = async |name| {
        let answer = shard.records.send(ReadRecord { db, key: key(name) }).await;
        answer.expect("the shard lives").expect("read")
    };
    renew("mine", 17, b"new").await.expect("renewed");
    let record = read("mine").await.expect("is there");
    assert_eq!((record.header.rsn, record.header.dmaster), (Rsn(17), OWN));
    assert_eq!(record.data, b"new");
    let older = renew("mine", 17, b"older").await;
    assert!(matches!(older, Err(RecordError::Older)), "{older:?}");
    renew("mine", 16, b"new").await.expect("nothing to do");
    assert_eq!(read("mine").await, Some(record));
    let elsewhere = renew("other", 17, b"new").await;
    assert!(matches!(elsewhere, Err(RecordError::NotDmaster)));
    renew("absent", 1, b"new").await.expect("nothing to do");
    assert_eq!(read("absent").await, None);
}

#[actix::test]
async fn sequence_numbers_come_from_the_file_or_from_the_transactions() {
    let scratch = Scratch::new("seqnum");
    let store = Store::new(scratch.config(), super::DbTable::new());
    let shard = Shard::start(store);
    let ask = |db| shard.records.send(GetSeqnum(db));
    let attach = |name: &str, kind| {
        shard.records.send(Attach {
            name: name.into(),
            kind,
        })
    };
    let locking = attach("locking.tdb", DbKind::Volatile)
        .await
        .unwrap()
        .unwrap()
        .id;
    shard
        .records
        .send(EnableSeqnum(locking))
        .await
        .unwrap()
        .expect("enabled");
    shard.order([local(locking, "key", take(1, "data"))]).await;
    assert_eq!(ask(locking).await.unwrap().expect("number"), 1);
    shard
        .records
        .send(BumpSeqnum(locking))
        .await
        .unwrap()
        .expect("counted");
    assert_eq!(ask(locking).await.unwrap().expect("number"), 2);
    let secrets = attach("secrets.tdb", DbKind::Persistent)
        .await
        .unwrap()
        .unwrap()
        .id;
    assert_eq!(ask(secrets).await.unwrap().expect("number"), 0);
    let change = Change {
        key: key("__db_sequence_number__\0"),
        value: value(1, OWN, &513_u64.to_le_bytes()).into(),
    };
    shard.order([update(secrets, 1, vec![change])]).await;
    assert_eq!(ask(secrets).await.unwrap().expect("number"), 513);
}

#[actix::test]
async fn shard_hears_only_of_its_own_databases_in_a_recovery() {
    let scratch = Scratch::new("own");
    let config = StoreConfig {
        shards: 2,
        ..scratch.config()
    };
    let infos = ["locking.tdb", "leases.tdb", "secrets.tdb"].map(|name| DbInfo {
        id: db_id(name),
        name: name.into(),
        kind: DbKind::Volatile,
    });
    let ours: Vec<_> = infos
        .iter()
        .filter(|info| config.is_ours(info.id))
        .collect();
    assert!(!ours.is_empty() && ours.len() < infos.len());
    let shard = Shard::start(Store::new(config.clone(), super::DbTable::new()));
    let generation = Generation::new(9, 0);
    let rebuild = |databases| {
        let contributors = vec![OWN];
        Input::Recover(Recover::Rebuild {
            scope: Scope::Whole,
            generation,
            contributors,
            databases,
        })
    };
    let serve = |db| Input::Recover(Recover::Serve { generation, db });
    shard.records.do_send(Feed(rebuild(infos.to_vec())));
    for info in &infos {
        shard.records.do_send(Feed(serve(info.id)));
    }
    let mut expected = vec![rebuild(ours.iter().copied().cloned().collect())];
    expected.extend(ours.iter().map(|info| serve(info.id)));
    // Behind everything else.
    let last = Input::PeerDown { peer: Pnn(1) };
    expected.push(last.clone());
    shard.records.do_send(Feed(last));
    let heard = shard
        .hear(expected.len(), |input| Some(input.clone()))
        .await;
    assert_eq!(heard, expected);
}
