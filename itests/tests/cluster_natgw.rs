//! The NAT gateway of one site with real packets: who is it, what the outside sees, what a lost one costs, and what is
//! left.

use std::time::{Duration, Instant};

use ctdb_itests::cluster::natgw::{
    GATEWAY, OUTSIDE, PATIENCE, SEED, Silence, default_routes, has_address, is_clean, kill_worker,
    outside, seen_as, shown, update, wait_leader, wait_seen,
};
use ctdb_itests::cluster::{Cluster, Layout, Whom, have_root, program, wait_until};

/// A service that needs the outside to start, and to go on.
const NEEDS_OUTSIDE: &str = r#"case "$1" in
startup|monitor)
    timeout 2 bash -c "exec 3<>/dev/tcp/203.0.113.9/4452" 2>/dev/null || {
        echo "the outside is not reached"
        exit 1
    } ;;
esac"#;

/// Three nodes; the last one has no public addresses and is never the gateway.
fn layout(name: &str) -> Layout {
    let layout = Layout {
        addresses: 2,
        ..Layout::new(name, 3)
    };
    layout
        .with_file(None, "ctdb/script.options", SEED)
        .with_file(Some(2), "ctdb/public_addresses", "")
        .with_file(
            None,
            "ctdb/natgw_nodes",
            "# all of them\n10.99.0.1\n10.99.0.2\n10.99.0.3 follower-only\n",
        )
}

#[test]
fn nodes_get_out_by_the_gateway_whatever_happens_to_it() {
    if !have_root("cluster_natgw") {
        return;
    }
    let cluster = Cluster::build(&layout("natgw"));
    let host = outside(&cluster);
    for node in cluster.nodes() {
        cluster.link_script(node, "10.interface");
        cluster.link_script(node, "11.natgw");
        cluster.put_script(node, "50.outside", NEEDS_OUTSIDE);
        cluster.run(node, &["nft", "add table inet admin"]).ok();
    }
    // Nobody is OK before its service has reached the outside, so all of them get there while they are UNHEALTHY.
    let begin = cluster.start_all();
    cluster.wait_settled("a cold cluster whose services need the outside");
    println!(
        "cold start: OK after {:.2} s",
        begin.elapsed().as_secs_f64()
    );
    wait_leader(&cluster, 2, 0);
    routes_rules_and_words(&cluster);
    packets(&cluster);
    others_change_what_is_ours(&cluster);
    lose_the_gateway(&cluster);
    the_file_changes(&cluster);
    the_script_is_switched_off(&cluster);
    a_link_goes_down(&cluster);
    nothing_is_left(&cluster);
    drop(host);
    cluster.assert_clean();
}

fn routes_rules_and_words(cluster: &Cluster) {
    let gateway = "default via 10.88.0.50 dev eth1 metric 10";
    let follower = "default via 10.99.0.1 dev eth0 metric 10";
    for (node, route) in [(0, gateway), (1, follower), (2, follower)] {
        assert_eq!(default_routes(cluster, node, "-4"), [route], "node {node}");
        let rules = shown(cluster, node, &["ip", "rule"]);
        assert_eq!(rules.lines().count(), 3, "{rules}");
    }
    let table = shown(cluster, 0, &["nft", "list", "table", "ip", "ctdb_natgw"]);
    println!("{table}");
    let rule =
        "ip saddr 10.99.0.0/24 ip daddr != 10.99.0.0/24 oifname \"eth1\" snat to 10.88.0.227";
    assert!(table.contains(rule), "{table}");
    for node in [1, 2] {
        let tables = shown(cluster, node, &["nft", "list", "tables"]);
        assert!(!tables.contains("ctdb_natgw"), "{tables}");
    }
    assert!(has_address(cluster, 0, GATEWAY));

    let list = "10.99.0.1\tLEADER\n10.99.0.2\n10.99.0.3\tfollower-only\n";
    for words in [&["natgw", "list"][..], &["natgwlist"]] {
        assert_eq!(cluster.our_ctdb(1, words).ok(), list);
    }
    for word in ["leader", "status"] {
        let ours = cluster.our_ctdb(1, &["natgw", word]).ok();
        // Debian's tool has its own shell program look at `nodestatus`.
        assert_eq!(cluster.ctdb(1, &["natgw", word]).ok(), ours, "{word}");
    }
    let theirs = cluster.ctdb(1, &["natgw", "list"]).ok();
    assert!(theirs.contains("10.99.0.1\tLEADER\n"), "{theirs}");
    let helper = program("ctdb-helper");
    let words = [&*helper.to_string_lossy(), "natgw", "leader"];
    assert_eq!(cluster.run(1, &words).ok(), "0 10.99.0.1\n");
    let capable = cluster.our_ctdb(1, &["getcapabilities"]).ok();
    assert!(capable.contains("NATGW: YES"), "{capable}");
    let status = cluster
        .ctdb(1, &["event", "status", "legacy", "monitor"])
        .ok();
    assert!(status.contains("11.natgw             OK"), "{status}");
}

