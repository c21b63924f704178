//! Bad input for a running cluster: no crash, no growth, no harm to others.
//!
//! A short run by default; a million frames with `--ignored`.

use std::time::Duration;

use ctdb_itests::cluster::{Cluster, Daemon, Layout, have_root, program, wait_until};
use serde_json::Value;

const SHORT: u64 = 20_000;
const LONG: u64 = 1_000_000;
/// Memory that a run may add: queues have bounds, caches are small. In kB.
const GROWTH_KB: u64 = 64 << 10;

/// Where a run starts: another seed for every run of the program, shown so that it can be repeated.
fn seed() -> u64 {
    let given = std::env::var("CTDB_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| u64::from(std::process::id()))
}

fn up(name: &str) -> Option<Cluster> {
    if Daemon::from_env() == Daemon::Debian {
        println!("NOT RUN: {name}: about our own daemon");
        return None;
    }
    have_root(name).then(|| Cluster::up(&Layout::new(name, 3)))
}

/// Memory of a node's worker in kB that nothing but its end would give back. Pages of mapped files do not count:
/// a client may make databases, and each file is mapped (4.3 MiB of chain heads and mutexes when it is empty).
fn own_kb(cluster: &Cluster, node: usize) -> u64 {
    memory_kb(cluster, node, "RssAnon:")
}

/// A line of the worker's `/proc/PID/status`.
fn memory_kb(cluster: &Cluster, node: usize, name: &str) -> u64 {
    let worker = cluster.worker(node).expect("a worker").to_string();
    let status = cluster
        .run(node, &["cat", &format!("/proc/{worker}/status")])
        .ok();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .expect(name)
}

/// Runs the attack from a node and checks that node 0 is the same afterwards.
fn attack(cluster: &Cluster, from: usize, args: &[&str], count: u64) {
    let worker = cluster.worker(0);
    let before = own_kb(cluster, 0);
    let seed = seed().to_string();
    let probe = program("probe");
    let mut command = cluster.command(from, &probe.to_string_lossy());
    command.args(args).args([&count.to_string(), &seed]);
    let output = command.output().expect("the probe runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    println!("{args:?}, seed {seed}: {}{stderr}", text.trim());
    assert!(output.status.success(), "CTDB_TEST_SEED={seed}: {stderr}");
    let report: Value = serde_json::from_str(text.trim()).expect("JSON of the probe");
    let number = |name: &str| report[name].as_u64().expect("a number");
    assert!(number("sent") >= count);
    assert!(
        2 * number("greeted") >= number("sent"),
        "half of it after a valid beginning"
    );
    assert_eq!(
        cluster.worker(0),
        worker,
        "CTDB_TEST_SEED={seed}: the worker has ended"
    );
    // Buffers of connections that have just ended may still be there.
    wait_until(Duration::from_secs(20), "memory is given back", || {
        own_kb(cluster, 0) < before + GROWTH_KB
    });
    println!(
        "own memory: {before} kB before, {} kB after; mapped files: {} kB",
        own_kb(cluster, 0),
        memory_kb(cluster, 0, "RssFile:")
    );
}

fn node_port(name: &str, count: u64) {
    let Some(cluster) = up(name) else { return };
    // The attacker has the address of node 2, whose daemon is away.
    cluster.stop(2);
    attack(
        &cluster,
        2,
        &["hostile-node", "10.99.0.1:4379", "2", "0"],
        count,
    );
    cluster.start(2);
    cluster.wait_settled("all OK after the attack");
    assert!(cluster.ctdb(0, &["attach", "after.tdb"]).success());
    cluster.assert_clean();
}

fn client_socket(name: &str, count: u64) {
    let Some(cluster) = up(name) else { return };
    attack(
        &cluster,
        0,
        &["hostile-client", "/run/ctdb/ctdbd.socket"],
        count,
    );
    undo_orders(&cluster);
    cluster.wait_settled("all OK after the attack");
    cluster.assert_clean();
}

/// Among a client's mutated frames are valid orders to disable, stop or ban a node, to add or delete a public address:
/// those are obeyed.
fn undo_orders(cluster: &Cluster) {
    for node in 0..3 {
        for order in ["unban", "continue", "enable", "reloadips"] {
            cluster.ctdb(node, &[order]);
        }
    }
}

fn console(name: &str, count: u64) {
    let Some(cluster) = up(name) else { return };
    attack(&cluster, 0, &["hostile-console", "127.0.0.1:4380"], count);
    cluster.wait_settled("all OK after the attack");
    cluster.assert_clean();
}

#[test]
fn node_port_short() {
    node_port("node_port_short", SHORT);
}

#[test]
fn client_socket_short() {
    client_socket("client_socket_short", SHORT);
}

#[test]
fn console_short() {
    console("console_short", SHORT / 10);
}

#[test]
#[ignore = "a million frames"]
fn node_port_long() {
    node_port("node_port_long", LONG);
}

#[test]
#[ignore = "a million frames"]
fn client_socket_long() {
    client_socket("client_socket_long", LONG);
}

#[test]
#[ignore = "long"]
fn console_long() {
    console("console_long", LONG / 10);
}
