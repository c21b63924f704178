//! Many clients of one node, most of them idle.

use ctdb_itests::cluster::{Cluster, Layout, have_root, json_line};
use serde_json::Value;

const SOCKET: &str = "/run/ctdb/ctdbd.socket";
const DB: &str = "crowd.tdb";
const RECORDS: &str = "100";
/// More than the soft limit of open files, less than the hard one.
const CLIENTS: &str = "500";
const ACTIVE: &str = "50";
const LIMITS: &str = "--nofile=256:2048";
/// Of anonymous memory for one client at most, in KiB.
const CLIENT_KIB: f64 = 64.0;

/// The soft limit that a shell gives is no limit for the daemon; each request is answered, and nothing stays of clients
/// that are gone.
#[test]
fn a_crowd_is_served() {
    if !have_root("a_crowd_is_served") {
        return;
    }
    let cluster = Cluster::build(&Layout::new("crowd", 3));
    let daemon = cluster.layout().daemon.path();
    let words = ["prlimit", LIMITS, &daemon.to_string_lossy()];
    cluster.run(0, &words).ok();
    cluster.start(1);
    cluster.start(2);
    cluster.wait_settled("all nodes OK with addresses");
    cluster.attach(0, &[DB]);
    json_line(cluster.client(1, &["fill", SOCKET, DB, "far", RECORDS, "100"]));
    let words = [
        "crowd", SOCKET, DB, "far", RECORDS, CLIENTS, ACTIVE, "3", "50",
    ];
    let line = json_line(cluster.client(0, &words));
    println!("{line}");
    for kind in ["pings", "fetches", "messages"] {
        assert!(number(&line[kind]["turns"]) > 0.0, "no {kind}");
    }
    let clients: f64 = CLIENTS.parse().expect("a number");
    let kib = (number(&line["connected_kib"]) - number(&line["before_kib"])) / clients;
    assert!(kib < CLIENT_KIB, "{kib} KiB for a client");
    assert!(cluster.settled(), "the cluster is as before");
    cluster.assert_clean();
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}
