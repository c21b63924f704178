//! Records on real nodes: they migrate, counters are exact, and what the loss of a node may cost is bounded.

use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use ctdb_itests::cluster::{Cluster, Layout, Whom, have_root, json_line, wait_until};
use ctdb_protocol::hash::key_hash;
use serde_json::Value;

const SOCKET: &str = "/run/ctdb/ctdbd.socket";
const DB: &str = "itest.tdb";

/// Increments of each client: the figure of the specification with `CTDB_LONG`, less in a short run.
fn increments() -> u64 {
    if std::env::var_os("CTDB_LONG").is_some() {
        10_000
    } else {
        2_000
    }
}

fn up(name: &str) -> Cluster {
    let cluster = Cluster::up(&Layout::new(name, 3));
    cluster.attach(0, &[DB]);
    cluster
}

fn count(cluster: &Cluster, node: usize, key: &str, times: u64) -> Child {
    cluster.client(
        node,
        &["counter", SOCKET, DB, key, &times.to_string(), "200"],
    )
}

fn read(cluster: &Cluster, node: usize, key: &str) -> u64 {
    let line = json_line(cluster.client(node, &["read", SOCKET, DB, key]));
    line["value"]
        .as_u64()
        .unwrap_or_else(|| panic!("no value: {line}"))
}

fn done(line: &Value) -> u64 {
    line["increments"]
        .as_u64()
        .unwrap_or_else(|| panic!("no count: {line}"))
}

/// A key whose lmaster is that node, by the vnnmap that `ctdb status` shows.
fn key_of_lmaster(cluster: &Cluster, lmaster: usize) -> String {
    let status = cluster.ctdb(0, &["status"]).ok();
    let map: Vec<usize> = status
        .lines()
        .filter(|line| line.starts_with("hash:"))
        .map(|line| {
            line.rsplit(':')
                .next()
                .and_then(|text| text.parse().ok())
                .expect("a slot")
        })
        .collect();
    assert!(map.contains(&lmaster), "{status}");
    (0..100_000)
        .map(|number| format!("counter-{number}"))
        .find(|key| map[key_hash(key.as_bytes()) as usize % map.len()] == lmaster)
        .expect("a key")
}

#[test]
fn what_one_node_writes_all_others_read() {
    if !have_root("what_one_node_writes_all_others_read") {
        return;
    }
    let cluster = up("records");
    for writer in cluster.nodes() {
        let value = format!("written by {writer}");
        cluster.ctdb(writer, &["writekey", DB, "key", &value]).ok();
        for reader in cluster.nodes() {
            let shown = cluster.ctdb(reader, &["readkey", DB, "key"]).ok();
            let expected = format!("Data: size:{} ptr:[{value}]", value.len());
            assert!(shown.contains(&expected), "node {reader}: {shown}");
        }
    }
    cluster.assert_clean();
}

#[test]
fn counters_on_all_nodes_are_exact() {
    if !have_root("counters_on_all_nodes_are_exact") {
        return;
    }
    let cluster = up("counters");
    let times = increments();
    let clients: Vec<Child> = cluster
        .nodes()
        .map(|node| count(&cluster, node, "counter", times))
        .collect();
    for client in clients {
        let line = json_line(client);
        assert_eq!(done(&line), times, "{line}");
        println!("counter: {line}");
    }
    for node in cluster.nodes() {
        assert_eq!(read(&cluster, node, "counter"), 3 * times, "node {node}");
    }
    cluster.assert_clean();
}

