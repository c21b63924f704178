//! The rings with bare relays in place of daemons, in the same namespaces.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::cluster::{Cluster, Layout, json_line, program};

const PORT: &str = "4399";
/// A record of the ring has between 0 and 10,000 bytes.
const RECORD_BYTES: &str = "5000";

/// A node's relay; it ends with this value, also when a client fails.
struct Relay(Child);

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Passes of a node each second.
pub(super) fn floor_round(cluster: &Cluster, what: &str, seconds: u64) -> f64 {
    let nodes = cluster.layout().nodes;
    let (count, seconds) = (nodes.to_string(), seconds.to_string());
    let addresses = (0..nodes).map(|node| Layout::private_address(node).to_string());
    let addresses: Vec<String> = addresses.collect();
    let relays: Vec<Relay> = cluster
        .nodes()
        .map(|node| {
            let _ = std::fs::remove_file(socket(cluster, node));
            let mut relay = relay(cluster, node);
            relay.args(["node", &node.to_string(), PORT, &socket(cluster, node)]);
            relay.arg(RECORD_BYTES).args(&addresses);
            Relay(relay.spawn().expect("nsenter(1) runs"))
        })
        .collect();
    let clients: Vec<Child> = cluster
        .nodes()
        .map(|node| {
            let mut client = relay(cluster, node);
            client.args(["ring", &node.to_string(), &count, &socket(cluster, node)]);
            client.args([&seconds, what]);
            client.stdout(Stdio::piped()).stderr(Stdio::piped());
            client.spawn().expect("nsenter(1) runs")
        })
        .collect();
    let lines: Vec<Value> = clients.into_iter().map(json_line).collect();
    drop(relays);
    let sum: f64 = lines.iter().filter_map(|line| line["per_s"].as_f64()).sum();
    sum / f64::from(nodes as u32)
}

fn relay(cluster: &Cluster, node: usize) -> Command {
    cluster.command(node, &program("relay").to_string_lossy())
}

fn socket(cluster: &Cluster, node: usize) -> String {
    let path = cluster.directory().join(format!("relay-{node}.socket"));
    path.to_string_lossy().into_owned()
}
