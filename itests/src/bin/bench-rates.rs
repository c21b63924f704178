//! Rates of our daemon and of Debian's in turns, with their ratio. Needs root.

use std::process::ExitCode;

use ctdb_itests::bench::{Busy, Pair, Rates, Workload, print_markdown, print_table};
use ctdb_itests::cluster::have_root;

const USAGE: &str =
    "usage: bench-rates [--nodes N,…] [--seconds S] [--rounds R] [--busy LOOPS] [WORKLOAD…]
      --nodes    sizes of the clusters (3,16)
      --seconds  length of a round (3)
      --rounds   how often each daemon has its turn (3)
      --busy     endless loops beside the clients (0)
      WORKLOAD   message_ring, fetch_ring, g_lock_loop, fetch_readonly_loop, fetch_readonly_written,
                 transaction_loop (all of them)";

/// What is asked for.
struct Plan {
    nodes: Vec<usize>,
    seconds: u64,
    rounds: usize,
    busy: usize,
    workloads: Vec<Workload>,
}

impl Plan {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut plan = Self {
            nodes: vec![3, 16],
            seconds: 3,
            rounds: 3,
            busy: 0,
            workloads: Vec::new(),
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--nodes" => {
                    let sizes = words.next()?;
                    plan.nodes = sizes
                        .split(',')
                        .map(str::parse)
                        .collect::<Result<_, _>>()
                        .ok()?;
                }
                "--seconds" => plan.seconds = words.next()?.parse().ok()?,
                "--rounds" => plan.rounds = words.next()?.parse().ok()?,
                "--busy" => plan.busy = words.next()?.parse().ok()?,
                name => {
                    let known = Workload::ALL.into_iter().find(|known| known.name() == name);
                    plan.workloads.push(known?);
                }
            }
        }
        if plan.workloads.is_empty() {
            plan.workloads = Workload::ALL.to_vec();
        }
        Some(plan)
    }

    fn run(&self) -> Vec<Rates> {
        let mut all = Vec::new();
        for &nodes in &self.nodes {
            let pair = Pair::up(nodes);
            let busy = Busy::start(self.busy);
            for workload in &self.workloads {
                let rates = pair.measure(*workload, self.seconds, self.rounds);
                print_table(std::slice::from_ref(&rates));
                all.push(rates);
            }
            drop(busy);
            pair.down();
        }
        all
    }
}

fn main() -> ExitCode {
    if !have_root("bench-rates") {
        return ExitCode::SUCCESS;
    }
    let Some(plan) = Plan::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    print_markdown(&plan.run());
    ExitCode::SUCCESS
}
