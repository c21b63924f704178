//! What a recovery costs: many records on three nodes, of which one dies, comes back, and then a recovery is asked for.

use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::{Cluster, Daemon, Layout, Whom, json_line, wait_until};

const NODES: usize = 3;
const SOCKET: &str = "/run/ctdb/ctdbd.socket";
/// The database of many records.
const BIG: &str = "many.tdb";
/// A database of few records.
const SMALL: &str = "few.tdb";
const SMALL_RECORDS: u64 = 300;
/// A database whose records are on the nodes that stay, so that it loses nothing.
const KEPT: &str = "kept.tdb";
const RECORD_BYTES: &str = "100";
/// Keys begin so.
const PREFIX: &str = "record";
/// From the start of the probes to the event.
const LEAD_IN: Duration = Duration::from_secs(2);

/// How long the clients of a database waited.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pause {
    /// Longest time that a change of a record took, wherever it was.
    pub any_s: f64,
    /// The same for a record that did not have to come from another node.
    pub local_s: f64,
}

/// What one event cost the clients of the nodes that stayed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Time that the recovery took, as `ctdb uptime` tells.
    pub recovery_s: f64,
    /// The database of many records.
    pub big: Pause,
    /// Another one, of which each node has a part.
    pub small: Pause,
    /// One of which the nodes that stay have everything.
    pub kept: Pause,
}

impl Cost {
    /// Each figure with its name.
    pub const fn figures(&self) -> [(&'static str, f64); 7] {
        [
            ("recovery", self.recovery_s),
            ("pause of the big database", self.big.any_s),
            ("its records of this node", self.big.local_s),
            ("pause of another database", self.small.any_s),
            ("its records of this node", self.small.local_s),
            ("pause of one that loses nothing", self.kept.any_s),
            ("its records of this node", self.kept.local_s),
        ]
    }
}

/// The whole measurement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Records of which the survivors were dmaster before the kill.
    pub held: u64,
    /// Records of which they are dmaster after it.
    pub kept: u64,
    /// Records that `ctdb catdb` shows then.
    pub shown: u64,
    /// A node is killed.
    pub kill: Cost,
    /// It comes back.
    pub join: Cost,
    /// `ctdb recover`.
    pub recover: Cost,
}

impl Report {
    /// Each event with what it cost.
    pub const fn events(&self) -> [(&'static str, Cost); 3] {
        [
            ("one node killed", self.kill),
            ("it comes back", self.join),
            ("ctdb recover", self.recover),
        ]
    }
}

/// Fills a cluster with `records` records and takes the figures.
pub fn measure(daemon: Daemon, records: u64) -> Report {
    let layout = Layout {
        daemon,
        ..Layout::new("recovery", NODES)
    };
    let cluster = Cluster::up(&layout);
    let scene = Scene { cluster: &cluster };
    let leader = cluster.leader(0).expect("a leader");
    let victim = (leader + 1) % NODES;
    let survivors: Vec<usize> = cluster.nodes().filter(|node| *node != victim).collect();
    scene.fill(records, &survivors);
    let mut report = Report {
        held: scene.held(&survivors),
        ..Report::default()
    };
    report.kill = scene.cost(&survivors, "a node is killed", || {
        cluster.kill(victim, Whom::All);
        sleep(Duration::from_secs(1));
        let patience = layout.daemon.patience();
        wait_until(patience, "the others go on", || {
            cluster.settled_among(&survivors)
        });
    });
    report.kept = scene.held(&survivors);
    report.shown = scene.shown(survivors[0]);
    report.join = scene.cost(&survivors, "the node comes back", || {
        cluster.start(victim);
        cluster.wait_settled("all nodes OK again");
    });
    report.recover = scene.cost(&survivors, "ctdb recover", || {
        cluster.ctdb(survivors[0], &["recover"]).ok();
    });
    cluster.assert_clean();
    report
}

struct Scene<'a> {
    cluster: &'a Cluster,
}

