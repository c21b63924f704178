//! Deleted records leave the files of all nodes, and only they do.

use std::fmt::Write;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ctdb_itests::cluster::{Cluster, Layout, have_root, json_line, wait_until};
use ctdb_protocol::client::Payload;
use ctdb_protocol::client::database::DbVacuum;
use ctdb_protocol::hash::db_id;

const SOCKET: &str = "/run/ctdb/ctdbd.socket";
const DB: &str = "vacuum.tdb";
const NODES: usize = 3;

fn up(name: &str, interval: &str) -> Cluster {
    let cluster = Cluster::up(&Layout::new(name, NODES));
    for node in 0..NODES {
        cluster
            .ctdb(node, &["setvar", "VacuumInterval", interval])
            .ok();
    }
    cluster.attach(0, &[DB]);
    cluster
}

/// Makes a record on node 0 and leaves a copy of it on every node.
fn make(cluster: &Cluster, key: &str) {
    cluster.ctdb(0, &["writekey", DB, key, "value"]).ok();
    for node in 0..NODES {
        cluster.ctdb(node, &["readkey", DB, key]).ok();
    }
}

/// Records in the file of a node, empty ones too.
fn held(cluster: &Cluster, node: usize) -> u64 {
    let line = json_line(cluster.client(node, &["count", SOCKET, DB, "key"]));
    line["all"].as_u64().expect("a count")
}

fn vacuum(cluster: &Cluster, node: usize, full: u8) -> Child {
    let request = DbVacuum {
        db_id: db_id(DB),
        full,
    };
    let mut hex = String::new();
    for byte in request.to_bytes() {
        let _ = write!(hex, "{byte:02x}");
    }
    cluster.client(node, &["control", SOCKET, "DB_VACUUM", &hex])
}

#[test]
fn deleted_records_leave_all_files_after_the_interval() {
    if !have_root("deleted_records_leave_all_files_after_the_interval") {
        return;
    }
    let cluster = up("vacuum-interval", "1");
    for number in 0..6 {
        make(&cluster, &format!("key{number}"));
    }
    for node in 0..NODES {
        assert_eq!(held(&cluster, node), 6, "node {node} before");
    }
    // From each node, so from the lmaster and from others.
    for number in 0..5 {
        let key = format!("key{number}");
        cluster.ctdb(number % NODES, &["deletekey", DB, &key]).ok();
    }
    let begin = Instant::now();
    wait_until(
        Duration::from_secs(60),
        "five records are gone everywhere",
        || (0..NODES).all(|node| held(&cluster, node) == 1),
    );
    println!("gone everywhere after {:?}", begin.elapsed());
    for node in 0..NODES {
        let shown = cluster.ctdb(node, &["readkey", DB, "key5"]).ok();
        assert!(shown.contains("value"), "{shown}");
    }
    // A new record of an old name is a new record.
    make(&cluster, "key0");
    sleep(Duration::from_secs(3));
    let shown = cluster.ctdb(2, &["readkey", DB, "key0"]).ok();
    assert!(shown.contains("value"), "{shown}");
    cluster.assert_clean();
}

#[test]
fn held_records_are_left_out_and_wait_for_nobody() {
    if !have_root("held_records_are_left_out_and_wait_for_nobody") {
        return;
    }
    let cluster = up("vacuum-locked", "99999");
    make(&cluster, "key-free");
    cluster.ctdb(0, &["deletekey", DB, "key-free"]).ok();
    json_line(cluster.client(0, &["counter", SOCKET, DB, "key-held", "1"]));
    // It keeps the lock for ten seconds at a time.
    let holder = cluster.client(0, &["turns", SOCKET, DB, "key-held", "10", "10000000", "0"]);
    sleep(Duration::from_millis(500));
    let begin = Instant::now();
    for _ in 0..4 {
        for node in 0..NODES {
            let reply = json_line(vacuum(&cluster, node, 1));
            assert_eq!(reply["status"], 0, "{reply}");
        }
    }
    println!(
        "twelve full runs beside a held record: {:?}",
        begin.elapsed()
    );
    let before: Vec<u64> = (0..NODES).map(|node| held(&cluster, node)).collect();
    assert_eq!(before, [1, 0, 0], "the held record alone is left");
    let turns = json_line(holder);
    println!("the holder: {turns}");
    let read = json_line(cluster.client(1, &["read", SOCKET, DB, "key-held"]));
    assert!(read["value"].as_u64() > Some(0), "{read}");
    cluster.assert_clean();
}
