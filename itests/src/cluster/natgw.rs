//! The NAT gateway as tests see it: the outside, and what a node has in its kernel.

use std::time::Duration;

use super::flows::{Flows, flows_program};
use super::lab::Cluster;
use super::wait_until;
use super::{Layout, Whom};

/// A host that no node has a way to but by the client, who stands for the router of the site.
pub const OUTSIDE: &str = "203.0.113.9";
/// Where it listens.
pub const PORT: &str = "4452";
/// The gateway's public address.
pub const GATEWAY: &str = "10.88.0.227";
/// For a change of the gateway to arrive.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The lines of the manual, with the networks of the test.
pub const SEED: &str = "CTDB_NATGW_NODES=/etc/ctdb/natgw_nodes
CTDB_NATGW_PRIVATE_NETWORK=10.99.0.0/24
CTDB_NATGW_PUBLIC_IP=10.88.0.227/16
CTDB_NATGW_PUBLIC_IFACE=eth1
CTDB_NATGW_DEFAULT_GATEWAY=10.88.0.50
";
/// Starts the outside host: it says to everybody who connects from which address that was.
pub fn outside(cluster: &Cluster) -> Flows {
    let setup = "ip link set lo up
        ip addr add 203.0.113.9/32 dev lo
        ip addr add fd78::7/128 dev lo nodad";
    cluster.on_client(&["sh", "-ec", setup]).ok();
    let command = cluster.client_command(&flows_program());
    let mut outside = Flows::start(command, &["serve", "outside", PORT]);
    assert_eq!(outside.line(), "ready");
    outside
}

/// How long a node did not reach the outside.
pub struct Silence(Flows);

impl Silence {
    /// From now on.
    pub fn watch(cluster: &Cluster, node: usize) -> Self {
        let command = cluster.command(node, &flows_program());
        let mut flows = Flows::start(command, &["reach", OUTSIDE, PORT]);
        assert_eq!(flows.line(), "ready");
        Self(flows)
    }

    /// The longest time without a new connection, in seconds; all had come from the gateway's address.
    ///
    /// # Panics
    /// If the node was seen as something else.
    pub fn end(mut self) -> f64 {
        self.0.hang_up();
        let told = self.0.json();
        assert_eq!(told["seen"], serde_json::json!([GATEWAY]));
        told["longest_s"].as_f64().expect("a number")
    }
}

/// As whom a node is seen outside; none if it does not get there.
pub fn seen_as(cluster: &Cluster, node: usize, outside: &str) -> Option<String> {
    let script = format!("exec 3<>/dev/tcp/{outside}/{PORT} && head -n 1 <&3");
    let seen = cluster.run(node, &["timeout", "1", "bash", "-c", &script]);
    seen.stdout
        .trim()
        .strip_prefix("outside ")
        .map(str::to_owned)
}

/// Waits until the outside sees a node as `address`; answers how long that took.
pub fn wait_seen(cluster: &Cluster, node: usize, outside: &str, address: &str) -> Duration {
    wait_until(
        PATIENCE,
        &format!("node {node} gets out as {address}"),
        || seen_as(cluster, node, outside).as_deref() == Some(address),
    )
}

/// What `ctdb natgw leader` says on a node.
pub fn leader(cluster: &Cluster, at: usize) -> String {
    let said = cluster.our_ctdb(at, &["natgw", "leader"]);
    said.stdout.trim().to_owned()
}

/// Waits until node `at` says that `node` is the gateway.
pub fn wait_leader(cluster: &Cluster, at: usize, node: usize) {
    let expected = format!("{node} {}", Layout::private_address(node));
    wait_until(PATIENCE, &format!("{expected} is the gateway"), || {
        leader(cluster, at) == expected
    });
}

/// What a command prints on a node.
pub fn shown(cluster: &Cluster, node: usize, words: &[&str]) -> String {
    cluster.run(node, words).stdout
}

/// The default routes of a node; the family as `ip` has it, `-4` or `-6`.
pub fn default_routes(cluster: &Cluster, node: usize, family: &str) -> Vec<String> {
    let routes = shown(cluster, node, &["ip", family, "route", "show", "default"]);
    routes.lines().map(|line| line.trim().to_owned()).collect()
}

/// Whether a node has an address on its public interface.
pub fn has_address(cluster: &Cluster, node: usize, address: &str) -> bool {
    shown(cluster, node, &["ip", "-o", "addr", "show", "dev", "eth1"]).contains(address)
}

/// No trace of a NAT gateway.
pub fn is_clean(cluster: &Cluster, node: usize) -> bool {
    let tables = shown(cluster, node, &["nft", "list", "tables"]);
    let switches = [
        ("/proc/sys/net/ipv4/ip_forward", "0"),
        ("/proc/sys/net/ipv4/conf/all/arp_announce", "0"),
        ("/proc/sys/net/ipv6/conf/all/forwarding", "0"),
    ];
    let as_before =
        |(path, value): &(&str, &str)| shown(cluster, node, &["cat", path]).trim() == *value;
    !tables.contains("ctdb_natgw")
        && !has_address(cluster, node, "227/")
        && default_routes(cluster, node, "-4").is_empty()
        && default_routes(cluster, node, "-6").is_empty()
        && switches.iter().all(as_before)
}

/// Kills the worker of node 0 and waits until nothing is left of it.
pub fn kill_worker(cluster: &Cluster, is_clean: impl FnMut() -> bool) {
    // Until this is put right no other worker can start, and what is left is seen.
    let options = cluster.etc(0, "script.options");
    let wrong = SEED.replace("CTDB_NATGW_PUBLIC_IP=", "CTDB_NATGW_PUBLIC_IP=x");
    std::fs::write(&options, wrong).expect("a file");
    cluster.kill(0, Whom::Worker);
    wait_until(PATIENCE, "nothing is left of a killed worker", is_clean);
    std::fs::write(&options, SEED).expect("a file");
}

/// Each node reads its file anew, as after any change of public addresses.
pub fn update(cluster: &Cluster) {
    for node in cluster.nodes() {
        let words = ["event", "run", "10", "legacy", "updatenatgw"];
        // Where something is wrong with the group it fails, and says so.
        cluster.ctdb(node, &words);
    }
}