/// The gateway hosts a public address in the same network, too: by that nobody else gets out.
fn packets(cluster: &Cluster) {
    let owners = cluster.owners(0).expect("an answer");
    assert!(owners.values().any(|owner| *owner == Some(0)), "{owners:?}");
    for node in [1, 2] {
        assert_eq!(seen_as(cluster, node, OUTSIDE).as_deref(), Some(GATEWAY));
    }
    cluster
        .run(2, &["ping", "-c", "1", "-W", "2", OUTSIDE])
        .ok();
    // Nobody serves at the gateway's address.
    let connect = format!("exec 3<>/dev/tcp/{GATEWAY}/4379");
    let begin = Instant::now();
    let refused = cluster.on_client(&["timeout", "5", "bash", "-c", &connect]);
    assert!(refused.stderr.contains("refused"), "{refused:?}");
    assert!(begin.elapsed() < Duration::from_secs(4));
}

fn others_change_what_is_ours(cluster: &Cluster) {
    // A default route with a lower metric is preferred, and stays where it is.
    let own = [
        "ip",
        "route",
        "add",
        "default",
        "via",
        "10.88.0.50",
        "metric",
        "5",
    ];
    cluster.run(1, &own).ok();
    let seen = seen_as(cluster, 1, OUTSIDE).expect("it gets out");
    let owners = cluster.owners(0).expect("an answer");
    let is_its_own = |(address, owner): (&std::net::IpAddr, &Option<usize>)| {
        *owner == Some(1) && address.to_string() == seen
    };
    assert!(owners.iter().any(is_its_own), "{seen}: {owners:?}");
    assert_eq!(default_routes(cluster, 1, "-4").len(), 2);
    cluster
        .run(1, &["ip", "route", "del", "default", "metric", "5"])
        .ok();
    cluster
        .run(2, &["ip", "route", "del", "default", "metric", "10"])
        .ok();
    cluster
        .run(0, &["nft", "delete", "table", "ip", "ctdb_natgw"])
        .ok();
    let took = wait_until(PATIENCE, "route and rules are back", || {
        let tables = shown(cluster, 0, &["nft", "list", "tables"]);
        tables.contains("ctdb_natgw") && default_routes(cluster, 2, "-4").len() == 1
    });
    println!("removed by others, back after {:.2} s", took.as_secs_f64());
    wait_seen(cluster, 2, OUTSIDE, GATEWAY);
}

/// Waits until the next gateway has the address, and others get out by it.
fn wait_next(cluster: &Cluster, next: usize) {
    wait_until(PATIENCE, "the next gateway works", || {
        has_address(cluster, next, GATEWAY)
    });
    wait_seen(cluster, 2, OUTSIDE, GATEWAY);
}

fn lose_the_gateway(cluster: &Cluster) {
    let silence = Silence::watch(cluster, 2);
    cluster.kill(0, Whom::All);
    wait_next(cluster, 1);
    println!("gateway killed: nobody got out for {:.2} s", silence.end());
    wait_leader(cluster, 2, 1);
    let route = "default via 10.99.0.2 dev eth0 metric 10";
    assert_eq!(default_routes(cluster, 2, "-4"), [route]);
    // A single node joins whose service needs the outside: it gets out by the gateway that is there.
    let begin = Instant::now();
    cluster.start(0);
    cluster.wait_settled("a joining node whose service needs the outside");
    println!(
        "joining node: OK after {:.2} s",
        begin.elapsed().as_secs_f64()
    );
    wait_leader(cluster, 2, 0);
    wait_seen(cluster, 1, OUTSIDE, GATEWAY);
    // The guard is there again, and takes away what a killed worker leaves.
    kill_worker(cluster, || is_clean(cluster, 0));
    cluster.wait_settled("the killed worker has a successor");
    wait_seen(cluster, 2, OUTSIDE, GATEWAY);
}

