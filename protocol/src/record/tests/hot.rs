//! Records that many clients of many nodes want.

use super::border::{Bench, DB, key, mine, serving};
use super::clients;
use super::world::World;
use super::{check, world};
use crate::id::{Pnn, Rsn};
use crate::machine::Machine;
use crate::record::hot::StickyRules;
use crate::record::io::{CallKind, Effect, Input};
use crate::record::local::LocalOutcome;
use crate::record::message::RecordBody;
use crate::time::Instant;
use crate::wire::bytes::Bytes;
use core::time::Duration;

const PINDOWN: Duration = Duration::from_millis(200);

fn rules(hops: u32) -> StickyRules {
    StickyRules {
        hops,
        duration: Duration::from_secs(600),
        pindown: PINDOWN,
    }
}

/// The record comes to so many clients after so many hops, and node 1 wants it again.
fn came(bench: &mut Bench, clients: u64, hops: u32) {
    for call in 0..clients {
        bench.call(call, CallKind::Null);
    }
    bench.local(LocalOutcome::NotMine { rsn: None });
    bench.peer_says(RecordBody::Give {
        key: key(),
        to: Pnn(1),
        heard: u64::MAX,
        hops: 1,
    });
    bench.peer_says(RecordBody::Migrate {
        key: key(),
        rsn: Rsn(2),
        flags: 0,
        data: Bytes::from(&b"data"[..]),
        hops,
    });
    let replies = bench.local(mine(b"data"));
    let is_reply = |effect: &&Effect| matches!(effect, Effect::Reply { .. });
    assert_eq!(replies.iter().filter(is_reply).count() as u64, clients);
}

#[test]
fn a_record_stays_for_each_client_a_moment_but_not_for_a_crowd() {
    for (clients, stays_ms) in [(1, 1), (3, 3), (8, 8), (500, 8)] {
        let mut bench = serving();
        came(&mut bench, clients, 2);
        let until = Instant::ZERO + Duration::from_millis(stays_ms);
        assert_eq!(bench.machine.deadline(), Some(until), "{clients} clients");
    }
}

#[test]
fn a_record_that_never_rests_is_pinned_where_it_comes() {
    let sticky = Input::SetSticky {
        db: DB,
        rules: rules(50),
    };
    let pinned = Instant::ZERO + PINDOWN;
    for (hops, until) in [(49, Instant::ZERO + Duration::from_millis(1)), (50, pinned)] {
        let mut bench = serving();
        bench.feed(sticky.clone());
        came(&mut bench, 1, hops);
        assert_eq!(bench.machine.deadline(), Some(until), "{hops} hops");
    }
}

/// Also for a node that asks when the clients had their turn already.
#[test]
fn a_pinned_record_is_given_to_nobody_before_its_time() {
    let mut bench = serving();
    bench.feed(Input::SetSticky {
        db: DB,
        rules: rules(2),
    });
    bench.call(1, CallKind::Null);
    bench.local(LocalOutcome::NotMine { rsn: None });
    bench.peer_says(RecordBody::Migrate {
        key: key(),
        rsn: Rsn(2),
        flags: 0,
        data: Bytes::default(),
        hops: 2,
    });
    bench.local(mine(b"data"));
    let give = RecordBody::Give {
        key: key(),
        to: Pnn(1),
        heard: u64::MAX,
        hops: 1,
    };
    assert_eq!(bench.peer_says(give), []);
    assert_eq!(bench.machine.deadline(), Some(Instant::ZERO + PINDOWN));
}

#[test]
fn sticky_records_reach_everybody() {
    for seed in 0..100 {
        let mut world = World::new(2 + (seed % 4) as u32, seed);
        for node in 0..world.nodes.len() {
            let (db, rules) = (world::DB, rules(6));
            world.feed(node, Input::SetSticky { db, rules });
        }
        world.add_clients(3, 10, 1 + seed % 3);
        world.settle();
        check(&world, seed);
        if seed % 3 == 0 {
            let count = world.nodes.len() as u64 * 30;
            assert_eq!(
                world.allowed[&clients::key(0)],
                (count, count),
                "seed {seed}"
            );
        }
    }
}
