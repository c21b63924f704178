//! Two clusters, one of each daemon.

use std::process::Child;

use serde_json::Value;

use super::floor::floor_round;
use super::rates::Rates;
use super::workload::Workload;
use crate::cluster::{Cluster, Daemon, Layout, json_line};

/// Both of them, with all nodes OK.
#[derive(Debug)]
pub struct Pair {
    debian: Cluster,
    ours: Cluster,
}

impl Pair {
    /// Starts them.
    ///
    /// # Panics
    /// If a cluster can't be built, as all that follows.
    pub fn up(nodes: usize) -> Self {
        let up = |daemon| {
            Cluster::up(&Layout {
                daemon,
                ..Layout::new("rates", nodes)
            })
        };
        Self {
            debian: up(Daemon::Debian),
            ours: up(Daemon::Ours),
        }
    }

    /// Lets the clients work for `seconds` on each cluster in turn, `rounds` times.
    pub fn measure(&self, workload: Workload, seconds: u64, rounds: usize) -> Rates {
        let mut rates = Rates::new(workload, self.ours.layout().nodes);
        for _ in 0..rounds {
            rates.debian.push(round(&self.debian, workload, seconds));
            rates.ours.push(round(&self.ours, workload, seconds));
            let floor = workload.floor();
            let floor = floor.map(|what| floor_round(&self.ours, what, seconds));
            rates.floor.extend(floor);
        }
        rates
    }

    /// Ends both.
    pub fn down(self) {
        self.debian.assert_clean();
        self.ours.assert_clean();
    }
}

fn round(cluster: &Cluster, workload: Workload, seconds: u64) -> f64 {
    let nodes = cluster.layout().nodes;
    let arguments = workload.arguments(nodes, seconds);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let clients: Vec<Child> = cluster
        .nodes()
        .map(|node| cluster.client(node, &arguments))
        .collect();
    let lines: Vec<Value> = clients.into_iter().map(json_line).collect();
    let sum: f64 = lines.iter().filter_map(|line| line["per_s"].as_f64()).sum();
    if workload.is_shared() {
        sum
    } else {
        sum / f64::from(nodes as u32)
    }
}
