//! The sequence number of a volatile file rises on all nodes with a change on one.

use std::thread::sleep;
use std::time::{Duration, Instant};

use ctdb_itests::cluster::{Cluster, Layout, have_root, json_line, wait_until};
use ctdb_protocol::hash::db_id;

const SOCKET: &str = "/run/ctdb/ctdbd.socket";
const DB: &str = "seqnum.tdb";
const NODES: usize = 3;

fn control(cluster: &Cluster, node: usize, opcode: &str, more: &str) -> String {
    let id = format!("{:08x}", db_id(DB).swap_bytes());
    let args = ["control", SOCKET, opcode, &format!("{id}{more}")];
    let reply = json_line(cluster.client(node, &args));
    assert_eq!(reply["status"], 0, "{reply}");
    reply["data"].as_str().expect("data").to_owned()
}

fn numbers(cluster: &Cluster) -> Vec<String> {
    let number = |node| control(cluster, node, "GET_DB_SEQNUM", "00000000");
    (0..NODES).map(number).collect()
}

#[test]
fn a_change_on_one_node_counts_on_all() {
    if !have_root("a_change_on_one_node_counts_on_all") {
        return;
    }
    let cluster = Cluster::up(&Layout::new("seqnum", NODES));
    cluster.attach(0, &[DB]);
    for node in 0..NODES {
        control(&cluster, node, "ENABLE_SEQNUM", "");
    }
    for writer in 0..NODES {
        sleep(Duration::from_secs(3));
        let before = numbers(&cluster);
        json_line(cluster.client(writer, &["counter", SOCKET, DB, "key", "1"]));
        let begin = Instant::now();
        wait_until(Duration::from_secs(20), "all numbers rise", || {
            let now = numbers(&cluster);
            (0..NODES).all(|node| now[node] != before[node])
        });
        println!("all know of it after {:?}", begin.elapsed());
    }
    // What was told is not told again.
    sleep(Duration::from_secs(4));
    let rest = numbers(&cluster);
    sleep(Duration::from_secs(4));
    assert_eq!(numbers(&cluster), rest, "the numbers rise without a change");
    cluster.assert_clean();
}
