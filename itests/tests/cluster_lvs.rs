//! One address for the whole cluster, with real packets: who serves, who answers, what a lost, a new and a leading node
//! cost.

use std::fmt::Write as _;
use std::time::Instant;

use ctdb_itests::cluster::flows::{Flows, flows_program};
use ctdb_itests::cluster::lvs::{
    ADDRESS, CLIENTS, Counts, PATIENCE, PORT, SEED, buckets, connect, counts, datagrams, echoes,
    errors_follow, lvs_leader, mac, number, servers, wait_holder, wait_live,
};
use ctdb_itests::cluster::{Cable, Cluster, Layout, Whom, have_root, wait_until};
use serde_json::Value;

/// A router's address: no client's.
const ROUTER: &str = "10.88.0.50";
/// The LVS address of the cluster with IPv6.
const SIX: &str = "fd88::237";
/// Counts what the client hears from the address, by the node that sent it.
fn count_replies(cluster: &Cluster) {
    let mut rules = String::from(
        "table netdev test { chain in { type filter hook ingress device eth1 priority 0;",
    );
    for node in cluster.nodes() {
        let (mac, name) = (mac(cluster, node), format!("n{node}"));
        let _ = write!(
            rules,
            " ip saddr {ADDRESS} ether saddr {mac} counter comment \"{name}\";"
        );
    }
    rules.push_str("\n}\n}\n");
    cluster.on_client(&["nft", &rules]).ok();
}

/// Packets of each node.
fn replies(cluster: &Cluster) -> Vec<u64> {
    let text = cluster
        .on_client(&["nft", "list", "table", "netdev", "test"])
        .ok();
    let number = |line: &str| {
        let rest = line.split("counter packets ").nth(1)?;
        rest.split(' ').next()?.parse().ok()
    };
    text.lines().filter_map(number).collect()
}

fn assert_no_source(cluster: &Cluster) {
    for node in cluster.nodes() {
        let route = cluster.run(node, &["ip", "route", "get", CLIENTS[0]]).ok();
        let own = format!("src 10.1.1.{}", node + 1);
        assert!(route.contains(&own), "node {node}: {route}");
        // What the other end sees.
        let script = format!("exec 3<>/dev/tcp/{}/{PORT}; head -n 1 <&3", CLIENTS[0]);
        let seen = cluster.run(node, &["bash", "-c", &script]).ok();
        assert_eq!(seen.trim(), format!("client 10.1.1.{}", node + 1));
    }
}

fn megabytes(rates: &Value) -> String {
    let object = rates.as_object().expect("an object");
    let show = |(name, rate): (&String, &Value)| {
        format!("{name} {:.0} MB/s", rate.as_f64().unwrap_or(0.0) / 1e6)
    };
    object.iter().map(show).collect::<Vec<_>>().join(", ")
}

/// A node fewer, then that node again.
fn add_a_node(cluster: &Cluster) {
    cluster.ctdb(3, &["disable"]).ok();
    wait_live(cluster, 0, 3);
    let list = cluster.our_ctdb(0, &["lvs", "list"]).ok();
    assert_eq!(list, "0 10.99.0.1\n1 10.99.0.2\n2 10.99.0.3\n");
    let before = buckets(cluster, 0);
    let (mut old, served) = connect(cluster, ADDRESS, 300, 20_000, &CLIENTS);
    println!("three nodes: {served:?}");
    assert_eq!(served.keys().collect::<Vec<_>>(), ["n0", "n1", "n2"]);
    cluster.ctdb(3, &["enable"]).ok();
    wait_live(cluster, 0, 4);
    let after = buckets(cluster, 0);
    let moved = before.iter().filter(|(bucket, mac)| after[bucket] != **mac);
    let moved = moved.count();
    println!("a node added: {moved} of {} buckets moved", before.len());
    assert!(moved * 100 <= before.len() * (25 + 2));
    let alive = old.ask("check");
    assert_eq!(
        counts(&alive["alive"]),
        served,
        "established connections stay"
    );
    wait_until(PATIENCE, "every node has the same table", || {
        buckets(cluster, 2) == after
    });
    // Among them are those whose bucket has moved.
    let count = errors_follow(cluster, &mut old, ADDRESS, ROUTER);
    println!("ICMP errors that reached the node of their connection: {count} of {count}");
}

