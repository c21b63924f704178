//! LVS as tests see it: servers that say on which node they run, a client with many connections, and what the kernels of
//! the nodes have.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::flows::{Flows, flows_program};
use super::lab::Cluster;
use super::wait_until;

/// The lines of the manual.
pub const SEED: &str = "CTDB_PUBLIC_INTERFACE=eth1\nCTDB_LVS_PUBLIC_IP=10.1.1.237\n";
/// The address in them.
pub const ADDRESS: &str = "10.1.1.237";
/// Where the servers listen.
pub const PORT: &str = "4451";
/// The clients, all of them in one namespace.
pub const CLIENTS: [&str; 3] = ["10.1.1.51", "10.1.1.52", "10.1.1.53"];
/// For a change of the group to arrive.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Starts a server on every node; each says `n` and the node's number.
pub fn servers(cluster: &Cluster) -> Vec<Flows> {
    let start = |node: usize| {
        let command = cluster.command(node, &flows_program());
        let mut server = Flows::start(command, &["serve", &format!("n{node}"), PORT]);
        assert_eq!(server.line(), "ready");
        server
    };
    cluster.nodes().map(start).collect()
}

/// Opens connections; answers how many each node serves.
pub fn connect(
    cluster: &Cluster,
    to: &str,
    count: u32,
    first: u32,
    from: &[&str],
) -> (Flows, Counts) {
    let (count, first) = (count.to_string(), first.to_string());
    let mut args = vec!["connect", to, PORT, &count, &first];
    args.extend(from);
    let mut flows = Flows::start(cluster.client_command(&flows_program()), &args);
    let said = flows.json();
    assert_eq!(said["failed"], serde_json::json!({}), "{said}");
    let served = counts(&said["served"]);
    (flows, served)
}

/// How many connections each node serves, by its name.
pub type Counts = BTreeMap<String, u64>;

/// The same from JSON.
pub fn counts(value: &Value) -> Counts {
    let object = value.as_object().expect("an object");
    let count = |(name, count): (&String, &Value)| (name.clone(), count.as_u64().unwrap_or(0));
    object.iter().map(count).collect()
}

/// The permanent addresses that the manual asks for, and the clients'.
pub fn number(cluster: &Cluster) {
    for node in cluster.nodes() {
        let address = format!("10.1.1.{}/24", node + 1);
        cluster
            .run(node, &["ip", "addr", "add", &address, "dev", "eth1"])
            .ok();
    }
    for client in CLIENTS {
        let address = format!("{client}/24");
        cluster
            .on_client(&["ip", "addr", "add", &address, "dev", "eth1"])
            .ok();
    }
}

/// The Ethernet address of a node towards the clients.
pub fn mac(cluster: &Cluster, node: usize) -> String {
    let text = cluster.run(node, &["ip", "-br", "link", "show", "dev", "eth1"]);
    let text = text.ok();
    text.split_whitespace().nth(2).expect("a MAC").to_owned()
}

/// The node of each bucket, by its MAC, as a node's kernel has it.
pub fn buckets(cluster: &Cluster, node: usize) -> BTreeMap<u64, String> {
    let list = ["nft", "-j", "list", "map", "netdev", "ctdb_lvs", "buckets"];
    let text = cluster.run(node, &list).ok();
    let value: Value = serde_json::from_str(&text).expect("JSON");
    let all = value["nftables"].as_array().expect("a list");
    let map = all
        .iter()
        .find_map(|entry| entry.get("map"))
        .expect("the map");
    let pair = |pair: &Value| Some((pair[0].as_u64()?, pair[1].as_str()?.to_owned()));
    // None while nobody serves.
    let elements = map["elem"].as_array();
    elements.into_iter().flatten().filter_map(pair).collect()
}

/// Waits until that many nodes get new connections.
pub fn wait_live(cluster: &Cluster, at: usize, nodes: usize) {
    wait_until(PATIENCE, "the table has all nodes", || {
        let all = buckets(cluster, at);
        let distinct: BTreeSet<&String> = all.values().collect();
        distinct.len() == nodes
    });
}

