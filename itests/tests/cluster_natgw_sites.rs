//! NAT gateways of two sites, without nftables, and with IPv6.

use std::time::Instant;

use ctdb_itests::cluster::natgw::{
    GATEWAY, OUTSIDE, PATIENCE, SEED, has_address, is_clean, kill_worker, leader, outside, seen_as,
    shown, update, wait_leader, wait_seen,
};
use ctdb_itests::cluster::{Cable, Cluster, Layout, Whom, have_root, wait_until};

type Fault = fn(&Cluster);

/// A gateway without its cables, and one that the other nodes do not hear any more while the outside does: the next one
/// has the address when it is gone there.
fn cut_the_gateway_off(cluster: &Cluster) {
    let address = GATEWAY.parse().expect("an address");
    let faults: [(&str, Fault); 2] = [
        ("its cables", |cluster| cluster.cut(0, Cable::Both)),
        ("the private network", |cluster| {
            cluster.lose(0, Cable::Private);
        }),
    ];
    for (what, fault) in faults {
        let watch = cluster.watch_addresses(&[address]);
        fault(cluster);
        wait_until(PATIENCE, "the other one of the site has it", || {
            has_address(cluster, 1, GATEWAY)
        });
        wait_seen(cluster, 1, OUTSIDE, GATEWAY);
        let seen = watch.end();
        let gap = seen.longest_gap_s().unwrap_or_default();
        println!("the gateway lost {what}: its address was silent for {gap:.2} s");
        assert!(seen.dual.addresses.is_empty(), "{:?}", seen.dual);
        assert_eq!(seen_as(cluster, 2, OUTSIDE).as_deref(), Some("10.88.0.228"));
        cluster.heal(0);
        cluster.wait_settled("the cables are back");
        wait_leader(cluster, 1, 0);
    }
}

#[test]
fn two_sites_have_two_gateways() {
    if !have_root("cluster_natgw_sites") {
        return;
    }
    let mut layout = Layout {
        addresses: 0,
        ..Layout::new("natgw-sites", 4)
    };
    for node in 0..4 {
        let site = SEED.replace("227", if node < 2 { "227" } else { "228" });
        let members = if node < 2 {
            "10.99.0.1\n10.99.0.2\n"
        } else {
            "10.99.0.3\n10.99.0.4\n"
        };
        let site = if node == 2 {
            site + "CTDB_NATGW_SLAVE_ONLY=yes\n"
        } else {
            site
        };
        layout = layout
            .with_file(Some(node), "ctdb/script.options", &site)
            .with_file(Some(node), "ctdb/natgw_nodes", members);
    }
    let cluster = Cluster::build(&layout);
    let _host = outside(&cluster);
    cluster.start_all();
    cluster.wait_settled("all nodes OK");
    wait_leader(&cluster, 1, 0);
    // All nodes know that the first of that site must not be one.
    wait_leader(&cluster, 2, 3);
    wait_seen(&cluster, 1, OUTSIDE, GATEWAY);
    wait_seen(&cluster, 2, OUTSIDE, "10.88.0.228");
    cut_the_gateway_off(&cluster);

    // A node is listed in both: it is refused, and its own site goes on without it.
    for node in [0, 1] {
        let group = "10.99.0.1\n10.99.0.2\n10.99.0.4\n";
        std::fs::write(cluster.etc(node, "natgw_nodes"), group).expect("a file");
    }
    update(&cluster);
    let reason = "10.99.0.4 is in two NATGW groups";
    wait_until(PATIENCE, "the node says why", || {
        cluster.log(3).contains(reason)
    });
    cluster.wait_unhealthy(3, 0);
    wait_until(PATIENCE, "its site has no gateway", || {
        cluster.our_ctdb(2, &["natgw", "leader"]).code == Some(2)
    });
    assert_eq!(leader(&cluster, 1), "0 10.99.0.1");
    assert_eq!(seen_as(&cluster, 1, OUTSIDE).as_deref(), Some(GATEWAY));
}

/// The fallback routes of IPv6.
fn fallback_six(cluster: &Cluster, node: usize) -> Vec<String> {
    let words = ["ip", "-6", "route", "show", "metric", "10"];
    let routes = shown(cluster, node, &words);
    routes.lines().map(|line| line.trim().to_owned()).collect()
}

fn routes_of_six(cluster: &Cluster) {
    // The second network has no gateway of its own, and there is no default one.
    let gateway = ["fd78::/64 via fd88::50 dev eth1"];
    let follower = [
        "fd78::/64 via fd99::1 dev eth0",
        "fd79::/64 via fd99::1 dev eth0",
    ];
    for (node, expected) in [(0, &gateway[..]), (1, &follower)] {
        let lines = fallback_six(cluster, node);
        let begin = |(line, start): (&String, &&str)| line.starts_with(*start);
        let same = lines.len() == expected.len() && lines.iter().zip(expected).all(begin);
        assert!(same, "node {node}: {lines:?}");
    }
    let table = shown(cluster, 0, &["nft", "list", "table", "ip6", "ctdb_natgw"]);
    assert!(table.contains("snat to fd88::227"), "{table}");
}