/// Clients on nodes 0 and 1 count while node 2, which has no client, dies: nothing may be lost.
fn exact_while_node_2_dies(name: &str, lmaster: usize) {
    if !have_root(name) {
        return;
    }
    let cluster = up(name);
    let key = key_of_lmaster(&cluster, lmaster);
    let times = increments();
    let clients = [0, 1].map(|node| count(&cluster, node, &key, times));
    sleep(Duration::from_millis(300));
    assert!(cluster.kill(2, Whom::All) > 0);
    for client in clients {
        let line = json_line(client);
        assert_eq!(done(&line), times, "{line}");
    }
    for node in [0, 1] {
        assert_eq!(read(&cluster, node, &key), 2 * times, "node {node}");
    }
    let scopes = |cluster: &Cluster| {
        let logs = [0, 1].map(|node| cluster.log(node));
        let of = |scope: &str| logs.iter().map(|log| log.matches(scope).count()).sum();
        let scopes: [usize; 2] =
            ["what the change of members touched", "all that nodes hold"].map(of);
        scopes
    };
    let [touched, whole] = scopes(&cluster);
    assert!(
        touched > 0,
        "the loss of a node is no recovery of everything"
    );
    cluster.start(2);
    cluster.wait_settled("all nodes OK after the dead one came back");
    let now = scopes(&cluster);
    assert!(
        now[0] > touched && now[1] == whole,
        "its return: {now:?}, not {whole}"
    );
    assert_eq!(
        read(&cluster, 2, &key),
        2 * times,
        "the node that came back"
    );
    cluster.assert_clean();
}

#[test]
fn exact_while_a_bystander_dies() {
    exact_while_node_2_dies("exact_while_a_bystander_dies", 0);
}

#[test]
fn exact_while_the_lmaster_dies() {
    exact_while_node_2_dies("exact_while_the_lmaster_dies", 2);
}

/// What may be lost: increments of the dead node's own client, those since the record last came to it. What the
/// survivors' clients have done must all be there.
#[test]
fn bounded_loss_while_the_dmaster_dies() {
    if !have_root("bounded_loss_while_the_dmaster_dies") {
        return;
    }
    let cluster = up("dmaster");
    let key = key_of_lmaster(&cluster, 0);
    let times = increments();
    let survivors = [0, 1].map(|node| count(&cluster, node, &key, times));
    let victim = count(&cluster, 2, &key, u64::from(u32::MAX));
    sleep(Duration::from_millis(300));
    assert!(cluster.kill(2, Whom::All) > 0);
    let dead = json_line(victim);
    let kept: u64 = survivors
        .map(|client| {
            let line = json_line(client);
            assert_eq!(done(&line), times, "{line}");
            done(&line)
        })
        .iter()
        .sum();
    let value = read(&cluster, 0, &key);
    let lost = (kept + done(&dead))
        .checked_sub(value)
        .expect("no more than was counted");
    println!(
        "dmaster died: {value} of {} increments, {lost} lost, dead client: {dead}",
        kept + done(&dead)
    );
    assert!(value >= kept, "increments of survivors are lost");
    assert!(lost <= done(&dead), "more lost than the dead node did");
    cluster.assert_clean();
}

/// The record's only copy is on the node that dies: the others find the last one that was handed on.
#[test]
fn nothing_is_resurrected() {
    if !have_root("nothing_is_resurrected") {
        return;
    }
    let cluster = up("deleted");
    for node in [0, 1] {
        json_line(count(&cluster, node, "gone", 5));
    }
    json_line(cluster.client(0, &["delete", SOCKET, DB, "gone"]));
    assert!(cluster.kill(2, Whom::All) > 0);
    let patience = cluster.layout().daemon.patience();
    wait_until(patience, "the survivors settle", || {
        cluster.settled_among(&[0, 1])
    });
    for node in [0, 1] {
        let line = json_line(cluster.client(node, &["read", SOCKET, DB, "gone"]));
        assert!(line["value"].is_null(), "node {node}: {line}");
    }
    cluster.assert_clean();
}

/// A record that was deleted is left on no node by a recovery, and a node that comes back does not bring it back
/// (Samba's `recovery.003.no_resurrect`).
#[test]
fn a_recovery_clears_deleted_records_away() {
    if !have_root("a_recovery_clears_deleted_records_away") {
        return;
    }
    let cluster = up("cleared");
    cluster.ctdb(0, &["writekey", DB, "test1", "value1"]).ok();
    for node in cluster.nodes() {
        cluster.ctdb(node, &["readkey", DB, "test1"]).ok();
    }
    cluster.ctdb(0, &["stop"]).ok();
    let patience = cluster.layout().daemon.patience();
    wait_until(patience, "node 0 is stopped", || {
        cluster.sees(1, 0, "Stopped") && cluster.settled_among(&[1, 2])
    });
    cluster.ctdb(1, &["deletekey", DB, "test1"]).ok();
    cluster.ctdb(1, &["recover"]).ok();
    for node in [1, 2] {
        let local = cluster.ctdb(node, &["cattdb", DB]).ok();
        assert!(local.contains("Dumped 0 record(s)"), "node {node}: {local}");
    }
    cluster.ctdb(0, &["continue"]).ok();
    wait_until(patience, "node 0 is back", || cluster.settled());
    let all = cluster.ctdb(0, &["catdb", DB]).ok();
    assert!(all.contains("Dumped 0 records"), "{all}");
    cluster.assert_clean();
}

