//! Persistent and replicated databases on real nodes: transactions reach all nodes or none, contended ones are
//! exact, and the files agree whatever dies.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use ctdb_itests::cluster::{Cluster, Daemon, Layout, Whom, have_root, json_line, wait_until};
use serde_json::Value;

const SOCKET: &str = "/run/ctdb/ctdbd.socket";
const KINDS: [(&str, &str, &str); 2] = [
    ("p.tdb", "persistent", "persistent"),
    ("r.tdb", "replicated", "volatile"),
];

fn attach(cluster: &Cluster, name: &str, kind: &str) {
    cluster.attach(0, &[name, kind]);
    let all = || {
        let has = |node| cluster.ctdb(node, &["getdbmap"]).ok().contains(name);
        cluster.nodes().all(has)
    };
    wait_until(Duration::from_secs(10), "the database on all nodes", all);
}

/// The file of a node, seen from outside.
fn file(cluster: &Cluster, node: usize, name: &str, dir: &str) -> PathBuf {
    let path = format!("{node}/var/{dir}/{name}.{node}");
    cluster.directory().join(path)
}

/// All records of a node's file, by Debian's `tdbdump`.
fn dump(cluster: &Cluster, node: usize, name: &str, dir: &str) -> BTreeMap<String, String> {
    let path = file(cluster, node, name, dir);
    let output = std::process::Command::new("tdbdump")
        .arg(&path)
        .output()
        .expect("tdbdump runs");
    assert!(output.status.success(), "tdbdump {}", path.display());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut records = BTreeMap::new();
    let mut key = None;
    for line in text.lines() {
        let quoted = line
            .split_once('"')
            .and_then(|(_, rest)| rest.rsplit_once('"'));
        let Some((quoted, _)) = quoted else { continue };
        if line.starts_with("key") {
            key = Some(quoted.to_owned());
        } else if let Some(key) = key.take() {
            records.insert(key, quoted.to_owned());
        }
    }
    records
}

/// The same content on all nodes, which is answered.
fn agreed(cluster: &Cluster, name: &str, dir: &str) -> BTreeMap<String, String> {
    let first = dump(cluster, 0, name, dir);
    for node in cluster.nodes().skip(1) {
        assert_eq!(dump(cluster, node, name, dir), first, "node {node}, {name}");
    }
    first
}

fn fetch(cluster: &Cluster, node: usize, name: &str, key: &str) -> String {
    cluster
        .ctdb(node, &["pfetch", name, key])
        .ok()
        .trim()
        .to_owned()
}

/// `ctdb-client transactions` on a node.
fn transactions(cluster: &Cluster, node: usize, name: &str, kind: &str, count: u64) -> Child {
    let count = count.to_string();
    cluster.client(
        node,
        &["transactions", SOCKET, name, kind, "counter", &count],
    )
}

fn number(line: &Value, field: &str) -> u64 {
    let number = line[field].as_u64();
    number.unwrap_or_else(|| panic!("no {field}: {line}"))
}

/// The counter in a file: 8 bytes behind the 24 of the header, as `tdbdump` writes them.
fn counter(records: &BTreeMap<String, String>, key: &str) -> u64 {
    let value = records.get(key).unwrap_or_else(|| panic!("no {key}"));
    let mut bytes = Vec::new();
    let mut text = value.chars();
    while let Some(c) = text.next() {
        if c == '\\' {
            let hex: String = text.by_ref().take(2).collect();
            bytes.push(u8::from_str_radix(&hex, 16).expect("two hex digits"));
        } else {
            bytes.push(c as u8);
        }
    }
    let data = bytes[24..].try_into().expect("8 bytes");
    u64::from_le_bytes(data)
}

#[test]
fn debians_tool_commits_on_all_nodes() {
    if !have_root("debians_tool_commits_on_all_nodes") {
        return;
    }
    let cluster = Cluster::up(&Layout::new("persist", 3));
    for (name, kind, dir) in KINDS {
        attach(&cluster, name, kind);
        for writer in cluster.nodes() {
            let value = format!("written by {writer}");
            cluster.ctdb(writer, &["pstore", name, "key", &value]).ok();
            for reader in cluster.nodes() {
                assert_eq!(fetch(&cluster, reader, name, "key"), value, "{name}");
                let shown = cluster.ctdb(reader, &["getdbseqnum", name]).ok();
                assert_eq!(shown.trim(), format!("{:#x}", writer + 1), "{name}");
            }
        }
        let script = cluster.directory().join("shared/ptrans");
        std::fs::write(&script, "\"one\" \"1\"\n\"two\" \"2\"\n\"key\" \"\"\n").expect("written");
        let script = script.to_string_lossy().into_owned();
        let command = format!("/usr/bin/ctdb ptrans {name} < {script}");
        cluster.run(1, &["sh", "-c", &command]).ok();
        for reader in cluster.nodes() {
            assert_eq!(fetch(&cluster, reader, name, "one"), "1");
            assert_eq!(fetch(&cluster, reader, name, "two"), "2");
        }
        cluster.ctdb(2, &["pdelete", name, "one"]).ok();
        for reader in cluster.nodes() {
            assert_eq!(fetch(&cluster, reader, name, "one"), "");
            let shown = cluster.ctdb(reader, &["catdb", name]).ok();
            assert!(shown.contains("two"), "{shown}");
        }
        agreed(&cluster, name, dir);
    }
    cluster.assert_clean();
}

