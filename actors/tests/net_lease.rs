//! The keeper of the lease, with real gate, addresses and stops.

mod netns;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use ctdb_actors::net::address::Addresses;
use ctdb_actors::net::gate::GateConfig;
use ctdb_actors::net::lease::{LeaseConfig, LeaseEvent, LeaseKeeper};
use netns::{Client, held, inside, sh, until};
use rustix::process::{Pid, Signal, kill_process};

const PUBLIC: &str = "10.7.1.1";
const ROLE: &str = "CTDB_NET_TEST_ROLE";
/// The lease after the last proof.
const HOLD: Duration = Duration::from_millis(600);

fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

fn guarded() -> GateConfig {
    GateConfig {
        interfaces: vec!["eth1".to_owned()],
        addresses: vec![PUBLIC.parse().unwrap()],
    }
}

fn keeper() -> (LeaseKeeper, Receiver<LeaseEvent>) {
    let gate = guarded();
    let (send, events) = mpsc::channel();
    let config = LeaseConfig {
        gate,
        ..LeaseConfig::default()
    };
    let keeper = LeaseKeeper::start(&config, move |event| {
        let _ = send.send(event);
    });
    (keeper.unwrap(), events)
}

fn take(keeper: &LeaseKeeper, lease: u64) {
    for result in keeper.hold(lease, &[held(PUBLIC, 16, "eth1")]) {
        result.unwrap();
    }
}

fn present() -> bool {
    let wanted = held(PUBLIC, 16, "eth1");
    Addresses::open()
        .unwrap()
        .list()
        .unwrap()
        .iter()
        .any(|present| present.held == wanted)
}

fn next(events: &Receiver<LeaseEvent>) -> LeaseEvent {
    events
        .recv_timeout(Duration::from_secs(10))
        .expect("an event within 10 s")
}

fn regained(events: &Receiver<LeaseEvent>) -> u64 {
    match next(events) {
        LeaseEvent::Regained { lease } => lease,
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_while_extended_and_ends_at_the_end() {
    inside("answers_while_extended_and_ends_at_the_end", || {
        let client = Client::new();
        let (keeper, events) = keeper();
        assert!(keeper.has_gate());
        assert!(
            keeper.hold(1, &[held(PUBLIC, 16, "eth1")])[0].is_err(),
            "no lease yet"
        );
        let asking = client.ask(PUBLIC, ms(6000));
        std::thread::sleep(ms(200));
        let start = Instant::now();
        let mut end = start + HOLD;
        keeper.extend(end);
        let lease = regained(&events);
        take(&keeper, lease);
        // Longer than the address lives without renewal.
        while start.elapsed() < ms(4000) {
            end = Instant::now() + HOLD;
            keeper.extend(end);
            std::thread::sleep(ms(50));
        }
        let LeaseEvent::Expired { late, dropped } = next(&events) else {
            panic!("expired")
        };
        assert_eq!(dropped, [held(PUBLIC, 16, "eth1")]);
        assert!(!present(), "deleted at once");
        let answers = asking.join().unwrap();
        let gap = answers
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .max()
            .unwrap();
        let last = *answers.last().unwrap();
        let over = last.saturating_duration_since(end);
        println!(
            "longest gap {gap:?}; last answer {over:?} after the end, {:?} before; noticed {late:?} late",
            end.saturating_duration_since(last)
        );
        assert!(answers[0] >= start && over < ms(1000));
        keeper.extend(Instant::now() + HOLD);
        let lease = regained(&events);
        std::thread::sleep(ms(200));
        assert!(!present(), "a dropped address does not come back by itself");
        let late = keeper.hold(lease - 1, &[held(PUBLIC, 16, "eth1")]);
        assert!(
            late[0].is_err() && !present(),
            "ordered under an older lease"
        );
        take(&keeper, lease);
        assert!(client.hears(PUBLIC));
        keeper.remove().unwrap();
        assert_eq!(sh("nft list tables"), "");
    });
}

#[test]
fn withdrawing_shuts_the_gate_before_it_returns() {
    inside("withdrawing_shuts_the_gate_before_it_returns", || {
        let client = Client::new();
        let (keeper, events) = keeper();
        keeper.extend(Instant::now() + Duration::from_secs(3600));
        let lease = regained(&events);
        take(&keeper, lease);
        assert!(client.hears(PUBLIC));
        let start = Instant::now();
        assert!(keeper.withdraw());
        println!("withdrawn in {:?}", start.elapsed());
        assert!(!client.pings(PUBLIC));
        assert!(events.try_recv().is_err(), "no Expired");
        until("the address is deleted", || !present());
        assert!(keeper.held().is_empty());
        keeper.extend(Instant::now() + Duration::from_secs(3600));
        let lease = regained(&events);
        take(&keeper, lease);
        assert!(client.hears(PUBLIC));
        keeper.release(&[held(PUBLIC, 16, "eth1")]);
        assert!(!present() && keeper.held().is_empty());
        take(&keeper, lease);
        drop(keeper);
        assert!(
            !client.pings(PUBLIC) && !present(),
            "dropped: shut and deleted"
        );
    });
}

#[test]
fn a_flushed_ruleset_is_rebuilt_at_once() {
    inside("a_flushed_ruleset_is_rebuilt_at_once", || {
        let client = Client::new();
        let (keeper, events) = keeper();
        keeper.extend(Instant::now() + Duration::from_secs(3600));
        let lease = regained(&events);
        take(&keeper, lease);
        for _ in 0..3 {
            sh("nft flush ruleset");
            let start = Instant::now();
            assert_eq!(next(&events), LeaseEvent::GateRebuilt);
            println!("rebuilt {:?} after the flush", start.elapsed());
            assert!(client.hears(PUBLIC), "alive, so open");
        }
        let mut guarded = guarded();
        guarded.addresses.push("10.7.1.2".parse().unwrap());
        keeper.set_public(guarded);
        until("the new address is guarded", || {
            sh("nft list ruleset").contains("10.7.1.2")
        });
        assert!(keeper.withdraw());
        sh("nft flush ruleset");
        assert_eq!(next(&events), LeaseEvent::GateRebuilt);
        let plain = Addresses::open()
            .unwrap()
            .add(&[held(PUBLIC, 16, "eth1")], None);
        assert!(
            plain[0].is_ok() && !client.pings(PUBLIC),
            "not alive, so shut"
        );
        assert!(sh("nft list ruleset").contains("10.7.1.2"));
    });
}

#[test]
fn without_nft_it_says_so_and_works_on_lifetimes() {
    inside("without_nft_it_says_so_and_works_on_lifetimes", || {
        let client = Client::new();
        for path in
            sh("ls /usr/sbin/nft /sbin/nft /usr/bin/nft /bin/nft 2>/dev/null || true").lines()
        {
            sh(&format!("mount --bind /dev/null {path}"));
        }
        let (keeper, events) = keeper();
        let LeaseEvent::GateUnusable { reason } = next(&events) else {
            panic!("unusable")
        };
        assert!(reason.contains("nft"), "{reason}");
        assert!(!keeper.has_gate());
        keeper.extend(Instant::now() + HOLD);
        let lease = regained(&events);
        take(&keeper, lease);
        let start = Instant::now();
        while start.elapsed() < ms(4000) {
            keeper.extend(Instant::now() + HOLD);
            std::thread::sleep(ms(100));
        }
        assert!(present() && client.hears(PUBLIC), "renewed");
        assert!(matches!(next(&events), LeaseEvent::Expired { .. }));
        assert!(!present());
        assert!(keeper.withdraw());
    });
}

/// The worker of the stop test: says a number, and holds the lease as long as the answer to it allows, counted from
/// the moment it was said.
fn worker() {
    let (keeper, events) = keeper();
    let (send, answers) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(std::io::stdin()).lines() {
            let number: usize = line.unwrap().parse().unwrap();
            send.send(number).unwrap();
        }
    });
    let mut said = Vec::new();
    loop {
        said.push(Instant::now());
        eprintln!("{}", said.len() - 1);
        std::thread::sleep(ms(40));
        while let Ok(number) = answers.try_recv() {
            keeper.extend(said[number] + HOLD);
            if let Ok(LeaseEvent::Regained { lease }) = events.try_recv() {
                take(&keeper, lease);
            }
        }
    }
}

