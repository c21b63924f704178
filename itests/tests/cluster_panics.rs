//! Every actor panics in turn while clients work: what docs/actors.md says of it happens, the cluster serves
//! again within seconds, and no client of another node notices more than a wait.

use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use ctdb_itests::cluster::{Cluster, Daemon, Layout, Output, have_root, program, wait_until};
use serde_json::Value;

const SOCKET: &str = "/run/ctdb/ctdbd.socket";
const DB: &str = "itest.tdb";
/// Increments of each client.
const TIMES: u64 = 2_000;
/// From a panic until all nodes are OK and all addresses are served.
const MENDED_WITHIN: Duration = Duration::from_secs(10);
/// Deaths of one actor that are forgiven within a minute (`ctdb_actors::supervise`).
const BUDGET: usize = 5;

/// What has to follow a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The actor is made anew; this is its name in the log.
    Restart(&'static str),
    /// The worker ends and the guard starts another one.
    NewWorker,
    /// One client's connection ends, or one admin's.
    Disconnect,
}

const ACTORS: [(&str, Then); 15] = [
    ("heartbeat", Then::Restart("heartbeat")),
    ("election", Then::Restart("election")),
    ("membership", Then::NewWorker),
    ("takeover", Then::NewWorker),
    ("natgw", Then::NewWorker),
    ("monitor", Then::Restart("monitor")),
    ("events", Then::Restart("events")),
    ("event socket", Then::Restart("event socket")),
    ("link", Then::Restart("link")),
    ("cluster lock", Then::Restart("cluster lock")),
    ("records", Then::NewWorker),
    ("client socket", Then::Restart("client socket")),
    ("client session", Then::Disconnect),
    ("console", Then::Restart("console")),
    ("console session", Then::Disconnect),
];

fn up(name: &str) -> Option<Cluster> {
    if Daemon::from_env() == Daemon::Debian {
        println!("NOT RUN: {name}: about our own daemon");
        return None;
    }
    let environment = vec![String::from("CTDB_TEST_PANICS=1")];
    have_root(name).then(|| {
        Cluster::up(&Layout {
            environment,
            ..Layout::new(name, 3)
        })
    })
}

/// Gives the console's word that makes an actor panic.
fn poison(cluster: &Cluster, node: usize, actor: &str) -> Output {
    let tool = program("ctdb");
    let line = format!("echo panic {actor} | {}", tool.display());
    cluster.run(node, &["sh", "-c", &line])
}

fn restarts(cluster: &Cluster, node: usize, duty: &str) -> usize {
    cluster
        .log(node)
        .matches(&format!("{duty} failed ("))
        .count()
}

