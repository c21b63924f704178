//! One machine alone: what it answers at its border, and its bounds.

use crate::id::{DbId, Generation, Pnn, Rsn};
use crate::limits::{HOPS_MAX, PARKED_CALLS_MAX};
use crate::machine::{Effects, Machine};
use crate::membership::io::Recover;
use crate::membership::message::{Composition, DbInfo, Scope};
use crate::record::header::HEADER_BYTES;
use crate::record::holdings::Holding;
use crate::record::io::{CallId, CallKind, Effect, Input};
use crate::record::local::{LocalOp, LocalOutcome};
use crate::record::machine::RecordMachine;
use crate::record::message::{RecordBody, RecordMessage, Settle};
use crate::record::replica::io::{Job, JobId};
use crate::time::Instant;
use crate::timing::Timing;
use crate::wire::bytes::Bytes;
use crate::wire::message::DbKind;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

pub(super) const DB: DbId = DbId(9);
pub(super) const GENERATION: Generation = Generation::new(5, 0);

pub(super) struct Bench {
    pub(super) machine: RecordMachine,
    pub(super) now: Instant,
}

impl Bench {
    fn new() -> Self {
        let machine = RecordMachine::new(Pnn(0), Timing::DEFAULT, 1);
        let now = Instant::ZERO;
        Self { machine, now }
    }

    pub(super) fn feed(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Effects::new();
        self.machine.step(self.now, input, &mut effects);
        effects.drain().collect()
    }

    pub(super) fn prepare(&mut self, lmaster: u32) {
        let prepare = Recover::Prepare(Composition {
            generation: GENERATION,
            members: vec![Pnn(0), Pnn(1)],
            vnnmap: vec![Pnn(lmaster)],
        });
        self.feed(Input::Recover(prepare));
    }

    fn rebuild(&mut self, kind: DbKind, contributors: &[Pnn]) -> Vec<Effect> {
        let name = "a.tdb".to_string();
        self.feed(Input::Recover(Recover::Rebuild {
            generation: GENERATION,
            contributors: contributors.to_vec(),
            scope: Scope::Whole,
            databases: vec![DbInfo { id: DB, name, kind }],
        }))
    }

    fn opened(&mut self, kind: DbKind) -> Vec<Effect> {
        self.feed(Input::Opened { db: DB, kind })
    }

    fn commit(&mut self) -> Vec<Effect> {
        let generation = GENERATION;
        self.feed(Input::Recover(Recover::Commit { generation }))
    }

    pub(super) fn call(&mut self, call: u64, kind: CallKind) -> Vec<Effect> {
        let call = CallId(call);
        self.feed(Input::Call {
            call,
            db: DB,
            key: key(),
            kind,
            readonly: false,
        })
    }

    pub(super) fn local(&mut self, outcome: LocalOutcome) -> Vec<Effect> {
        self.feed(Input::Local {
            db: DB,
            key: key(),
            outcome,
        })
    }

    pub(super) fn peer_says(&mut self, body: RecordBody) -> Vec<Effect> {
        let peer = Pnn(1);
        self.feed(Input::Message {
            peer,
            message: message(body),
        })
    }
}

pub(super) fn key() -> Bytes {
    Bytes(b"key".to_vec())
}

fn message(body: RecordBody) -> RecordMessage {
    RecordMessage {
        generation: GENERATION,
        db: DB,
        body,
    }
}

fn local(op: LocalOp) -> Effect {
    Effect::Local {
        db: DB,
        key: key(),
        op,
    }
}

pub(super) fn mine(data: &[u8]) -> LocalOutcome {
    LocalOutcome::Mine {
        rsn: Rsn(3),
        flags: 0x0001_0000,
        data: Bytes::from(data),
    }
}

/// A machine that serves a database which was opened after the recovery; node 1 is the lmaster.
pub(super) fn serving() -> Bench {
    let mut bench = Bench::new();
    bench.prepare(1);
    assert_eq!(bench.commit(), vec![]);
    assert_eq!(bench.opened(DbKind::Volatile), vec![]);
    bench
}

#[test]
fn call_kinds_get_their_answers() {
    let mut bench = serving();
    let first = bench.call(1, CallKind::Null);
    assert_eq!(first, vec![local(LocalOp::Read)]);
    assert_eq!(bench.call(2, CallKind::Fetch), vec![]);
    assert_eq!(bench.call(3, CallKind::FetchWithHeader), vec![]);
    let replies = bench.local(mine(b"data"));
    let replies = replies.into_iter().map(|effect| match effect {
        Effect::Reply { data, .. } => data,
        other => panic!("{other:?}"),
    });
    let replies: Vec<Bytes> = replies.collect();
    assert_eq!(replies.len(), 3);
    assert!(replies[0].is_empty());
    assert_eq!(&*replies[1], b"data");
    assert_eq!(replies[2].len(), HEADER_BYTES + 4);
    assert_eq!(replies[2][0], 3);
}

