//! Read-only copies on real nodes: Debian's tool switches them on, clients read copies, and no copy shows what was
//! before a write that is done.

use std::process::Child;
use std::time::{Duration, Instant};

use ctdb_itests::cluster::{Cluster, Layout, have_root, json_line, wait_until};
use serde_json::Value;

const SOCKET: &str = "/run/ctdb/ctdbd.socket";
const DB: &str = "readonly.tdb";
const KEY: &str = "counter";

fn up(name: &str) -> Cluster {
    let cluster = Cluster::up(&Layout::new(name, 3));
    cluster.attach(0, &[DB]);
    for node in cluster.nodes() {
        // Each node for itself, as with 4.17.
        cluster.ctdb(node, &["setdbreadonly", DB]).ok();
        wait_until(Duration::from_secs(5), "copies are allowed", || {
            let map = cluster.ctdb(node, &["getdbmap"]).ok();
            map.lines()
                .any(|line| line.contains(DB) && line.contains("READONLY"))
        });
    }
    cluster
}

fn write(cluster: &Cluster, node: usize, times: u64) -> Child {
    let times = times.to_string();
    cluster.client(node, &["counter", SOCKET, DB, KEY, &times, "200"])
}

fn read(cluster: &Cluster, node: usize) -> u64 {
    let line = json_line(cluster.client(node, &["readonly", SOCKET, DB, KEY]));
    line["value"]
        .as_u64()
        .unwrap_or_else(|| panic!("no value: {line}"))
}

/// Nodes whose file has a record with this flag, as Debian's tool prints it.
fn with_flag(cluster: &Cluster, flag: &str) -> Vec<usize> {
    let has = |node: &usize| cluster.ctdb(*node, &["cattdb", DB]).ok().contains(flag);
    cluster.nodes().filter(has).collect()
}

fn assert_no_copies(cluster: &Cluster) {
    for flag in ["RO_HAVE_READONLY", "RO_HAVE_DELEGATIONS"] {
        assert_eq!(with_flag(cluster, flag), Vec::<usize>::new(), "{flag}");
    }
}

#[test]
fn copies_are_made_and_called_back() {
    if !have_root("copies_are_made_and_called_back") {
        return;
    }
    let cluster = up("readonly");
    for round in 0..6 {
        let writer = round % 3;
        json_line(write(&cluster, writer, 1));
        assert_no_copies(&cluster);
        let others = [(writer + 1) % 3, (writer + 2) % 3];
        for node in others {
            // Twice: the second one finds the copy.
            for _ in 0..2 {
                assert_eq!(read(&cluster, node), round as u64 + 1, "node {node}");
            }
        }
        assert_eq!(with_flag(&cluster, "RO_HAVE_DELEGATIONS"), [writer]);
        let mut copies = others.to_vec();
        copies.sort_unstable();
        assert_eq!(with_flag(&cluster, "RO_HAVE_READONLY"), copies);
    }
    let statistics = cluster.ctdb(2, &["dbstatistics", DB]).ok();
    let counted = |name: &str| {
        let line = statistics.lines().find(|line| line.contains(name));
        let count = line.and_then(|line| line.split_whitespace().last());
        count
            .and_then(|count| count.parse::<u32>().ok())
            .unwrap_or(0)
    };
    assert_eq!(counted("ro_delegations"), 4, "{statistics}");
    cluster.ctdb(0, &["recover"]).ok();
    assert_no_copies(&cluster);
    cluster.assert_clean();
}

/// Readers on all nodes beside writers on all nodes: every increment counts, and nobody waits for ever.
#[test]
fn counters_are_exact_beside_readers() {
    if !have_root("counters_are_exact_beside_readers") {
        return;
    }
    let cluster = up("ro-counters");
    let times = 300;
    let readers: Vec<Child> = cluster
        .nodes()
        .map(|node| {
            let words = ["fetch-readonly-loop", SOCKET, DB, "3", "3", "5"];
            cluster.client(node, &words)
        })
        .collect();
    let writers: Vec<Child> = cluster
        .nodes()
        .map(|node| write(&cluster, node, times))
        .collect();
    for writer in writers {
        let line = json_line(writer);
        assert_eq!(line["increments"], times, "{line}");
        println!("writer: {line}");
    }
    for reader in readers {
        let line: Value = json_line(reader);
        assert!(line["turns"].as_u64() > Some(0), "{line}");
        println!("reader: {line}");
    }
    for node in cluster.nodes() {
        assert_eq!(read(&cluster, node), 3 * times, "node {node}");
    }
    cluster.assert_clean();
}

/// A node that has a copy hangs, so it can't give it back: who writes waits until the cluster goes on without it.
#[test]
fn a_holder_that_hangs_delays_a_writer_and_no_more() {
    if !have_root("a_holder_that_hangs_delays_a_writer_and_no_more") {
        return;
    }
    let cluster = up("ro-holder");
    json_line(write(&cluster, 1, 5));
    assert_eq!(read(&cluster, 2), 5);
    assert_eq!(with_flag(&cluster, "RO_HAVE_READONLY"), [2]);
    assert!(cluster.pause(2) > 0);
    let begin = Instant::now();
    let line = json_line(write(&cluster, 1, 1));
    println!("the writer waited {:.2} s", begin.elapsed().as_secs_f64());
    assert_eq!(line["value"], 6, "{line}");
    assert_eq!(read(&cluster, 0), 6);
    cluster.resume(2);
    cluster.wait_settled("the node that hung is back");
    assert_eq!(read(&cluster, 2), 6);
    cluster.assert_clean();
}