/// Fragments have no ports: those of a client go to one node, whichever ports the whole packets have.
fn fragments(cluster: &Cluster) {
    let _echoes = echoes(cluster, ADDRESS);
    let short = datagrams(cluster, ADDRESS, 500, &CLIENTS);
    println!("datagrams: {short:?}");
    assert!(short.values().all(|nodes| nodes.len() > 1), "{short:?}");
    let long = datagrams(cluster, ADDRESS, 4_000, &CLIENTS);
    println!("datagrams in fragments: {long:?}");
    assert!(long.values().all(|nodes| nodes.len() == 1), "{long:?}");
}

/// A thousand connections, and the way of the replies.
fn spread(cluster: &Cluster) -> (Flows, Counts) {
    count_replies(cluster);
    let (flows, served) = connect(cluster, ADDRESS, 1_000, 22_000, &CLIENTS);
    println!("four nodes: {served:?}");
    for count in served.values() {
        assert!(count.abs_diff(250) * 100 <= 250 * 15, "{served:?}");
    }
    let replies = replies(cluster);
    println!("replies by the node that sent them: {replies:?}");
    for (node, packets) in replies.iter().enumerate() {
        // Handshake and greeting take two packets at least.
        let least = 2 * served[&format!("n{node}")];
        assert!(*packets >= least, "node {node}: {replies:?}");
    }
    (flows, served)
}

fn measure(cluster: &Cluster, flows: &mut Flows) {
    println!("download: {}", megabytes(&flows.ask("get 50000000")));
    println!("upload: {}", megabytes(&flows.ask("put 50000000")));
    let (mut direct, _) = connect(cluster, "10.1.1.2", 1, 29_000, &CLIENTS);
    let rate = megabytes(&direct.ask("put 50000000"));
    println!("upload without the leader: {rate}");
}

/// The leader is lost in mid-traffic.
fn lose_the_leader(cluster: &Cluster, mut flows: Flows, served: Counts) {
    let (mut busy, of_busy) = connect(cluster, ADDRESS, 40, 28_000, &CLIENTS);
    busy.say("watch 8");
    let begin = Instant::now();
    cluster.cut(0, Cable::Both);
    wait_until(PATIENCE, "another leader", || lvs_leader(cluster, 1) == "1");
    wait_holder(cluster, 1);
    println!(
        "another leader after {:.2} s",
        begin.elapsed().as_secs_f64()
    );
    let said = flows.ask("check");
    println!("leader lost: {said}");
    let mut survivors = served;
    let lost = survivors.remove("n0").unwrap_or(0);
    assert_eq!(counts(&said["alive"]), survivors);
    assert_eq!(counts(&said["dead"]), Counts::from([("n0".into(), lost)]));
    let said = busy.json();
    println!("those that were busy, with their longest pause in seconds: {said}");
    let mut survivors = of_busy;
    let lost = survivors.remove("n0").unwrap_or(0);
    assert_eq!(counts(&said["alive"]), survivors, "{said}");
    assert_eq!(counts(&said["dead"]), Counts::from([("n0".into(), lost)]));
    let (_new, served) = connect(cluster, ADDRESS, 300, 30_000, &CLIENTS);
    println!("after that: {served:?}");
    assert_eq!(served.keys().collect::<Vec<_>>(), ["n1", "n2", "n3"]);
    cluster.heal(0);
    cluster.wait_settled("all nodes are back");
    wait_live(cluster, 0, 4);
}

/// A worker that is killed leaves nothing that its guard does not clear, and the next one serves again.
fn kill_a_worker(cluster: &Cluster) {
    cluster.kill(2, Whom::Worker);
    wait_live(cluster, 0, 3);
    cluster.wait_settled("the killed worker has a successor");
    wait_live(cluster, 0, 4);
}

/// Nothing is left of an orderly end; of the rules of others nothing is missing.
fn stop_in_order(cluster: &Cluster) {
    cluster.run(1, &["nft", "add table inet admin"]).ok();
    cluster.stop(1);
    let tables = cluster.run(1, &["nft", "list", "tables"]).ok();
    assert_eq!(tables.trim(), "table inet admin");
    let addresses = cluster.run(1, &["ip", "-o", "addr"]).ok();
    assert!(!addresses.contains(ADDRESS), "{addresses}");
    for setting in ["arp_ignore", "arp_announce"] {
        let path = format!("/proc/sys/net/ipv4/conf/eth1/{setting}");
        let value = cluster.run(1, &["cat", &path]).ok();
        assert_eq!(value.trim(), "0", "{setting}");
    }
}