/// A record of a sticky database stays for `StickyPindown` each time that it comes to a node; it is changed as exactly.
#[test]
fn a_sticky_record_moves_less_often() {
    if !have_root("a_sticky_record_moves_less_often") {
        return;
    }
    let mut layout = Layout::new("sticky", 3);
    layout.tunables = "HopcountMakeSticky=6\nStickyPindown=200\n".into();
    let cluster = Cluster::up(&layout);
    let moves = |db: &str, is_sticky: bool| {
        cluster.attach(0, &[db]);
        for node in cluster.nodes().filter(|_| is_sticky) {
            cluster.ctdb(node, &["setdbsticky", db]).ok();
            let map = cluster.ctdb(node, &["getdbmap"]).ok();
            let shown = map
                .lines()
                .any(|line| line.contains(db) && line.ends_with(" STICKY"));
            assert!(shown, "node {node}: {map}");
        }
        let clients: Vec<Child> = cluster
            .nodes()
            .map(|node| cluster.client(node, &["counter", SOCKET, db, "key", "1000", "1000"]))
            .collect();
        let told: Vec<Value> = clients.into_iter().map(json_line).collect();
        assert_eq!(told.iter().map(done).sum::<u64>(), 3_000, "{told:?}");
        let value = json_line(cluster.client(1, &["read", SOCKET, db, "key"]));
        assert_eq!(value["value"], 3_000, "{told:?}");
        let migrations = told.iter().filter_map(|line| line["migrations"].as_u64());
        migrations.sum::<u64>()
    };
    let (plain, sticky) = (moves("plain.tdb", false), moves("sticky.tdb", true));
    println!("3,000 changes: the record moved {plain} times, sticky {sticky} times");
    assert!(sticky * 2 < plain, "sticky {sticky}, plain {plain}");
    cluster.assert_clean();
}

/// Who attaches a database while it is recovered has to wait, and is served like everybody else.
#[test]
fn databases_are_attached_while_others_recover() {
    const TURNS: usize = 10;
    if !have_root("databases_are_attached_while_others_recover") {
        return;
    }
    let cluster = Cluster::up(&Layout::new("attach-recover", 3));
    let is_done = AtomicBool::new(false);
    let recoveries = thread::scope(|scope| {
        let recovering = scope.spawn(|| {
            let mut count = 0;
            while !is_done.load(Ordering::Relaxed) {
                cluster.ctdb(1, &["recover"]).ok();
                count += 1;
            }
            count
        });
        let mut attached = Vec::new();
        for turn in 0..TURNS {
            for kind in [&[][..], &["persistent"], &["replicated"]] {
                let name = format!("turn-{turn}-{}.tdb", kind.first().unwrap_or(&"volatile"));
                attached.push(cluster.ctdb(0, &[&["attach", &name], kind].concat()));
            }
        }
        // Before anything can fail: the scope ends only with its threads.
        is_done.store(true, Ordering::Relaxed);
        for output in attached {
            output.ok();
        }
        recovering.join().expect("recoveries")
    });
    let losses = |node| cluster.log(node).matches("[lock.lost").count();
    let lost: usize = cluster.nodes().map(losses).sum();
    println!(
        "{} databases attached beside {recoveries} recoveries; cluster lock lost {lost} times",
        3 * TURNS
    );
    assert!(recoveries > 1, "one has hardly met an attach");
    cluster.wait_settled("all nodes OK");
    // The other nodes hear of it a moment later.
    let patience = cluster.layout().daemon.patience();
    wait_until(patience, "all of them on all nodes", || {
        cluster.nodes().all(|node| {
            let map = cluster.ctdb(node, &["getdbmap"]).ok();
            let attached = map.lines().filter(|line| line.contains("name:turn-"));
            attached.count() == 3 * TURNS
        })
    });
    cluster.assert_clean();
}