#[test]
fn forgotten_call_is_not_answered() {
    let mut bench = serving();
    bench.call(1, CallKind::Null);
    bench.feed(Input::Forget {
        calls: vec![CallId(1)],
    });
    assert_eq!(bench.local(mine(b"")), vec![]);
}

#[test]
fn request_is_sent_once_for_all_clients() {
    let mut bench = serving();
    bench.call(1, CallKind::Null);
    let sent = bench.local(LocalOutcome::NotMine { rsn: None });
    let body = RecordBody::Call {
        key: key(),
        requester: Pnn(0),
        number: 1,
    };
    assert_eq!(
        sent,
        vec![Effect::Send {
            peer: Pnn(1),
            message: message(body)
        }]
    );
    assert_eq!(bench.call(2, CallKind::Null), vec![]);
}

#[test]
fn replicated_records_never_move() {
    let mut bench = Bench::new();
    bench.opened(DbKind::Persistent);
    bench.prepare(0);
    let effects = bench.rebuild(DbKind::Persistent, &[]);
    let (db, id, job) = (DB, JobId(1), Job::Inspect);
    assert_eq!(effects, vec![Effect::Replica { db, id, job }]);
    bench.call(1, CallKind::Null);
    let effects = bench.local(LocalOutcome::NotMine { rsn: Some(Rsn(1)) });
    let data = Bytes::default();
    assert_eq!(
        effects,
        vec![Effect::Reply {
            call: CallId(1),
            data
        }]
    );
}

#[test]
fn persistent_database_is_not_wiped_whatever_the_others_say() {
    let mut bench = Bench::new();
    bench.opened(DbKind::Persistent);
    bench.prepare(1);
    let effects = bench.rebuild(DbKind::Volatile, &[Pnn(1)]);
    let end = message(RecordBody::DirectoryEnd);
    assert_eq!(
        effects,
        vec![Effect::Send {
            peer: Pnn(1),
            message: end
        }]
    );
}

#[test]
fn directory_that_overtakes_its_prepare_counts() {
    let mut bench = Bench::new();
    bench.opened(DbKind::Volatile);
    let told = key();
    let holding = Holding {
        key: &told,
        rsn: Rsn(8),
        is_dmaster: false,
        is_empty: false,
        is_readonly: false,
    };
    let holdings = [holding].into_iter().collect();
    assert_eq!(bench.peer_says(RecordBody::Directory { holdings }), vec![]);
    assert_eq!(bench.peer_says(RecordBody::DirectoryEnd), vec![]);
    bench.prepare(0);
    let effects = bench.rebuild(DbKind::Volatile, &[Pnn(1)]);
    assert_eq!(
        effects,
        vec![Effect::Wipe {
            generation: GENERATION,
            db: DB
        }]
    );
    let effects = bench.feed(Input::Wiped {
        generation: GENERATION,
        db: DB,
    });
    let settle = RecordBody::Settle(Settle {
        adopt: vec![key()],
        ..Settle::default()
    });
    assert_eq!(
        effects,
        vec![Effect::Send {
            peer: Pnn(1),
            message: message(settle)
        }]
    );
    let effects = bench.peer_says(RecordBody::Settled {
        count: 1,
        kept: vec![],
    });
    assert_eq!(
        effects,
        vec![Effect::Ready {
            whole: true,
            generation: GENERATION,
            db: DB
        }]
    );
}

/// An lmaster that decided about the first two of so many records of node 1 (two are a portion in tests).
fn deciding(records: u8) -> Bench {
    let mut bench = serving();
    bench.prepare(0);
    bench.rebuild(DbKind::Volatile, &[Pnn(1)]);
    let (generation, db) = (GENERATION, DB);
    bench.feed(Input::Wiped { generation, db });
    let keys: Vec<[u8; 1]> = (0..records).map(|key| [key]).collect();
    let holding = |key| Holding {
        key,
        rsn: Rsn(8),
        is_dmaster: true,
        is_empty: false,
        is_readonly: false,
    };
    let holdings = keys.iter().map(|key| holding(&key[..])).collect();
    bench.peer_says(RecordBody::Directory { holdings });
    assert_eq!(bench.peer_says(RecordBody::DirectoryEnd), []);
    bench
}

/// Goes on until nothing is due any more; answers after how many steps the database was ready.
fn steps_until_ready(bench: &mut Bench) -> Option<u32> {
    let (generation, db) = (GENERATION, DB);
    let (mut steps, mut ready_after) = (0, None);
    while let Some(at) = bench.machine.deadline() {
        bench.now = bench.now.max(at);
        steps += 1;
        if bench.feed(Input::Timeout)
            == [Effect::Ready {
                generation,
                db,
                whole: true,
            }]
        {
            assert_eq!(ready_after.replace(steps), None, "ready twice");
        }
    }
    ready_after
}

#[test]
fn calls_are_answered_while_an_lmaster_decides() {
    let mut bench = deciding(5);
    assert_eq!(
        bench.call(1, CallKind::Null),
        vec![local(LocalOp::Read)],
        "two of five are decided"
    );
    assert_eq!(steps_until_ready(&mut bench), Some(2));
}

