//! How long addresses are silent when something happens to their node, with our daemon and with Debian's. Needs root.

use std::fs;
use std::process::ExitCode;

use ctdb_itests::bench::{HEADING, Mishap, Trial};
use ctdb_itests::cluster::{Cluster, Daemon, Layout, have_root};
use ctdb_itests::nfs;
use ctdb_itests::samba::monitored;

const USAGE: &str = "usage: bench-failover [--nodes N,…] [--addresses N,…] [--watch N] [--rounds R] [--only DAEMON] [WHAT…]
      --nodes      sizes of the clusters (3)
      --addresses  how many public addresses (32)
      --watch      most addresses that are asked each 10 ms, spread over all (48)
      --rounds     how often each happens (1)
      --only       ours or debian; else one after the other
      WHAT         disable, stop, shutdown, cut, kill, pause, link, samba, nfs (all of them)";

/// What is asked for.
struct Plan {
    nodes: Vec<usize>,
    addresses: Vec<usize>,
    watch: usize,
    rounds: usize,
    daemons: Vec<Daemon>,
    mishaps: Vec<Mishap>,
}

impl Plan {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut plan = Self {
            nodes: vec![3],
            addresses: vec![32],
            watch: 48,
            rounds: 1,
            daemons: vec![Daemon::Debian, Daemon::Ours],
            mishaps: Vec::new(),
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--nodes" => plan.nodes = numbers(&words.next()?)?,
                "--addresses" => plan.addresses = numbers(&words.next()?)?,
                "--watch" => plan.watch = words.next()?.parse().ok().filter(|watch| *watch > 0)?,
                "--rounds" => plan.rounds = words.next()?.parse().ok()?,
                "--only" => plan.daemons = vec![Daemon::named(&words.next()?)?],
                name => {
                    let known = Mishap::ALL.into_iter().find(|known| known.name() == name);
                    plan.mishaps.push(known?);
                }
            }
        }
        if plan.mishaps.is_empty() {
            plan.mishaps = Mishap::ALL.to_vec();
        }
        Some(plan)
    }

    fn run(&self) -> Vec<Trial> {
        let mut all = Vec::new();
        for &nodes in &self.nodes {
            for &addresses in &self.addresses {
                for &daemon in &self.daemons {
                    all.extend(self.one(nodes, addresses, daemon));
                }
            }
        }
        all
    }

    /// All that happens to one cluster.
    fn one(&self, nodes: usize, addresses: usize, daemon: Daemon) -> Vec<Trial> {
        let layout = Layout {
            addresses,
            daemon,
            ..Layout::new("failover", nodes)
        };
        let cluster = Cluster::build(&layout);
        if self.mishaps.contains(&Mishap::Samba) {
            monitored::monitor(&cluster);
        }
        if self.mishaps.contains(&Mishap::Nfs) {
            nfs::monitor(&cluster);
        }
        cluster.start_all();
        cluster.wait_settled("all nodes OK with addresses");
        let mut trials = Vec::new();
        for &mishap in &self.mishaps {
            for _ in 0..self.rounds {
                let silence = mishap.measure(&cluster, self.watch);
                let trial = Trial {
                    nodes,
                    addresses,
                    mishap,
                    daemon,
                    silence,
                };
                println!("{}", trial.row());
                trials.push(trial);
            }
        }
        cluster.assert_clean();
        trials
    }
}

fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split(',')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()
}

fn main() -> ExitCode {
    if !have_root("bench-failover") {
        return ExitCode::SUCCESS;
    }
    let Some(plan) = Plan::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let trials = plan.run();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("\nload {load}{HEADING}");
    for trial in &trials {
        println!("{}", trial.row());
    }
    ExitCode::SUCCESS
}
