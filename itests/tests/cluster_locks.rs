//! Record locks that clients don't release: the dead lose theirs, the living are named, and neither costs
//! more than the database it is about.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ctdb_itests::cluster::{Cluster, Layout, Whom, have_root, json_line, wait_until};
use rustix::process::Signal;
use serde_json::Value;

const SOCKET: &str = "/run/ctdb/ctdbd.socket";
const DB: &str = "locks.tdb";
const OTHER_DB: &str = "other.tdb";

/// How long a dead client's lock may last: several times what is promised, a second.
const TAKEN_BACK: Duration = Duration::from_secs(3);

/// Adds 1 to a record on a node.
fn count(cluster: &Cluster, node: usize, db: &str, key: &str) -> Child {
    cluster.client(node, &["counter", SOCKET, db, key, "1"])
}

/// A client that locks a record, closes the file and ends.
fn abandon(cluster: &Cluster, node: usize, key: &str) -> u64 {
    let line = json_line(cluster.client(node, &["abandon", SOCKET, DB, key, "0"]));
    line["pid"].as_u64().expect("its pid")
}

fn wait_for_log(cluster: &Cluster, node: usize, words: &[&str]) {
    wait_until(
        Duration::from_secs(10),
        &format!("{words:?} in the log"),
        || {
            let log = cluster.log(node);
            log.lines()
                .any(|line| words.iter().all(|word| line.contains(word)))
        },
    );
}

fn up(name: &str, conf: &str) -> Cluster {
    let cluster = Cluster::up(&Layout {
        conf: conf.into(),
        ..Layout::new(name, 3)
    });
    for db in [DB, OTHER_DB] {
        cluster.attach(0, &[db]);
    }
    cluster
}

#[test]
fn lock_of_a_dead_client_is_taken_back() {
    if !have_root("lock_of_a_dead_client_is_taken_back") {
        return;
    }
    let cluster = up("locks-dead", "");
    json_line(count(&cluster, 0, DB, "key"));
    let pid = abandon(&cluster, 0, "key");
    let begin = Instant::now();
    let counted = json_line(count(&cluster, 1, DB, "key"));
    let took = begin.elapsed();
    println!("the next one had the record after {took:?}");
    assert_eq!(counted["value"], 2, "{counted}");
    assert!(took < TAKEN_BACK, "{took:?}");
    let client = format!("from PID {pid}, client ");
    wait_for_log(&cluster, 0, &["database.lock_taken_back", DB, &client]);
    cluster.assert_clean();
}

/// Where somebody waits for the record its key is known: the log names it.
#[test]
fn lock_of_a_dead_client_is_taken_back_for_who_waits() {
    if !have_root("lock_of_a_dead_client_is_taken_back_for_who_waits") {
        return;
    }
    let cluster = up("locks-waited", "");
    json_line(count(&cluster, 0, DB, "key"));
    let mut holder = cluster.client(0, &["abandon", SOCKET, DB, "key", "4000"]);
    // It says so when it has the lock.
    let mut line = String::new();
    let mut said = BufReader::new(holder.stdout.take().expect("a pipe"));
    said.read_line(&mut line).expect("a line");
    let locked: Value = serde_json::from_str(&line).expect("its pid");
    let pid = locked["pid"].as_u64().expect("its pid");
    let waiter = count(&cluster, 1, DB, "key");
    holder.wait().expect("its end");
    let ended = Instant::now();
    let counted = json_line(waiter);
    let took = ended.elapsed();
    println!("who waited had the record {took:?} after the end of the other");
    assert_eq!(counted["value"], 2, "{counted}");
    assert!(took < TAKEN_BACK, "{took:?}");
    let client = format!("from PID {pid}, client ");
    let words = ["database.lock_taken_back", DB, "key 6B6579", &client];
    wait_for_log(&cluster, 0, &words);
    cluster.assert_clean();
}

/// With 4.17 the recovery does not get past such a lock, and the nodes ban each other.
#[test]
fn recovery_gets_past_locks_of_dead_clients() {
    if !have_root("recovery_gets_past_locks_of_dead_clients") {
        return;
    }
    let cluster = up("locks-recovery", "");
    for key in ["one", "two"] {
        json_line(count(&cluster, 0, DB, key));
    }
    abandon(&cluster, 0, "one");
    abandon(&cluster, 1, "two");
    let begin = Instant::now();
    assert!(cluster.kill(2, Whom::All) > 0);
    let patience = cluster.layout().daemon.patience();
    wait_until(patience, "the survivors settle", || {
        cluster.settled_among(&[0, 1])
    });
    println!("recovered and settled after {:?}", begin.elapsed());
    for (node, key) in [(1, "one"), (0, "two")] {
        let counted = json_line(count(&cluster, node, DB, key));
        assert_eq!(counted["value"], 2, "{counted}");
    }
    for node in [0, 1] {
        assert!(
            !cluster.log(node).contains("ban.banned"),
            "node {node} was banned"
        );
    }
    cluster.assert_clean();
}

#[test]
fn live_client_delays_its_database_only_and_is_named() {
    if !have_root("live_client_delays_its_database_only_and_is_named") {
        return;
    }
    let cluster = up("locks-alive", "[database]\n lock warning time = 1\n");
    json_line(count(&cluster, 0, DB, "key"));
    // It holds the record for a minute.
    let holder = cluster.client(0, &["turns", SOCKET, DB, "key", "60", "60000000", "0"]);
    sleep(Duration::from_millis(300));
    let mut waiter = count(&cluster, 1, DB, "key");
    for _ in 0..20 {
        let begin = Instant::now();
        json_line(count(&cluster, 1, OTHER_DB, "key"));
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "the other database waited"
        );
    }
    let words = [
        "database.lock_waiting",
        DB,
        "key 6B6579",
        "PID ",
        "ctdb-client",
    ];
    wait_for_log(&cluster, 0, &words);
    assert!(
        waiter.try_wait().expect("a child").is_none(),
        "the record was not free"
    );
    assert!(cluster.signal_program(0, "ctdb-client", Signal::KILL) > 0);
    let counted = json_line(waiter);
    assert_eq!(counted["value"], 2, "{counted}");
    let _ = holder.wait_with_output();
    cluster.assert_clean();
}
