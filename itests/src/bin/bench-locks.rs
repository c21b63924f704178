//! How long a contended record is waited for, with our daemon and with Debian's. Needs root.
//! `bench-locks [SECONDS [ours|debian]]`

use ctdb_itests::cluster::{Cluster, Daemon, Layout, have_root, json_line};
use serde_json::Value;
use std::process::{Child, ExitCode};

const SOCKET: &str = "/run/ctdb/ctdbd.socket";
const DB: &str = "bench.tdb";
/// Its hot records stay for `StickyPindown`.
const STICKY_DB: &str = "bench-sticky.tdb";

/// Who takes part: node, number of clients, time that each holds the lock, pause between turns (µs).
type Party = (usize, usize, u64, u64);

/// All clients of three nodes at once, each with its lock for 0.1 ms.
const CROWD: &[Party] = &[(0, 8, 100, 0), (1, 8, 100, 0), (2, 8, 100, 0)];

/// What is measured: name, who takes part, whose waits count.
const SCENES: &[(&str, &[Party], usize)] = &[
    ("one node, 4 clients, no pause", &[(0, 4, 0, 0)], 0),
    ("one node, 4 clients, held 1 ms", &[(0, 4, 1000, 0)], 0),
    (
        "held 1 ms by 2 on node 0, wanted by node 1",
        &[(0, 2, 1000, 0), (1, 1, 0, 3000)],
        1,
    ),
    (
        "the same, pauses of 1 ms",
        &[(0, 2, 1000, 1000), (1, 1, 0, 3000)],
        1,
    ),
    (
        "held 0.1 ms by 2 on node 0, wanted by node 1",
        &[(0, 2, 100, 0), (1, 1, 0, 3000)],
        1,
    ),
    (
        "three nodes, 2 clients each",
        &[(0, 2, 0, 0), (1, 2, 0, 0), (2, 2, 0, 0)],
        2,
    ),
    (
        "three nodes, 2 clients each, held 1 ms",
        &[(0, 2, 1000, 0), (1, 2, 1000, 0), (2, 2, 1000, 0)],
        2,
    ),
    ("three nodes, 8 clients each, held 0.1 ms", CROWD, 2),
    (STICKY, CROWD, 2),
];
/// In the sticky database.
const STICKY: &str = "the same, sticky";

fn main() -> ExitCode {
    if !have_root("bench-locks") {
        return ExitCode::SUCCESS;
    }
    let mut args = std::env::args().skip(1);
    let seconds = args.next().unwrap_or_else(|| "4".into());
    let daemons = match args.next().map(|word| Daemon::named(&word)) {
        None => vec![Daemon::Debian, Daemon::Ours],
        Some(Some(daemon)) => vec![daemon],
        Some(None) => {
            eprintln!("usage: bench-locks [SECONDS [ours|debian]]");
            return ExitCode::FAILURE;
        }
    };
    let results: Vec<_> = daemons
        .iter()
        .map(|daemon| measure(*daemon, &seconds))
        .collect();
    if let [debian, ours] = &results[..] {
        println!("\nmean wait in ms, Debian's and ours");
        for (number, (name, _, _)) in SCENES.iter().enumerate() {
            let (debian, ours) = (debian[number], ours[number]);
            println!(
                "{name:<48} {debian:>9.3} {ours:>9.3} {:>7.1}x",
                debian / ours
            );
        }
    }
    ExitCode::SUCCESS
}

fn measure(daemon: Daemon, seconds: &str) -> Vec<f64> {
    println!("== {daemon:?}");
    let layout = Layout {
        daemon,
        ..Layout::new("locks", 3)
    };
    let cluster = Cluster::build(&layout);
    cluster.start_all();
    cluster.wait_settled("all nodes OK with addresses");
    for db in [DB, STICKY_DB] {
        cluster.attach(0, &[db]);
    }
    for node in cluster.nodes() {
        cluster.ctdb(node, &["setdbsticky", STICKY_DB]).ok();
        // As low as here, where a request never chases a record, and there, where it does.
        cluster
            .ctdb(node, &["setvar", "HopcountMakeSticky", "6"])
            .ok();
    }
    let mut means = Vec::new();
    for (number, (name, parties, counts)) in SCENES.iter().enumerate() {
        let key = format!("key{number}");
        let db = if *name == STICKY { STICKY_DB } else { DB };
        let mut children: Vec<(usize, Child)> = Vec::new();
        for (node, clients, hold, pause) in *parties {
            for _ in 0..*clients {
                let words = [db, &key, seconds];
                children.push((*node, start(&cluster, *node, words, *hold, *pause)));
            }
        }
        let lines: Vec<(usize, Value)> = children
            .into_iter()
            .map(|(node, child)| (node, json_line(child)))
            .collect();
        means.push(report(name, *counts, &lines));
    }
    cluster.assert_clean();
    means
}

fn start(
    cluster: &Cluster,
    node: usize,
    [db, key, seconds]: [&str; 3],
    hold: u64,
    pause: u64,
) -> Child {
    let (hold, pause) = (hold.to_string(), pause.to_string());
    cluster.client(node, &["turns", SOCKET, db, key, seconds, &hold, &pause])
}

/// Prints a scene and answers the mean wait, on the node that counts, of the turns for which the record had
/// to be fetched; of all turns where nobody else takes part.
fn report(name: &str, counts: usize, lines: &[(usize, Value)]) -> f64 {
    let is_alone = lines.iter().all(|(node, _)| *node == counts);
    let field = if is_alone { "all" } else { "fetched" };
    let number = |value: &Value, name: &str| value[field][name].as_f64().unwrap_or(0.0);
    let greatest = |lines: &[&Value], name: &str| {
        lines
            .iter()
            .map(|value| number(value, name))
            .fold(0.0, f64::max)
    };
    let all: Vec<&Value> = lines.iter().map(|(_, value)| value).collect();
    let turns: Vec<u64> = all
        .iter()
        .filter_map(|value| value["turns"].as_u64())
        .collect();
    let counted: Vec<&Value> = lines
        .iter()
        .filter(|(node, _)| *node == counts)
        .map(|(_, value)| value)
        .collect();
    let total: f64 = counted.iter().map(|value| number(value, "turns")).sum();
    let waited: f64 = counted
        .iter()
        .map(|value| number(value, "turns") * number(value, "mean_ms"))
        .sum();
    let (p99, max) = (greatest(&counted, "p99_ms"), greatest(&counted, "max_ms"));
    let longest = greatest(&all, "max_ms");
    let in_all: u64 = turns.iter().sum();
    println!("{name}");
    println!(
        "    node {counts}, {field}: {total} turns, mean {:.3} ms, p99 {p99:.1} ms, longest {max:.1} ms; \
         longest of all {longest:.1} ms; {in_all} turns in all, {turns:?}",
        waited / total.max(1.0),
    );
    if total == 0.0 {
        f64::INFINITY
    } else {
        waited / total
    }
}