/// What `ctdb lvs leader` says.
pub fn lvs_leader(cluster: &Cluster, at: usize) -> String {
    cluster
        .our_ctdb(at, &["lvs", "leader"])
        .stdout
        .trim()
        .to_owned()
}

/// Waits until a node answers for the address, by its own interface.
pub fn wait_holder(cluster: &Cluster, node: usize) {
    wait_until(PATIENCE, "the leader has the address", || {
        cluster
            .run(node, &["ip", "addr", "show", "dev", "eth1"])
            .stdout
            .contains(ADDRESS)
    });
}

/// Which node an ICMP error about each connection reaches, by the clients' ports: "too big", sent by `router` to the LVS
/// address. Answers how many, all of which were right.
pub fn errors_follow(cluster: &Cluster, flows: &mut Flows, address: &str, router: &str) -> usize {
    let six = address.contains(':');
    let (family, error) = if six {
        ("ip6", "icmpv6 type packet-too-big ip6 daddr")
    } else {
        ("ip", "icmp type destination-unreachable ip daddr")
    };
    // The destination port of the packet that the error quotes.
    let port = if six { "@th,400,16" } else { "@th,240,16" };
    let rules = format!(
        "table {family} seen {{
           set ports {{ type inet_service; size 65535; flags dynamic; }}
           chain in {{
             type filter hook input priority 0;
             {error} {address} add @ports {{ {port} }}
           }}
         }}"
    );
    for node in cluster.nodes() {
        cluster.run(node, &["nft", &rules]).ok();
    }
    let served = flows.ask("ports");
    let sent = flows.ask(&format!("too-big {router}"));
    let seen = || {
        let all = cluster.nodes().map(|node| {
            let list = ["nft", "-j", "list", "set", family, "seen", "ports"];
            let text = cluster.run(node, &list).ok();
            (format!("n{node}"), elements(&text))
        });
        all.filter(|(_, ports)| !ports.is_empty())
            .collect::<BTreeMap<_, _>>()
    };
    let expected: BTreeMap<String, BTreeSet<u64>> =
        serde_json::from_value(served).expect("ports by node");
    let count: usize = expected.values().map(BTreeSet::len).sum();
    assert_eq!(sent, count);
    let all_seen = || seen().values().map(BTreeSet::len).sum::<usize>() >= count;
    wait_until(PATIENCE, "all errors have arrived", all_seen);
    assert_eq!(seen(), expected);
    for node in cluster.nodes() {
        let delete = ["nft", "delete", "table", family, "seen"];
        cluster.run(node, &delete).ok();
    }
    count
}

/// The numbers of a set that nft(8) listed as JSON.
fn elements(text: &str) -> BTreeSet<u64> {
    let value: Value = serde_json::from_str(text).expect("JSON");
    let all = value["nftables"].as_array().expect("a list");
    let set = all.iter().find_map(|entry| entry.get("set"));
    let elements = set.and_then(|set| set["elem"].as_array());
    elements
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .collect()
}

/// Servers of datagrams to the LVS address on every node.
pub fn echoes(cluster: &Cluster, address: &str) -> Vec<Flows> {
    let start = |node: usize| {
        let command = cluster.command(node, &flows_program());
        let mut server = Flows::start(command, &["echo", &format!("n{node}"), address, PORT]);
        assert_eq!(server.line(), "ready");
        server
    };
    cluster.nodes().map(start).collect()
}

/// Sends datagrams of that length; answers for each client which nodes had them. All arrived whole, and the answers came
/// from the LVS address.
pub fn datagrams(
    cluster: &Cluster,
    to: &str,
    length: u32,
    from: &[&str],
) -> BTreeMap<String, Counts> {
    let length = length.to_string();
    let mut args = vec!["send", to, PORT, "60", "25000", &length];
    args.extend(from);
    let mut sender = Flows::start(cluster.client_command(&flows_program()), &args);
    let said = sender.json();
    assert_eq!(said["failed"], serde_json::json!({}), "{said}");
    serde_json::from_value(said["served"].clone()).expect("counts by client")
}