impl Scene<'_> {
    fn fill(&self, records: u64, survivors: &[usize]) {
        let all: Vec<usize> = self.cluster.nodes().collect();
        for (db, records, nodes) in [
            (BIG, records, &*all),
            (SMALL, SMALL_RECORDS, &*all),
            (KEPT, SMALL_RECORDS, survivors),
        ] {
            self.cluster.attach(0, &[db]);
            let fill = |node: &usize| {
                let prefix = format!("{PREFIX}-{node}");
                let count = (records / nodes.len() as u64).to_string();
                self.cluster
                    .client(*node, &["fill", SOCKET, db, &prefix, &count, RECORD_BYTES])
            };
            let children: Vec<Child> = nodes.iter().map(fill).collect();
            for child in children {
                println!("{db}: {}", json_line(child));
            }
        }
    }

    /// Records of which these nodes are dmaster.
    fn held(&self, nodes: &[usize]) -> u64 {
        let own = |node: &usize| {
            let line = json_line(self.cluster.client(*node, &["count", SOCKET, BIG, PREFIX]));
            line["own"].as_u64().expect("a number")
        };
        nodes.iter().map(own).sum()
    }

    fn shown(&self, node: usize) -> u64 {
        let command = format!("/usr/bin/ctdb -t 100 catdb {BIG} | grep -c '^key.*\"{PREFIX}'");
        let output = self.cluster.run(node, &["sh", "-c", &command]);
        output.stdout.trim().parse().expect("a number of records")
    }

    /// Probes the databases on `nodes` while `act` happens.
    fn cost(&self, nodes: &[usize], what: &str, act: impl FnOnce()) -> Cost {
        // Debian's needs more time to notice and to recover.
        let seconds = match self.cluster.layout().daemon {
            Daemon::Ours => "12",
            Daemon::Debian => "60",
        };
        let probes = [BIG, SMALL, KEPT].map(|db| {
            let start = |node: &usize| self.cluster.client(*node, &["probe", SOCKET, db, seconds]);
            (db, nodes.iter().map(start).collect::<Vec<Child>>())
        });
        sleep(LEAD_IN);
        let told: Vec<usize> = nodes
            .iter()
            .map(|node| self.recoveries(*node).len())
            .collect();
        act();
        for (node, before) in nodes.iter().zip(told) {
            for line in self.recoveries(*node).into_iter().skip(before) {
                println!("{what}: node {node}: {line}");
            }
        }
        let [big, small, kept] = probes.map(|(db, children)| {
            let lines: Vec<Value> = children.into_iter().map(json_line).collect();
            for line in &lines {
                println!("{what}: {db}: {line}");
            }
            Pause {
                any_s: longest_s(&lines, "longest_ms"),
                local_s: longest_s(&lines, "longest_local_ms"),
            }
        });
        Cost {
            recovery_s: self.last_recovery_s(nodes[0]),
            big,
            small,
            kept,
        }
    }

    /// What our daemon logs as leader of recoveries: what they go through, and their ends.
    fn recoveries(&self, node: usize) -> Vec<String> {
        let log = self.cluster.log(node);
        let signs = ["[recovery.scope", "[recovery.finished", "[recovery.aborted"];
        let is_told = |line: &&str| signs.iter().any(|sign| line.contains(sign));
        log.lines().filter(is_told).map(String::from).collect()
    }

    fn last_recovery_s(&self, node: usize) -> f64 {
        let text = self.cluster.ctdb(node, &["uptime"]).ok();
        let line = text.lines().find(|line| line.starts_with("Duration"));
        let mut words = line.unwrap_or_default().split_whitespace();
        words
            .find_map(|word| word.parse().ok())
            .expect("a duration in ctdb uptime")
    }
}

fn longest_s(lines: &[Value], field: &str) -> f64 {
    let times = lines.iter().filter_map(|line| line[field].as_f64());
    times.fold(0.0, f64::max) / 1e3
}