#[test]
fn one_step_decides_about_one_portion_whatever_is_due() {
    let mut bench = deciding(9);
    bench.call(1, CallKind::Null);
    bench.local(LocalOutcome::Failed);
    // By then the operation is tried again, too.
    bench.now = bench.now + core::time::Duration::from_secs(1);
    assert_eq!(bench.feed(Input::Timeout), [local(LocalOp::Read)]);
    assert_eq!(steps_until_ready(&mut bench), Some(3));
}

#[test]
fn scan_waits_for_a_record_that_is_being_stored() {
    let mut bench = serving();
    bench.call(1, CallKind::Null);
    bench.local(LocalOutcome::NotMine { rsn: None });
    let (rsn, data) = (Rsn(2), Bytes::default());
    let migrate = RecordBody::Migrate {
        key: key(),
        rsn,
        flags: 0,
        data: data.clone(),
        hops: 1,
    };
    let take = local(LocalOp::Take {
        rsn: Rsn(3),
        flags: 0,
        data,
    });
    assert_eq!(bench.peer_says(migrate), vec![take]);
    bench.prepare(1);
    assert_eq!(bench.rebuild(DbKind::Volatile, &[Pnn(0)]), vec![]);
    let effects = bench.local(mine(b""));
    let reply = Effect::Reply {
        call: CallId(1),
        data: Bytes::default(),
    };
    let scan = Effect::Scan {
        generation: GENERATION,
        db: DB,
    };
    assert_eq!(effects, vec![reply, scan]);
}

/// Asks for the record, which is not here: that is call number 1.
fn asking() -> Bench {
    let mut bench = serving();
    bench.call(1, CallKind::Null);
    bench.local(LocalOutcome::NotMine { rsn: None });
    bench
}

fn give(heard: u64) -> RecordBody {
    RecordBody::Give {
        key: key(),
        to: Pnn(1),
        heard,
        hops: 1,
    }
}

fn lost() -> Effect {
    let (key, to) = (key(), Pnn(1));
    Effect::Send {
        peer: Pnn(1),
        message: message(RecordBody::Lost { key, to }),
    }
}

#[test]
fn an_order_behind_our_call_waits_for_the_record() {
    assert_eq!(asking().peer_says(give(1)), []);
}

/// The record was here for an order that came before another call of ours, and is not.
#[test]
fn an_order_before_our_call_is_lost() {
    let mut bench = serving();
    bench.call(1, CallKind::Null);
    assert_eq!(bench.peer_says(give(0)), []);
    let sent = bench.local(LocalOutcome::NotMine { rsn: None });
    assert_eq!(sent[1..], [lost()]);
}

#[test]
fn what_a_search_saw_is_looked_for_before_it_is_lost() {
    let mut bench = asking();
    let look = Effect::Local {
        db: DB,
        key: key(),
        op: LocalOp::Read,
    };
    assert_eq!(bench.peer_says(give(0)), [look]);
    let sent = bench.local(LocalOutcome::NotMine { rsn: None });
    assert_eq!(sent, [lost()]);
}

#[test]
fn too_many_hops_are_asked_anew() {
    let mut bench = serving();
    let effects = bench.peer_says(RecordBody::Give {
        key: key(),
        to: Pnn(1),
        heard: 0,
        hops: HOPS_MAX,
    });
    let lost = message(RecordBody::Lost {
        key: key(),
        to: Pnn(1),
    });
    assert!(matches!(effects[0], Effect::Log(_)));
    assert_eq!(
        effects[1],
        Effect::Send {
            peer: Pnn(1),
            message: lost
        }
    );
}

#[test]
fn parked_calls_are_bounded() {
    let mut bench = Bench::new();
    bench.opened(DbKind::Volatile);
    for number in 0..PARKED_CALLS_MAX as u64 {
        let key = Bytes(number.to_le_bytes().to_vec());
        let (call, kind) = (CallId(number), CallKind::Null);
        assert_eq!(
            bench.feed(Input::Call {
                call,
                db: DB,
                key,
                kind,
                readonly: false
            }),
            vec![]
        );
    }
    let effects = bench.call(u64::MAX, CallKind::Null);
    assert!(matches!(&effects[..], [Effect::Log(notice)] if notice.name() == "queue.full"));
}

#[test]
fn failed_store_is_tried_again() {
    let mut bench = serving();
    bench.call(1, CallKind::Null);
    let effects = bench.local(LocalOutcome::Failed);
    assert!(matches!(&effects[..], [Effect::Log(notice)] if notice.name() == "database.failed"));
    let at = bench.machine.deadline().expect("a time to try again");
    let mut effects = Effects::new();
    bench.machine.step(at, Input::Timeout, &mut effects);
    assert_eq!(effects.as_slice(), [local(LocalOp::Read)]);
    assert_eq!(bench.machine.deadline(), None);
}
