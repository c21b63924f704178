//! The NAT gateway with real packets: who is it, what the outside sees, what a lost one costs, and what is left.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use ctdb_itests::cluster::{Cable, Cluster, Layout, Whom, have_root, program, wait_until};

/// A host that no node has a way to but by the client, who stands for the router of the site.
const OUTSIDE: &str = "203.0.113.9";
const PORT: &str = "4452";
const GATEWAY: &str = "10.88.0.227";
const PATIENCE: Duration = Duration::from_secs(30);
/// The lines of the manual, with the networks of the test.
const SEED: &str = "CTDB_NATGW_NODES=/etc/ctdb/natgw_nodes
CTDB_NATGW_PRIVATE_NETWORK=10.99.0.0/24
CTDB_NATGW_PUBLIC_IP=10.88.0.227/16
CTDB_NATGW_PUBLIC_IFACE=eth1
CTDB_NATGW_DEFAULT_GATEWAY=10.88.0.50
";
/// A service that needs the outside to start, and to go on.
const NEEDS_OUTSIDE: &str = r#"case "$1" in
startup|monitor)
    timeout 2 bash -c "exec 3<>/dev/tcp/203.0.113.9/4452" 2>/dev/null || {
        echo "the outside is not reached"
        exit 1
    } ;;
esac"#;

/// The outside host: says to everybody who connects from which address that was.
struct Outside(Child);

impl Outside {
    fn start(cluster: &Cluster) -> Self {
        let setup = "ip link set lo up
            ip addr add 203.0.113.9/32 dev lo
            ip addr add fd78::7/128 dev lo nodad";
        cluster.on_client(&["sh", "-ec", setup]).ok();
        let mut command = cluster.client_command(&program("flows").to_string_lossy());
        command.args(["serve", "outside", PORT]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("nsenter(1) runs");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// As whom a node is seen outside; none if it does not get there.
fn seen_as(cluster: &Cluster, node: usize, outside: &str) -> Option<String> {
    let script = format!("exec 3<>/dev/tcp/{outside}/{PORT} && head -n 1 <&3");
    let seen = cluster.run(node, &["timeout", "1", "bash", "-c", &script]);
    seen.stdout
        .trim()
        .strip_prefix("outside ")
        .map(str::to_owned)
}

fn wait_seen(cluster: &Cluster, node: usize, outside: &str, address: &str) -> Duration {
    wait_until(
        PATIENCE,
        &format!("node {node} gets out as {address}"),
        || seen_as(cluster, node, outside).as_deref() == Some(address),
    )
}

fn leader(cluster: &Cluster, at: usize) -> String {
    let said = cluster.our_ctdb(at, &["natgw", "leader"]);
    said.stdout.trim().to_owned()
}

fn wait_leader(cluster: &Cluster, at: usize, node: usize) {
    let expected = format!("{node} {}", Layout::private_address(node));
    wait_until(PATIENCE, &format!("{expected} is the gateway"), || {
        leader(cluster, at) == expected
    });
}

fn shown(cluster: &Cluster, node: usize, words: &[&str]) -> String {
    cluster.run(node, words).stdout
}

fn default_routes(cluster: &Cluster, node: usize, family: &str) -> Vec<String> {
    let routes = shown(cluster, node, &["ip", family, "route", "show", "default"]);
    routes.lines().map(|line| line.trim().to_owned()).collect()
}

fn has_address(cluster: &Cluster, node: usize, address: &str) -> bool {
    shown(cluster, node, &["ip", "-o", "addr", "show", "dev", "eth1"]).contains(address)
}

/// No trace of a NAT gateway.
fn is_clean(cluster: &Cluster, node: usize) -> bool {
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
    let outside = Outside::start(&cluster);
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
    drop(outside);
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

/// Waits until the other node of two is the gateway, and answers how long nobody got out at most.
fn longest_silence(cluster: &Cluster, from: usize, next: usize) -> Duration {
    let (mut longest, mut heard) = (Duration::ZERO, Instant::now());
    wait_until(PATIENCE, "the next gateway works", || {
        let taken = has_address(cluster, next, GATEWAY);
        let is_out = seen_as(cluster, from, OUTSIDE).as_deref() == Some(GATEWAY);
        if is_out {
            longest = longest.max(heard.elapsed());
            heard = Instant::now();
        }
        taken && is_out
    });
    longest
}

fn lose_the_gateway(cluster: &Cluster) {
    cluster.kill(0, Whom::All);
    let silence = longest_silence(cluster, 2, 1);
    println!(
        "gateway killed: nobody got out for {:.2} s",
        silence.as_secs_f64()
    );
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

/// Kills the worker of node 0 and waits until nothing is left of it.
fn kill_worker(cluster: &Cluster, is_clean: impl FnMut() -> bool) {
    // Until this is put right no other worker can start, and what is left is seen.
    let options = cluster.etc(0, "script.options");
    let wrong = SEED.replace("CTDB_NATGW_PUBLIC_IP=", "CTDB_NATGW_PUBLIC_IP=x");
    std::fs::write(&options, wrong).expect("a file");
    cluster.kill(0, Whom::Worker);
    wait_until(PATIENCE, "nothing is left of a killed worker", is_clean);
    std::fs::write(&options, SEED).expect("a file");
}

fn write_group(cluster: &Cluster, text: &str) {
    for node in cluster.nodes() {
        std::fs::write(cluster.etc(node, "natgw_nodes"), text).expect("a file");
    }
}

/// Each node reads its file anew, as after any change of public addresses.
fn update(cluster: &Cluster) {
    for node in cluster.nodes() {
        let words = ["event", "run", "10", "legacy", "updatenatgw"];
        // Where something is wrong with the group it fails, and says so.
        cluster.ctdb(node, &words);
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
    cluster.ctdb(0, &["shutdown"]).ok();
    let silence = longest_silence(cluster, 2, 1);
    println!(
        "gateway stopped: nobody got out for {:.2} s",
        silence.as_secs_f64()
    );
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
    let _outside = Outside::start(&cluster);
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
    let outside = Outside::start(&cluster);
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
    drop(outside);
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
    let outside = Outside::start(&cluster);
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
    drop(outside);
    cluster.assert_clean();
}