#[test]
fn contended_transactions_are_exact() {
    if !have_root("contended_transactions_are_exact") {
        return;
    }
    let cluster = Cluster::up(&Layout::new("contended", 3));
    for (name, kind, dir) in KINDS {
        attach(&cluster, name, kind);
        let clients: Vec<Child> = cluster
            .nodes()
            .map(|node| transactions(&cluster, node, name, kind, 200))
            .collect();
        for client in clients {
            let line = json_line(client);
            println!("{name}: {line}");
            assert_eq!(number(&line, "increments"), 200, "{line}");
        }
        let records = agreed(&cluster, name, dir);
        for key in ["counter", "counter.twin"] {
            assert_eq!(counter(&records, key), 600, "{name} {key}");
        }
    }
    cluster.assert_clean();
}

/// `wipedb`, `backupdb`, `restoredb` and `getdbstatus` of Debian's tool on databases of all kinds.
#[test]
fn content_is_wiped_and_restored_by_debians_tool() {
    if !have_root("content_is_wiped_and_restored_by_debians_tool") {
        return;
    }
    let cluster = Cluster::up(&Layout::new("content", 3));
    let backup = cluster.directory().join("shared/backup");
    let backup = backup.to_string_lossy().into_owned();
    for (name, kind, _) in KINDS.into_iter().chain([("v.tdb", "", "volatile")]) {
        let (store, fetch) = if kind.is_empty() {
            cluster.attach(0, &[name]);
            ("writekey", "readkey")
        } else {
            attach(&cluster, name, kind);
            ("pstore", "pfetch")
        };
        for writer in cluster.nodes() {
            cluster
                .ctdb(writer, &[store, name, &format!("key{writer}"), "old"])
                .ok();
        }
        cluster.ctdb(1, &["backupdb", name, &backup]).ok();
        cluster.ctdb(0, &[store, name, "later", "new"]).ok();
        cluster.ctdb(2, &["wipedb", name]).ok();
        for node in cluster.nodes() {
            let shown = cluster.ctdb(node, &["catdb", name]).ok();
            assert!(
                shown.contains("Dumped 0 records"),
                "{name} on {node}: {shown}"
            );
        }
        let shown = cluster.ctdb(0, &["restoredb", &backup]).ok();
        assert!(shown.contains("restored"), "{shown}");
        for node in cluster.nodes() {
            for key in ["key0", "key1", "key2"] {
                // The file of one node holds what that node had of a volatile database.
                if kind.is_empty() && key != "key1" {
                    continue;
                }
                let shown = cluster.ctdb(node, &[fetch, name, key]).ok();
                assert!(shown.contains("old"), "{name} {key} on {node}: {shown}");
            }
            let later = cluster.ctdb(node, &[fetch, name, "later"]);
            assert!(!later.stdout.contains("new"), "{name} on {node}: {later:?}");
            let status = cluster.ctdb(node, &["getdbstatus", name]).ok();
            assert!(status.contains("HEALTH: OK"), "{status}");
        }
        // It is an ordinary database again.
        cluster.ctdb(2, &[store, name, "key1", "newer"]).ok();
        for node in cluster.nodes() {
            let shown = cluster.ctdb(node, &[fetch, name, "key1"]).ok();
            assert!(shown.contains("newer"), "{name} on {node}: {shown}");
        }
    }
    cluster.assert_clean();
}

