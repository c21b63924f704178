//! Figures of our daemon beside Debian's, measured in one run on this machine: start, contended counters, Samba's opens of
//! one directory. Needs root. Rates of rings and loops: `bench-rates`; faults: `bench-failover`.

use std::collections::BTreeMap;
use std::process::{Child, ExitCode, Stdio};

use ctdb_itests::bench::median;
use ctdb_itests::cluster::{Cluster, Daemon, Layout, program};
use ctdb_itests::samba::{self, Release, Samba};
use serde_json::Value;

const USAGE: &str = "usage: bench [--only DAEMON] [--rounds R] [WHAT…]
      --only    ours or debian; else one after the other
      --rounds  how often the directory is opened (1)
      WHAT      start, counters, opens (all of them)";

const NODES: usize = 3;
const SOCKET: &str = "/run/ctdb/ctdbd.socket";
const DB: &str = "bench.tdb";
/// How long clients count, in seconds.
const COUNT_SECONDS: &str = "3";
/// How long the directory is opened.
const OPENS_SECONDS: u64 = 10;

/// Figures by name; a unit ends each name.
type Figures = BTreeMap<&'static str, f64>;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Start,
    Counters,
    Opens,
}

impl What {
    const ALL: [Self; 3] = [Self::Start, Self::Counters, Self::Opens];

    const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Counters => "counters",
            Self::Opens => "opens",
        }
    }
}

/// What is asked for.
struct Plan {
    daemons: Vec<Daemon>,
    rounds: usize,
    parts: Vec<What>,
}

impl Plan {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut plan = Self {
            daemons: vec![Daemon::Ours, Daemon::Debian],
            rounds: 1,
            parts: Vec::new(),
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--only" => plan.daemons = vec![Daemon::named(&words.next()?)?],
                "--rounds" => {
                    plan.rounds = words.next()?.parse().ok().filter(|count| *count > 0)?;
                }
                name => plan
                    .parts
                    .push(What::ALL.into_iter().find(|part| part.name() == name)?),
            }
        }
        if plan.parts.is_empty() {
            plan.parts = What::ALL.to_vec();
        }
        Some(plan)
    }

    fn measure(&self, daemon: Daemon) -> Figures {
        println!("== {daemon:?}");
        let mut figures = Figures::new();
        if self.parts.contains(&What::Start) || self.parts.contains(&What::Counters) {
            let layout = Layout {
                daemon,
                ..Layout::new("bench", NODES)
            };
            let cluster = Cluster::build(&layout);
            let begin = cluster.start_all();
            cluster.wait_settled("all nodes OK with addresses");
            let start_s = begin.elapsed().as_secs_f64();
            note(&mut figures, "start_to_all_ok_s", start_s);
            if self.parts.contains(&What::Counters) {
                counters(&cluster, &mut figures);
            }
            cluster.assert_clean();
        }
        if self.parts.contains(&What::Opens) {
            opens(daemon, self.rounds, &mut figures);
        }
        figures
    }
}

fn main() -> ExitCode {
    if !ctdb_itests::cluster::have_root("bench") {
        return ExitCode::SUCCESS;
    }
    let Some(plan) = Plan::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let daemons = plan.daemons.iter();
    let figures: Vec<Figures> = daemons.map(|daemon| plan.measure(*daemon)).collect();
    if let [ours, debian] = &figures[..] {
        print(ours, debian);
    }
    ExitCode::SUCCESS
}

/// A ratio above 1 is in favour of ours.
fn print(ours: &Figures, debian: &Figures) {
    println!(
        "\n{:<34} {:>12} {:>12} {:>8}",
        "", "Debian 4.17", "ours", "ratio"
    );
    for (name, ours) in ours {
        let Some(debian) = debian.get(name) else {
            continue;
        };
        // What is a time is better when it is less; a rate ends in `_s` too.
        let is_time = name.ends_with("_s") && !name.ends_with("_per_s");
        let ratio = if is_time {
            debian / ours
        } else {
            ours / debian
        };
        println!("{name:<34} {debian:>12.3} {ours:>12.3} {ratio:>7.1}x");
    }
}

/// One directory that clients open and close through all nodes, and through one; medians of the rounds.
fn opens(daemon: Daemon, rounds: usize, figures: &mut Figures) {
    let layout = Layout {
        daemon,
        ..samba::layout("samba")
    };
    let cluster = Cluster::up(&layout);
    let mut samba = Samba::up(&cluster, Release::Installed);
    let addresses = samba.addresses();
    let (mut one, mut all) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        one.push(samba.path_contention(&addresses[..1], OPENS_SECONDS));
        all.push(samba.path_contention(&addresses, OPENS_SECONDS));
    }
    println!("one node: {one:?}, all nodes: {all:?}");
    note(figures, "smb_opens_one_node_per_s", median(one.into_iter()));
    note(
        figures,
        "smb_opens_all_nodes_per_s",
        median(all.into_iter()),
    );
    samba.stop_all();
    drop(samba);
    cluster.assert_clean();
}

fn note(figures: &mut Figures, name: &'static str, value: f64) {
    println!("{name:<34} {value:>12.3}");
    figures.insert(name, value);
}

/// A record that is changed as often as its clients can.
fn counters(cluster: &Cluster, figures: &mut Figures) {
    cluster.ctdb(0, &["attach", DB]).ok();
    let alone = turns_per_s(cluster, 1, "alone");
    note(figures, "counter_one_node_per_s", alone);
    let contended = turns_per_s(cluster, NODES, "contended");
    note(figures, "counter_all_nodes_per_s", contended);
}

/// Changes of one record by a client on each of the first nodes.
fn turns_per_s(cluster: &Cluster, nodes: usize, key: &str) -> f64 {
    let program = program("ctdb-client");
    let children: Vec<Child> = (0..nodes)
        .map(|node| {
            let mut command = cluster.command(node, &program.to_string_lossy());
            command
                .args(["turns", SOCKET, DB, key, COUNT_SECONDS, "0", "0"])
                .stdout(Stdio::piped())
                .spawn()
                .expect("nsenter(1) runs")
        })
        .collect();
    let rate = |child: Child| {
        let output = child.wait_with_output().expect("its end");
        assert!(output.status.success(), "ctdb-client turns");
        let line: Value = serde_json::from_slice(&output.stdout).expect("a line of JSON");
        let turns = line["turns"].as_f64().expect("a number of turns");
        turns / line["elapsed_s"].as_f64().expect("a time")
    };
    children.into_iter().map(rate).sum()
}