fn count(cluster: &Cluster, node: usize, key: &str) -> Child {
    let program = program("ctdb-client");
    let mut command = cluster.command(node, &program.to_string_lossy());
    command
        .args(["counter", SOCKET, DB, key, &TIMES.to_string(), "200"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("nsenter(1) runs")
}

/// The increments that a client has done, all or until its daemon was gone.
fn done(client: Child) -> u64 {
    let output = client.wait_with_output().expect("its end");
    let text = String::from_utf8_lossy(&output.stdout);
    let line: Value = serde_json::from_str(text.trim()).unwrap_or_else(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("no line of JSON: {text}{said}")
    });
    line["increments"].as_u64().expect("a count")
}

fn read(cluster: &Cluster, node: usize, key: &str) -> u64 {
    let program = program("ctdb-client");
    let words = [&*program.to_string_lossy(), "read", SOCKET, DB, key];
    let line: Value = serde_json::from_str(cluster.run(node, &words).ok().trim()).expect("JSON");
    line["value"].as_u64().expect("a counter")
}

/// Asks nodes for their status until told to end; every question must be answered.
fn ask_status(cluster: &Cluster, nodes: &[usize], end: &AtomicBool) -> usize {
    let mut answers = 0;
    while !end.load(Ordering::Relaxed) {
        for node in nodes {
            assert!(
                cluster.status(*node).is_some(),
                "node {node} does not answer"
            );
            answers += 1;
        }
        sleep(Duration::from_millis(50));
    }
    answers
}

/// Waits for what has to follow the panic; returns when the cluster is whole again.
fn wait_mended(cluster: &Cluster, victim: usize, actor: &str, then: Then, before: &Before) {
    let patience = cluster.layout().daemon.patience();
    wait_until(patience, &format!("what follows {actor}"), || match then {
        Then::Restart(duty) => restarts(cluster, victim, duty) == before.restarts + 1,
        Then::NewWorker => cluster
            .worker(victim)
            .is_some_and(|pid| pid != before.worker),
        Then::Disconnect => true,
    });
    let follows_s = before.at.elapsed().as_secs_f64();
    let left = MENDED_WITHIN.saturating_sub(before.at.elapsed());
    wait_until(
        left,
        &format!("all OK after {actor} of node {victim}"),
        || cluster.settled() && agree_on_leader(cluster),
    );
    let all_s = before.at.elapsed().as_secs_f64();
    println!(
        "{actor} of node {victim}: {then:?} after {follows_s:.2} s, all OK after {all_s:.2} s"
    );
}

fn agree_on_leader(cluster: &Cluster) -> bool {
    let leaders: Vec<Option<usize>> = cluster.nodes().map(|node| cluster.leader(node)).collect();
    leaders[0].is_some() && leaders.iter().all(|leader| *leader == leaders[0])
}

/// How it stood before the panic.
struct Before {
    at: Instant,
    worker: u32,
    restarts: usize,
    given_up: usize,
}

impl Before {
    fn of(cluster: &Cluster, node: usize, then: Then) -> Self {
        let duty = if let Then::Restart(duty) = then {
            duty
        } else {
            ""
        };
        Self {
            restarts: restarts(cluster, node, duty),
            given_up: given_up(cluster, node),
            worker: cluster.worker(node).expect("a PID file"),
            at: Instant::now(),
        }
    }
}

fn given_up(cluster: &Cluster, node: usize) -> usize {
    cluster.log(node).matches("can't be kept alive").count()
}

fn panic_under_load(cluster: &Cluster, actor: &str, then: Then) {
    // The leader has the most to lose.
    let victim = cluster.leader(0).expect("a leader");
    let others: Vec<usize> = cluster.nodes().filter(|node| *node != victim).collect();
    let key = format!("panic of {actor}");
    let name = if actor == "link" {
        format!("link {}", others[0])
    } else {
        actor.into()
    };
    let end = AtomicBool::new(false);
    let (own, kept) = thread::scope(|scope| {
        let asking = scope.spawn(|| ask_status(cluster, &others, &end));
        let own = count(cluster, victim, &key);
        let clients = [0, 1].map(|index| count(cluster, others[index], &key));
        sleep(Duration::from_millis(300));
        let before = Before::of(cluster, victim, then);
        let output = poison(cluster, victim, &name);
        // The panic may be quicker than the reply.
        assert!(
            output.success() || !matches!(then, Then::Restart(_)),
            "{output:?}"
        );
        wait_mended(cluster, victim, actor, then, &before);
        let kept = clients.map(done);
        let own = done(own);
        let is_new = cluster.worker(victim) != Some(before.worker);
        assert_eq!(is_new, then == Then::NewWorker, "{actor}: worker");
        let gave_up = given_up(cluster, victim) - before.given_up;
        assert_eq!(
            gave_up,
            usize::from(is_new),
            "{actor}: records of a worker given up"
        );
        end.store(true, Ordering::Relaxed);
        let answers = asking.join().expect("every question answered");
        println!("{actor}: clients {kept:?}, of its node {own}; status {answers} times");
        (own, kept)
    });
    assert_eq!(kept, [TIMES; 2], "clients of the other nodes");
    check_counters(cluster, &key, own, actor, then);
    assert!(cluster.settled(), "{actor}: all OK at the end");
}

/// Only a worker that ended may take increments with it, and only those of its own client.
fn check_counters(cluster: &Cluster, key: &str, own: u64, actor: &str, then: Then) {
    if matches!(then, Then::Restart(_)) {
        assert_eq!(own, TIMES, "{actor}: client of its node");
    }
    for node in cluster.nodes() {
        let value = read(cluster, node, key);
        let all = 2 * TIMES + own;
        let least = if then == Then::NewWorker {
            2 * TIMES
        } else {
            all
        };
        assert!(
            (least..=all).contains(&value),
            "{actor}: node {node}: {value} of {all}"
        );
    }
}

#[test]
fn each_actor_panics_under_load() {
    let Some(cluster) = up("each_actor_panics_under_load") else {
        return;
    };
    cluster.attach(0, &[DB]);
    let only = std::env::var("CTDB_TEST_ACTOR").ok();
    let watch = cluster.watch();
    for (actor, then) in ACTORS {
        if only.as_deref().is_none_or(|only| only == actor) {
            panic_under_load(&cluster, actor, then);
        }
    }
    let seen = watch.end();
    println!(
        "longest silence of an address: {:?} s",
        seen.longest_gap_s()
    );
    assert!(
        seen.dual.addresses.is_empty(),
        "two nodes answered: {:?}",
        seen.dual
    );
    assert!(
        seen.silent().is_empty(),
        "silent at the end: {:?}",
        seen.silent()
    );
    cluster.assert_clean();
}

#[test]
fn an_actor_that_dies_again_and_again_ends_the_worker() {
    let Some(cluster) = up("an_actor_that_dies_again_and_again_ends_the_worker") else {
        return;
    };
    let victim = 1;
    let patience = cluster.layout().daemon.patience();
    let before = Before::of(&cluster, victim, Then::NewWorker);
    for death in 1..=BUDGET {
        poison(&cluster, victim, "monitor").ok();
        wait_until(patience, "a restart", || {
            restarts(&cluster, victim, "monitor") == death
        });
        // The next one must find the new actor.
        sleep(Duration::from_secs(1));
        assert_eq!(
            cluster.worker(victim),
            Some(before.worker),
            "death {death} is forgiven"
        );
    }
    let _ = poison(&cluster, victim, "monitor");
    wait_until(patience, "another worker", || {
        cluster
            .worker(victim)
            .is_some_and(|pid| pid != before.worker)
    });
    assert_eq!(given_up(&cluster, victim), 1);
    assert_eq!(restarts(&cluster, victim, "monitor"), BUDGET);
    cluster.wait_settled("all OK with the new worker");
    cluster.assert_clean();
}

/// The new heartbeat knows of no peer: one that does not come back must still be found dead.
#[test]
fn a_node_dies_while_the_heartbeat_of_the_leader_panics() {
    let Some(cluster) = up("a_node_dies_while_the_heartbeat_of_the_leader_panics") else {
        return;
    };
    let leader = cluster.leader(0).expect("a leader");
    let victim = (leader + 1) % 3;
    let others: Vec<usize> = cluster.nodes().filter(|node| *node != victim).collect();
    let watch = cluster.watch();
    assert!(cluster.pause(victim) > 0);
    poison(&cluster, leader, "heartbeat").ok();
    let patience = cluster.layout().daemon.patience();
    wait_until(patience, "the others serve all addresses", || {
        cluster.settled_among(&others)
    });
    wait_until(patience, "the dead node is seen", || {
        others
            .iter()
            .all(|node| cluster.sees(*node, victim, "Disconnected"))
    });
    let all = cluster.layout().public_addresses();
    wait_until(patience, "all answer", || cluster.all_answer(&all));
    cluster.resume(victim);
    cluster.wait_settled("all OK when it runs again");
    let seen = watch.end();
    assert!(
        seen.dual.addresses.is_empty(),
        "two nodes answered: {:?}",
        seen.dual
    );
    cluster.assert_clean();
}

/// Nodes that said goodbye do not count; neither duty may forget it.
#[test]
fn the_last_node_serves_on_after_panics() {
    let Some(cluster) = up("the_last_node_serves_on_after_panics") else {
        return;
    };
    let patience = cluster.layout().daemon.patience();
    for node in [1, 2] {
        cluster.stop(node);
    }
    let all = cluster.layout().public_addresses();
    for actor in ["heartbeat", "election", "cluster lock", "monitor"] {
        poison(&cluster, 0, actor).ok();
        wait_until(patience, "a restart", || restarts(&cluster, 0, actor) == 1);
        // Whatever it lost shows when its lease has ended.
        sleep(Duration::from_secs(2));
        wait_until(patience, &format!("it serves after {actor}"), || {
            cluster.leader(0) == Some(0) && cluster.settled_among(&[0])
        });
        wait_until(patience, "all answer", || cluster.all_answer(&all));
    }
    cluster.assert_clean();
}