/// A file of one daemon is served by the other one: ours, Debian's, ours again. That of a replicated database begins
/// empty with each start of either.
#[test]
fn files_pass_between_the_daemons() {
    if !have_root("files_pass_between_the_daemons") {
        return;
    }
    if std::env::var_os("CTDB_LONG").is_none() {
        println!(
            "NOT RUN: files_pass_between_the_daemons: Debian's daemon takes long to start (CTDB_LONG=1)"
        );
        return;
    }
    let mut layout = Layout::new("interop", 1);
    layout.daemon = Daemon::Ours;
    let cluster = Cluster::up(&layout);
    let (name, kind, dir) = KINDS[0];
    cluster.attach(0, &[name, kind]);
    cluster.ctdb(0, &["pstore", name, "ours", "1"]).ok();
    let (cleared, replicated, cleared_dir) = KINDS[1];
    let fill = || {
        cluster.attach(0, &[cleared, replicated]);
        let before = dump(&cluster, 0, cleared, cleared_dir);
        cluster.ctdb(0, &["pstore", cleared, "key", "1"]).ok();
        assert!(dump(&cluster, 0, cleared, cleared_dir).contains_key("key"));
        before
    };
    let empty = BTreeMap::new();
    assert_eq!(fill(), empty);
    cluster.stop(0);
    cluster.run(0, &["/usr/sbin/ctdbd"]).ok();
    let settled = |what| wait_until(Daemon::Debian.patience(), what, || cluster.settled());
    settled("Debian's daemon is OK");
    assert_eq!(
        fetch(&cluster, 0, name, "ours"),
        "1",
        "theirs reads our file"
    );
    cluster.ctdb(0, &["pstore", name, "theirs", "2"]).ok();
    assert_eq!(fill(), empty, "theirs has cleared it");
    let before = dump(&cluster, 0, name, dir);
    cluster.stop(0);
    cluster.start(0);
    settled("our daemon is OK");
    assert_eq!(fetch(&cluster, 0, name, "ours"), "1");
    assert_eq!(
        fetch(&cluster, 0, name, "theirs"),
        "2",
        "ours reads their file"
    );
    assert_eq!(dump(&cluster, 0, name, dir), before);
    assert_eq!(fill(), empty, "ours has cleared it");
    cluster.ctdb(0, &["pstore", name, "ours", "3"]).ok();
    cluster.assert_clean();
}

/// A damaged file is set aside when its node starts, and rebuilt from the others.
#[test]
fn damaged_file_is_set_aside_and_rebuilt() {
    if !have_root("damaged_file_is_set_aside_and_rebuilt") {
        return;
    }
    let cluster = Cluster::up(&Layout::new("damaged", 3));
    let (name, kind, dir) = KINDS[0];
    attach(&cluster, name, kind);
    cluster.ctdb(0, &["pstore", name, "key", "kept"]).ok();
    cluster.stop(1);
    cluster.ctdb(0, &["pstore", name, "meanwhile", "too"]).ok();
    let path = file(&cluster, 1, name, dir);
    let mut bytes = std::fs::read(&path).expect("the file");
    let half = bytes.len() / 2;
    bytes[64..half].fill(0x5a);
    std::fs::write(&path, &bytes).expect("damaged");
    cluster.start(1);
    cluster.wait_settled("all nodes OK with the damaged file set aside");
    let records = agreed(&cluster, name, dir);
    assert!(records.contains_key("key") && records.contains_key("meanwhile"));
    let status = cluster.ctdb(1, &["getdbstatus", name]).ok();
    assert!(status.contains("HEALTH: OK"), "{status}");
    let log = cluster.log(1);
    let line = log.lines().find(|line| line.contains("database.set_aside"));
    let line = line.unwrap_or_else(|| panic!("not in the log: {log}"));
    assert!(
        line.contains(name) && line.contains(".corrupted."),
        "{line}"
    );
    let moved = std::fs::read_dir(path.parent().expect("a directory")).expect("readable");
    let moved = moved
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().contains(".corrupted."));
    let moved = std::fs::read(moved.expect("set aside").path()).expect("readable");
    assert_eq!(moved, bytes);
    cluster.assert_clean();
}

/// A node dies in the middle of commits, the others go on, and it comes back.
#[test]
fn nothing_is_lost_when_a_node_dies_in_the_middle_of_commits() {
    if !have_root("nothing_is_lost_when_a_node_dies_in_the_middle_of_commits") {
        return;
    }
    let cluster = Cluster::up(&Layout::new("deadcommit", 3));
    for (name, kind, _) in KINDS {
        attach(&cluster, name, kind);
    }
    for victim in [2, 1] {
        let (name, kind, dir) = KINDS[0];
        let before = dump(&cluster, 0, name, dir);
        let before = before
            .get("counter")
            .map_or(0, |_| counter(&before, "counter"));
        let clients = [0, 1, 2].map(|node| {
            let count = if node == victim {
                u64::from(u32::MAX)
            } else {
                300
            };
            transactions(&cluster, node, name, kind, count)
        });
        sleep(Duration::from_millis(700));
        assert!(cluster.kill(victim, Whom::All) > 0);
        let lines = clients.map(json_line);
        let (mut known, mut unknown) = (0, 0);
        for line in &lines {
            println!("{name}: {line}");
            known += number(line, "increments");
            unknown += number(line, "unknown");
        }
        cluster.start(victim);
        cluster.wait_settled("all nodes OK after the dead one came back");
        let records = agreed(&cluster, name, dir);
        let value = counter(&records, "counter") - before;
        assert_eq!(
            counter(&records, "counter.twin") - before,
            value,
            "whole transactions"
        );
        // The dead node's client may have had one more on its way.
        assert!(
            value >= known && value <= known + unknown + 1,
            "{known} known, {value} there"
        );
    }
    cluster.assert_clean();
}