/// Without nft(8): the address is held without a gate, and iptables translates.
#[test]
fn iptables_where_nftables_is_missing() {
    if !have_root("cluster_natgw_iptables") {
        return;
    }
    let layout = Layout {
        addresses: 0,
        ..Layout::new("natgw-iptables", 2)
    };
    let layout = layout
        .with_file(None, "ctdb/script.options", SEED)
        .with_file(None, "ctdb/natgw_nodes", "10.99.0.1\n10.99.0.2\n");
    let cluster = Cluster::build(&layout);
    let host = outside(&cluster);
    let rule = ["iptables", "-A", "INPUT", "-s", "192.0.2.1", "-j", "DROP"];
    for node in cluster.nodes() {
        cluster.run(node, &rule).ok();
        let hide = ["mount", "--bind", "/bin/false", "/usr/sbin/nft"];
        cluster.run(node, &hide).ok();
    }
    cluster.start_all();
    cluster.wait_settled("all nodes OK");
    wait_seen(&cluster, 1, OUTSIDE, GATEWAY);
    let rules = |node| {
        shown(
            &cluster,
            node,
            &["sh", "-c", "iptables -t nat -S; iptables -S"],
        )
    };
    let found = rules(0);
    let ours =
        "-A ctdb-natgw -s 10.99.0.0/24 ! -d 10.99.0.0/24 -o eth1 -j SNAT --to-source 10.88.0.227";
    assert!(found.contains(ours), "{found}");
    // Somebody flushes them.
    cluster.run(0, &["iptables", "-t", "nat", "-F"]).ok();
    wait_until(PATIENCE, "the rules are back", || rules(0).contains(ours));
    kill_worker(&cluster, || !rules(0).contains("ctdb-natgw"));
    cluster.wait_settled("the killed worker has a successor");
    wait_seen(&cluster, 1, OUTSIDE, GATEWAY);
    for node in cluster.nodes() {
        cluster.stop(node);
        let left = rules(node);
        let lines: Vec<&str> = left
            .lines()
            .filter(|line| !line.starts_with("-P"))
            .collect();
        assert_eq!(lines, ["-A INPUT -s 192.0.2.1/32 -j DROP"], "node {node}");
    }
    drop(host);
    cluster.assert_clean();
}

#[test]
fn six_works_as_four_and_static_routes_instead_of_all() {
    if !have_root("cluster_natgw_six") {
        return;
    }
    let options = "CTDB_NATGW_NODES=/etc/ctdb/natgw_nodes
CTDB_NATGW_PRIVATE_NETWORK=fd99::/64
CTDB_NATGW_PUBLIC_IP=fd88::227/64
CTDB_NATGW_PUBLIC_IFACE=eth1
CTDB_NATGW_STATIC_ROUTES=\"fd78::/64@fd88::50 fd79::/64\"
";
    let nodes = "fd99::1\nfd99::2\n";
    let layout = Layout {
        addresses: 0,
        ..Layout::new("natgw6", 2)
    };
    let layout = layout
        .with_file(None, "ctdb/nodes", nodes)
        .with_file(None, "ctdb/natgw_nodes", nodes)
        .with_file(None, "ctdb/script.options", options);
    let cluster = Cluster::build(&layout);
    let host = outside(&cluster);
    for node in cluster.nodes() {
        let address = format!("fd99::{}/64", node + 1);
        let words = ["ip", "addr", "add", &address, "dev", "eth0", "nodad"];
        cluster.run(node, &words).ok();
    }
    cluster.start_all();
    cluster.wait_settled("all nodes OK");
    let took = wait_seen(&cluster, 1, "fd78::7", "fd88::227");
    println!("IPv6: out {:.2} s after OK", took.as_secs_f64());
    routes_of_six(&cluster);
    cluster.kill(0, Whom::All);
    let begin = Instant::now();
    wait_until(PATIENCE, "the other one is the gateway", || {
        has_address(&cluster, 1, "fd88::227")
    });
    println!(
        "IPv6: taken over after {:.2} s",
        begin.elapsed().as_secs_f64()
    );
    wait_seen(&cluster, 1, "fd78::7", "fd88::227");
    cluster.start(0);
    wait_seen(&cluster, 1, "fd78::7", "fd88::227");
    for node in cluster.nodes() {
        cluster.stop(node);
        assert!(is_clean(&cluster, node), "node {node}");
        assert!(fallback_six(&cluster, node).is_empty(), "node {node}");
    }
    drop(host);
    cluster.assert_clean();
}