fn write_group(cluster: &Cluster, text: &str) {
    for node in cluster.nodes() {
        std::fs::write(cluster.etc(node, "natgw_nodes"), text).expect("a file");
    }
}

fn the_file_changes(cluster: &Cluster) {
    write_group(cluster, "10.99.0.1 slave-only\n10.99.0.2\n10.99.0.3\n");
    update(cluster);
    wait_leader(cluster, 2, 1);
    wait_seen(cluster, 0, OUTSIDE, GATEWAY);
    assert!(!has_address(cluster, 0, GATEWAY));
    // A node leaves its group: nothing stays there.
    std::fs::write(cluster.etc(0, "natgw_nodes"), "10.99.0.7\n").expect("a file");
    let words = ["event", "run", "10", "legacy", "updatenatgw"];
    cluster.ctdb(0, &words);
    wait_until(PATIENCE, "no route any more", || {
        default_routes(cluster, 0, "-4").is_empty()
    });
    // A file that means nothing is named, and the node UNHEALTHY as with 4.17.
    std::fs::write(cluster.etc(0, "natgw_nodes"), "10.99.0.1 leader\n").expect("a file");
    cluster.wait_unhealthy(0, 1);
    let status = cluster.ctdb(0, &["scriptstatus"]).stdout;
    assert!(status.contains("\"leader\" is no option"), "{status}");
    write_group(cluster, "10.99.0.1\n10.99.0.2\n10.99.0.3\n");
    update(cluster);
    cluster.wait_settled("the file is good again");
    wait_leader(cluster, 2, 0);
}

fn the_script_is_switched_off(cluster: &Cluster) {
    let script = |word: &str| {
        let words = ["event", "script", word, "legacy", "11.natgw"];
        cluster.ctdb(0, &words).ok();
        // It is looked for at each event; the service of this node does not reach the outside now.
        cluster.ctdb(0, &["event", "run", "10", "legacy", "ipreallocated"]);
    };
    script("disable");
    wait_leader(cluster, 2, 1);
    wait_seen(cluster, 2, OUTSIDE, GATEWAY);
    assert!(default_routes(cluster, 0, "-4").is_empty());
    script("enable");
    wait_leader(cluster, 2, 0);
    cluster.wait_settled("switched on again");
    let words = ["event", "run", "10", "legacy", "removenatgw"];
    cluster.ctdb(0, &words).ok();
    wait_leader(cluster, 2, 1);
    update(cluster);
    wait_leader(cluster, 2, 0);
}

fn a_link_goes_down(cluster: &Cluster) {
    cluster.run(0, &["ip", "link", "set", "eth1", "down"]).ok();
    wait_leader(cluster, 2, 1);
    wait_seen(cluster, 2, OUTSIDE, GATEWAY);
    cluster.run(0, &["ip", "link", "set", "eth1", "up"]).ok();
    cluster.wait_settled("the link is back");
}

/// Nothing is left of an orderly end; of the rules of others nothing is missing.
fn nothing_is_left(cluster: &Cluster) {
    wait_leader(cluster, 2, 0);
    wait_seen(cluster, 2, OUTSIDE, GATEWAY);
    let silence = Silence::watch(cluster, 2);
    cluster.ctdb(0, &["shutdown"]).ok();
    wait_next(cluster, 1);
    println!("gateway stopped: nobody got out for {:.2} s", silence.end());
    wait_until(PATIENCE, "its end", || cluster.daemon_pids(0).is_empty());
    // Killed with its guard, started and stopped again: as if nothing had been.
    cluster.kill(1, Whom::All);
    cluster.start(1);
    cluster.stop(1);
    cluster.stop(2);
    for node in cluster.nodes() {
        let tables = shown(cluster, node, &["nft", "list", "tables"]);
        assert_eq!(tables.trim(), "table inet admin", "node {node}");
        assert!(is_clean(cluster, node), "node {node}");
    }
}