#[test]
fn a_stopped_process_ends_and_does_not_come_back_by_itself() {
    let test = "a_stopped_process_ends_and_does_not_come_back_by_itself";
    if std::env::var_os(ROLE).is_some() {
        return worker();
    }
    inside(test, || {
        let client = Client::new();
        for round in 0..3_u64 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", test, "--nocapture", "--test-threads=1"])
                .env(ROLE, "worker")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let pid = Pid::from_child(&child);
            let (mut input, output) = (child.stdin.take().unwrap(), child.stderr.take().unwrap());
            let (stop, stopped) = mpsc::channel::<()>();
            let echo = std::thread::spawn(move || {
                for line in BufReader::new(output).lines() {
                    if stopped.try_recv().is_ok() {
                        return input;
                    }
                    let _ = writeln!(input, "{}", line.unwrap());
                }
                input
            });
            let asking = client.ask(PUBLIC, ms(5000));
            std::thread::sleep(ms(1500 + 13 * round));
            let halt = Instant::now();
            kill_process(pid, Signal::STOP).unwrap();
            stop.send(()).unwrap();
            std::thread::sleep(ms(1500));
            assert!(
                present(),
                "round {round}: still there, and only the gate keeps it silent"
            );
            let resumed = Instant::now();
            kill_process(pid, Signal::CONT).unwrap();
            until("the address is deleted", || !present());
            println!("deleted {:?} after the process went on", resumed.elapsed());
            let answers = asking.join().unwrap();
            assert!(
                answers.iter().any(|at| *at < halt),
                "answered before the stop"
            );
            let after = answers.iter().filter(|at| **at > resumed).count();
            let last = answers.iter().filter(|at| **at < resumed).max().unwrap();
            println!(
                "last answer {:?} after the stop",
                last.saturating_duration_since(halt)
            );
            assert!(*last < halt + ms(1400), "silent long before it went on");
            assert_eq!(after, 0, "answers after it went on");
            child.kill().unwrap();
            child.wait().unwrap();
            drop(echo);
        }
    });
}
