//! Clients that only look at a record which others want.

use super::border::{Bench, DB, GENERATION, key, mine, serving};
use crate::id::{Pnn, Rsn};
use crate::machine::Machine;
use crate::membership::io::Recover;
use crate::record::io::{CallKind, Effect, Input};
use crate::record::local::{LocalOp, LocalOutcome};
use crate::record::message::RecordBody;
use crate::wire::bytes::Bytes;
use core::time::Duration;

/// How long the record takes to come.
const WAY: Duration = Duration::from_millis(1);

fn asks(effects: &[Effect]) -> bool {
    let is_call = |effect: &Effect| matches!(effect, Effect::Send { message, .. } if matches!(message.body, RecordBody::Call { .. }));
    effects.iter().any(is_call)
}

/// A client wants the record; answers after what pause it was asked for.
fn asked_after(bench: &mut Bench) -> Duration {
    let begin = bench.now;
    bench.call(1, CallKind::Null);
    let mut effects = bench.local(LocalOutcome::NotMine { rsn: None });
    while !asks(&effects) {
        bench.now = bench.machine.deadline().expect("it is asked for later");
        bench.feed(Input::Timeout);
        effects = bench.local(LocalOutcome::NotMine { rsn: None });
    }
    bench.now.since(begin)
}

/// The record comes and goes on to a node that waits for it; answers how long it stays.
fn comes_and_goes(bench: &mut Bench, data: &[u8], left: &[u8]) -> Duration {
    bench.now = bench.now + WAY;
    let (key, to, rsn, flags) = (key(), Pnn(1), Rsn(2), 0);
    bench.peer_says(RecordBody::Give {
        key: key.clone(),
        to,
        heard: u64::MAX,
        hops: 1,
    });
    bench.peer_says(RecordBody::Migrate {
        key: key.clone(),
        rsn,
        flags,
        data: Bytes::from(data),
        hops: 1,
    });
    bench.local(mine(data));
    let came_at = bench.now;
    bench.now = bench.machine.deadline().expect("it goes on");
    let (db, op) = (DB, LocalOp::Give { to });
    assert_eq!(bench.feed(Input::Timeout), [Effect::Local { db, key, op }]);
    let data = Bytes::from(left);
    bench.local(LocalOutcome::Given {
        to,
        rsn,
        flags,
        data,
    });
    bench.now.since(came_at)
}

#[test]
fn who_only_looks_asks_again_later_and_later() {
    let mut bench = serving();
    for looks in 0..20 {
        let pause = (WAY * looks.min(8)).min(Duration::from_millis(10));
        assert_eq!(asked_after(&mut bench), pause, "after {looks} looks");
        comes_and_goes(&mut bench, b"held", b"held");
    }
}

#[test]
fn who_changed_it_asks_at_once() {
    let mut bench = serving();
    for _ in 0..3 {
        assert_eq!(asked_after(&mut bench), Duration::ZERO);
        comes_and_goes(&mut bench, b"held", b"free");
    }
    assert_eq!(asked_after(&mut bench), Duration::ZERO);
    comes_and_goes(&mut bench, b"held", b"held");
    assert_eq!(asked_after(&mut bench), WAY);
}

/// It may be that no client ever had its turn.
#[test]
fn now_and_then_it_stays_longer() {
    let mut bench = serving();
    let mut longer = 0;
    for _ in 0..16 {
        asked_after(&mut bench);
        longer += u32::from(comes_and_goes(&mut bench, b"held", b"held") >= WAY);
    }
    // The first time, nobody knows yet.
    assert_eq!(longer, 3);
}

#[test]
fn a_recovery_makes_an_end_of_the_pause() {
    let mut bench = serving();
    asked_after(&mut bench);
    comes_and_goes(&mut bench, b"held", b"held");
    bench.call(1, CallKind::Null);
    let effects = bench.local(LocalOutcome::NotMine { rsn: None });
    assert!(!asks(&effects));
    bench.prepare(1);
    bench.local(LocalOutcome::NotMine { rsn: None });
    let serve = Recover::Serve {
        generation: GENERATION,
        db: DB,
    };
    bench.feed(Input::Recover(serve));
    assert!(asks(&bench.local(LocalOutcome::NotMine { rsn: None })));
}
