//! The thread that waits for chains: exactness, no lost wake-ups, no starvation.

mod common;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Helper, Scratch, count_up, serve_if_helper};
use ctdb_tdb::{
    Census, ChainWaiter, Error, Grant, Mutexes, Place, Tdb, TdbFlags, Turn, Verdict, Wanted,
    jenkins_chain,
};

const FLAGS: TdbFlags = TdbFlags::CTDB_VOLATILE;
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn helper_entry() {
    serve_if_helper();
}

struct World {
    tdb: Tdb,
    mutexes: Arc<Mutexes>,
    waiter: ChainWaiter,
    turns: Receiver<Turn>,
    scratch: Scratch,
}

impl World {
    /// None where the kernel is too old.
    fn new(test: &str) -> Option<Self> {
        let scratch = Scratch::new(test);
        let tdb = scratch.open("x", FLAGS);
        let mutexes = Arc::new(tdb.mutexes().expect("mapped").expect("known"));
        let (sender, turns) = mpsc::channel();
        let turn = move |turn| drop(sender.send(turn));
        match ChainWaiter::start(|| (), turn) {
            Ok(waiter) => Some(Self {
                tdb,
                mutexes,
                waiter,
                turns,
                scratch,
            }),
            Err(error) => {
                println!("NOT RUN: {test}: {error}");
                None
            }
        }
    }

    fn helper(&self) -> Helper {
        Helper::open(&self.scratch.path("x"), FLAGS)
    }

    fn chain(&self, key: &[u8]) -> u32 {
        jenkins_chain(key, self.tdb.hash_size())
    }

    fn want(&self, ticket: u64, key: &[u8]) {
        self.waiter.want(Wanted {
            ticket,
            mutexes: Arc::clone(&self.mutexes),
            chain: self.chain(key),
        });
    }

    fn grant(&self) -> Grant {
        match self.turns.recv_timeout(PATIENCE).expect("a turn") {
            Turn::Granted(grant) => grant,
            Turn::Refused(ticket) => panic!("ticket {ticket} refused"),
        }
    }

    fn nothing_comes(&self) {
        let turn = self.turns.recv_timeout(Duration::from_millis(100));
        assert!(turn.is_err(), "{turn:?}");
    }
}

#[test]
fn chain_is_granted_when_its_holder_lets_go() {
    let Some(world) = World::new("granted") else {
        return;
    };
    let mut client = world.helper();
    for (lock, unlock) in [("lock key", "unlock"), ("lockall", "unlockall")] {
        client.ask(lock);
        world.want(7, b"key");
        world.nothing_comes();
        client.ask(unlock);
        let grant = world.grant();
        assert_eq!(grant.ticket(), 7);
        assert_eq!(client.ask("try key"), "busy");
        {
            let lock = grant.lock(&world.tdb, b"key").expect("this chain");
            lock.tdb().store(b"key", b"ours").expect("store");
        }
        let other = grant.lock(&world.tdb, b"other").map(drop);
        assert!(matches!(other, Err(Error::Misuse { .. })), "{other:?}");
        drop(grant);
        assert_eq!(client.ask("lock key"), "locked");
        client.ask("unlock");
        assert_eq!(client.ask("fetch key"), "ours");
    }
}

/// The mutex is held by a thread of ours, which says so.
#[test]
fn granted_chain_has_a_live_owner() {
    let Some(world) = World::new("owner") else {
        return;
    };
    world.want(1, b"key");
    let grant = world.grant();
    let place = Place::Chain(world.chain(b"key"));
    let owner = world.mutexes.owner(place).expect("held");
    let census = Census::take(&world.mutexes).expect("a look around");
    let verdict = census.examine(&world.mutexes, place, owner);
    let Ok(Some(Verdict::Holds(process))) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(process.pid, std::process::id());
    drop(grant);
}

#[test]
fn holder_that_dies_or_is_declared_dead_lets_go() {
    let Some(world) = World::new("dead") else {
        return;
    };
    for lock in ["lock key", "lockall"] {
        let mut client = world.helper();
        client.ask(lock);
        world.want(1, b"key");
        world.nothing_comes();
        client.kill();
        drop(world.grant());
        let mut client = world.helper();
        client.ask(lock);
        world.want(2, b"key");
        client.abandon();
        world.nothing_comes();
        let (place, owner) = world.mutexes.blocker(world.chain(b"key")).expect("held");
        assert!(world.mutexes.take_back(place, owner));
        drop(world.grant());
    }
}

/// Many chains at once, more than the kernel takes in one call.
#[test]
fn each_of_many_chains_is_granted_once() {
    let Some(world) = World::new("many") else {
        return;
    };
    let mut client = world.helper();
    client.ask("lockall");
    for number in 0..300_u32 {
        world.waiter.want(Wanted {
            ticket: number.into(),
            mutexes: Arc::clone(&world.mutexes),
            chain: number % 101,
        });
    }
    for number in (0..300).step_by(3) {
        world.waiter.forget(number);
    }
    world.nothing_comes();
    client.ask("unlockall");
    let mut seen = Vec::new();
    for _ in 0..200 {
        seen.push(world.grant().ticket());
    }
    seen.sort_unstable();
    let expected: Vec<u64> = (0..300).filter(|number| number % 3 != 0).collect();
    assert_eq!(seen, expected);
    world.nothing_comes();
    assert_eq!(client.ask("try key"), "free");
}

/// Clients that sleep inside libtdb and we wake each other, each time; and no increment is lost.
#[test]
fn clients_and_the_thread_count_without_losing_one() {
    const TIMES: u64 = 2_000;
    let Some(world) = World::new("count") else {
        return;
    };
    let mut clients: Vec<Helper> = (0..3).map(|_| world.helper()).collect();
    for client in &mut clients {
        client.tell(&format!("count key {TIMES}"));
    }
    for ticket in 0..TIMES {
        world.want(ticket, b"key");
        // Now and then a waiter that gives up, perhaps just when it was woken.
        if ticket % 7 == 0 {
            world.want(TIMES + ticket, b"key");
            world.waiter.forget(TIMES + ticket);
        }
        let grant = loop {
            let grant = world.grant();
            if grant.ticket() == ticket {
                break grant;
            }
        };
        count_up(&world.tdb, b"key", |key| {
            grant.lock(&world.tdb, key).expect("granted")
        });
    }
    for client in &mut clients {
        assert_eq!(client.answer(), "counted");
    }
    assert_eq!(clients[0].ask("fetch key"), (4 * TIMES).to_string());
}

/// Clients that take the chain again at once, as they hold it nearly always.
#[test]
fn hot_chain_is_not_starved() {
    let Some(world) = World::new("hot") else {
        return;
    };
    let mut clients: Vec<Helper> = (0..2).map(|_| world.helper()).collect();
    for client in &mut clients {
        client.tell("hold key 1000 1500");
    }
    sleep(Duration::from_millis(100));
    let mut waits = Vec::new();
    for ticket in 0..100 {
        let begin = Instant::now();
        world.want(ticket, b"key");
        drop(world.grant());
        waits.push(begin.elapsed());
        sleep(Duration::from_millis(2));
    }
    waits.sort_unstable();
    let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    println!("100 turns beside clients that hold for 1 ms: median {median:?}, longest {longest:?}");
    // Whole-file mark and all are gone.
    for client in &mut clients {
        assert_eq!(client.answer(), "held");
    }
    assert_eq!(clients[0].ask("lockall"), "locked");
}