#[test]
fn a_thousand_connections_a_new_node_and_a_lost_leader() {
    if !have_root("cluster_lvs") {
        return;
    }
    let layout = Layout {
        addresses: 2,
        ..Layout::new("lvs", 4)
    };
    let layout = layout.with_file(None, "ctdb/script.options", SEED);
    let cluster = Cluster::build(&layout);
    number(&cluster);
    cluster.start_all();
    cluster.wait_settled("all nodes OK with addresses after start");
    let _servers = servers(&cluster);
    wait_holder(&cluster, 0);
    wait_live(&cluster, 0, 4);
    println!("{}", cluster.our_ctdb(0, &["lvs", "status"]).ok());
    // An admin's nft(8) must not stumble over what is there.
    let ruleset = cluster.run(0, &["nft", "list", "ruleset"]).ok();
    assert!(ruleset.contains("table netdev ctdb_lvs"), "{ruleset}");
    let list = cluster.our_ctdb(2, &["lvs", "list"]).ok();
    assert_eq!(cluster.our_ctdb(2, &["lvs"]).ok(), list);
    assert_eq!(cluster.our_ctdb(1, &["lvsmaster"]).ok(), "0\n");
    add_a_node(&cluster);
    let (mut flows, served) = spread(&cluster);
    measure(&cluster, &mut flows);
    fragments(&cluster);
    let public = cluster.owners(0).expect("an answer");
    assert!(
        public.len() == 2 && public.values().all(Option::is_some),
        "{public:?}"
    );
    assert!(cluster.all_answer(&layout.public_addresses()));
    let command = cluster.client_command(&flows_program());
    let mut listener = Flows::start(command, &["serve", "client", PORT]);
    assert_eq!(listener.line(), "ready");
    assert_no_source(&cluster);
    lose_the_leader(&cluster, flows, served);
    kill_a_worker(&cluster);
    stop_in_order(&cluster);
}

#[test]
fn six_works_as_four_and_a_follower_never_leads() {
    if !have_root("cluster_lvs") {
        return;
    }
    let options = "CTDB_LVS_PUBLIC_IFACE=eth1\nCTDB_LVS_PUBLIC_IP=fd88::237\nCTDB_LVS_NODES=/etc/ctdb/lvs_nodes\n";
    let layout = Layout {
        addresses: 0,
        ..Layout::new("lvs6", 3)
    };
    let layout = layout
        .with_file(None, "ctdb/script.options", options)
        .with_file(
            None,
            "ctdb/lvs_nodes",
            "10.99.0.1 follower-only\n10.99.0.2\n10.99.0.3\n",
        );
    let cluster = Cluster::build(&layout);
    for node in cluster.nodes() {
        let address = format!("fd88::{}/64", node + 1);
        cluster
            .run(
                node,
                &["ip", "addr", "add", &address, "dev", "eth1", "nodad"],
            )
            .ok();
    }
    cluster.start_all();
    cluster.wait_settled("all nodes OK after start");
    let _servers = servers(&cluster);
    wait_until(PATIENCE, "the leader has the address", || {
        let shown = cluster.run(1, &["ip", "addr", "show", "dev", "eth1"]);
        shown.stdout.contains("fd88::237")
    });
    assert_eq!(lvs_leader(&cluster, 0), "1");
    wait_live(&cluster, 1, 3);
    let (mut flows, served) = connect(&cluster, "fd88::237", 100, 20_000, &["fd88::50"]);
    println!("IPv6: {served:?}");
    assert_eq!(served.keys().collect::<Vec<_>>(), ["n0", "n1", "n2"]);
    assert_eq!(counts(&flows.ask("check")["alive"]), served);
    errors_follow(&cluster, &mut flows, SIX, "fd88::50");
    let _echoes = echoes(&cluster, SIX);
    let short = datagrams(&cluster, SIX, 500, &["fd88::50"]);
    assert!(short["fd88::50"].len() > 1, "{short:?}");
    let long = datagrams(&cluster, SIX, 4_000, &["fd88::50"]);
    assert_eq!(long["fd88::50"].len(), 1, "{long:?}");
    for node in cluster.nodes() {
        let route = cluster
            .run(node, &["ip", "-6", "route", "get", "fd88::50"])
            .ok();
        assert!(
            route.contains(&format!("src fd88::{} ", node + 1)),
            "{route}"
        );
    }
    // The leader hands over: who is on the nodes stays there.
    cluster.ctdb(1, &["disable"]).ok();
    wait_until(PATIENCE, "another leader", || {
        lvs_leader(&cluster, 0) == "2"
    });
    wait_until(PATIENCE, "it has the address", || {
        let shown = cluster.run(2, &["ip", "addr", "show", "dev", "eth1"]);
        shown.stdout.contains("fd88::237")
    });
    println!("leader disabled: {}", flows.ask("check"));
}
