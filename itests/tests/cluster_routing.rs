//! Policy routing: the seed's samples as they stand, with real rules, routes and packets.

use std::net::IpAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

use ctdb_itests::cluster::{Cluster, Layout, Whom, have_root, wait_until};

/// The variables of the seed's examples.
const OPTIONS: &str = "CTDB_PER_IP_ROUTING_CONF=/etc/ctdb/policy_routing
CTDB_PER_IP_ROUTING_RULE_PREF=100
CTDB_PER_IP_ROUTING_TABLE_ID_LOW=1000
CTDB_PER_IP_ROUTING_TABLE_ID_HIGH=9000
CTDB_PARTIALLY_ONLINE_INTERFACES=yes
";

/// A cluster whose nodes have eth2 and eth3 in 192.168.1.0/24, on the public network, and clients behind two gateways.
fn build(layout: &Layout) -> Cluster {
    let cluster = Cluster::build(layout);
    for node in cluster.nodes() {
        for (interface, last) in [("eth2", 10 + node), ("eth3", 20 + node)] {
            let script = format!(
                "ip link add {interface} link eth1 type macvlan mode bridge
                 ip addr add 192.168.1.{last}/24 dev {interface}
                 ip addr add fd77::{last}/64 dev {interface} nodad
                 ip link set {interface} up"
            );
            cluster.run(node, &["sh", "-ec", &script]).ok();
        }
    }
    let gateways = "echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore
        ip addr add 192.168.1.1/24 dev eth1
        ip addr add fd77::1/64 dev eth1 nodad
        ip link add gw2 link eth1 type macvlan mode bridge
        ip addr add 192.168.1.254/32 dev gw2
        ip addr add fd77::254/128 dev gw2 nodad
        ip link set gw2 up
        ip link set lo up
        ip addr add 192.168.200.7/32 dev lo
        ip addr add fd78::7/128 dev lo
        ip addr add 203.0.113.9/32 dev lo";
    cluster.on_client(&["sh", "-ec", gateways]).ok();
    cluster
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn rules(cluster: &Cluster, node: usize, family: &str) -> Vec<String> {
    lines(&cluster.run(node, &["ip", family, "rule"]).ok())
        .into_iter()
        .map(|line| line.replace('\t', " "))
        .collect()
}

/// What is in the table of an address; nothing if ip(8) does not know its name.
fn table(cluster: &Cluster, node: usize, address: IpAddr) -> Vec<String> {
    let (family, name) = (family(address), format!("ctdb.{address}"));
    lines(
        &cluster
            .run(node, &["ip", family, "route", "show", "table", &name])
            .stdout,
    )
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "-4" } else { "-6" }
}

fn owner(cluster: &Cluster, address: IpAddr) -> usize {
    let owners = cluster.owners(0).expect("an answer");
    owners[&address].expect("a node has it")
}

fn rule_of(address: IpAddr) -> String {
    format!("100: from {address} lookup ctdb.{address}")
}

/// The interface that has the address: one of two, by our choice.
fn interface(cluster: &Cluster, node: usize, address: IpAddr) -> Option<String> {
    let shown = cluster.run(
        node,
        &["ip", "-o", "addr", "show", "to", &address.to_string()],
    );
    shown.stdout.split_whitespace().nth(1).map(str::to_owned)
}

/// Rule and routes of the address are on that node as the seed prints them, but for the interface.
fn is_routed(cluster: &Cluster, node: usize, address: IpAddr, routes: &[&str]) -> bool {
    let Some(interface) = interface(cluster, node, address) else {
        return false;
    };
    let found = table(cluster, node, address);
    let is_there = |route: &&str| {
        let route = route.replace("eth2", &interface);
        found.iter().any(|line| line.starts_with(&route))
    };
    rules(cluster, node, family(address)).contains(&rule_of(address))
        && found.len() == routes.len()
        && routes.iter().all(is_there)
}

/// No trace of policy routing.
fn is_clean(cluster: &Cluster, node: usize) -> bool {
    let no_rules = ["-4", "-6"].iter().all(|family| {
        let rules = rules(cluster, node, family);
        rules.iter().all(|rule| !rule.starts_with("100:"))
    });
    let all = cluster.run(
        node,
        &[
            "sh",
            "-c",
            "ip -4 route show table all; ip -6 route show table all",
        ],
    );
    let no_routes = !all.ok().contains("table 10")
        && !cluster
            .directory()
            .join(format!("{node}/etc/iproute2/rt_tables.d/ctdb.conf"))
            .exists();
    no_rules && no_routes
}

/// Waits on the client for one packet of this kind.
fn expect(cluster: &Cluster, interface: &str, filter: &str) -> Child {
    let mut command = cluster.client_command("timeout");
    command.args(["20", "tcpdump", "-n", "-c", "1", "-i", interface, filter]);
    let null = || Stdio::null();
    command.stdin(null()).stdout(null()).stderr(null());
    command.spawn().expect("nsenter(1) runs")
}

/// Packets from the address to `to` arrive at that interface of the client.
fn leaves_by(
    cluster: &Cluster,
    node: usize,
    from: IpAddr,
    to: &str,
    interface: &str,
    filter: &str,
) {
    let filter = format!("src host {from} and dst host {to} {filter}");
    let mut seen = expect(cluster, interface, &filter);
    wait_until(
        Duration::from_secs(20),
        &format!("{interface}: {filter}"),
        || {
            let _ = cluster.run(
                node,
                &["ping", "-c", "1", "-W", "1", "-I", &from.to_string(), to],
            );
            seen.try_wait().expect("tcpdump(1)").is_some()
        },
    );
    assert!(
        seen.wait().expect("its end").success(),
        "{interface}: {filter}"
    );
}

/// The seed's files, and the same again for IPv6.
const PUBLIC: &str =
    "192.168.1.98 eth2,eth3\n192.168.1.99 eth2,eth3\nfd77::98 eth2,eth3\nfd77::99 eth2,eth3\n";
const POLICY: &str = "192.168.1.98 192.168.1.0/24
192.168.1.98 192.168.200.0/24 192.168.1.254
192.168.1.98 0.0.0.0/0 192.168.1.1
192.168.1.99 192.168.1.0/24
192.168.1.99 192.168.200.0/24 192.168.1.254
192.168.1.99 0.0.0.0/0 192.168.1.1
# and the same again
fd77::98 fd77::/64
fd77::98 fd78::/64 fd77::254
fd77::98 ::/0 fd77::1
fd77::99 fd77::/64
fd77::99 fd78::/64 fd77::254
fd77::99 ::/0 fd77::1
";
/// The routes of each address.
const V4: [&str; 3] = [
    "default via 192.168.1.1 dev eth2",
    "192.168.1.0/24 dev eth2 scope link",
    "192.168.200.0/24 via 192.168.1.254 dev eth2",
];
const V6: [&str; 3] = [
    "default via fd77::1 dev eth2 metric 1024",
    "fd77::/64 dev eth2 metric 1024",
    "fd78::/64 via fd77::254 dev eth2 metric 1024",
];

#[test]
fn the_seeds_complete_example() {
    if !have_root("the_seeds_complete_example") {
        return;
    }
    let layout = Layout {
        addresses: 2,
        ipv6: true,
        ..Layout::new("routing", 2)
    };
    let layout = layout
        .with_file(None, "ctdb/public_addresses", PUBLIC)
        .with_file(None, "ctdb/policy_routing", POLICY)
        .with_file(None, "ctdb/script.options", OPTIONS);
    let cluster = build(&layout);
    cluster.start_all();
    cluster.wait_settled("OK with addresses");
    let all = ["192.168.1.98", "192.168.1.99", "fd77::98", "fd77::99"];
    let all = all.map(|text| text.parse::<IpAddr>().expect("an address"));
    let patience = layout.daemon.patience();
    for address in all {
        let node = owner(&cluster, address);
        wait_until(patience, &format!("{address} has its routes"), || {
            let routes = if address.is_ipv4() { V4 } else { V6 };
            is_routed(&cluster, node, address, &routes)
        });
        assert!(!rules(&cluster, 1 - node, family(address)).contains(&rule_of(address)));
    }
    let node = owner(&cluster, all[0]);
    println!("{}", rules(&cluster, node, "-4").join("\n"));
    println!("{}", table(&cluster, node, all[0]).join("\n"));
    packets_go_where_the_routes_say(&cluster, all[0], all[2]);
    others_remove_them(&cluster, node, all[0]);
    it_moves_with_the_address(&cluster, node, all[0]);
    the_script_switches_it_off(&cluster, 1 - node, all[0]);
    nothing_is_left(&cluster, 1 - node, all[0]);
    cluster.assert_clean();
}

fn packets_go_where_the_routes_say(cluster: &Cluster, v4: IpAddr, v6: IpAddr) {
    let link = ["ip", "-o", "link", "show", "eth1"];
    let link = cluster.on_client(&link).ok();
    let mac = link.split("link/ether ").nth(1);
    let mac = mac.and_then(|rest| rest.split_whitespace().next());
    let to_eth1 = format!("and ether dst {}", mac.expect("an Ethernet address"));
    let node = owner(cluster, v4);
    leaves_by(cluster, node, v4, "192.168.200.7", "gw2", "");
    leaves_by(cluster, node, v4, "203.0.113.9", "eth1", &to_eth1);
    leaves_by(cluster, owner(cluster, v6), v6, "fd78::7", "gw2", "");
}

/// After the worker was killed on a node, and after all were stopped.
fn nothing_is_left(cluster: &Cluster, node: usize, address: IpAddr) {
    let patience = cluster.layout().daemon.patience();
    // Until this is put right no other worker can start, and what is left is seen.
    let options = cluster.etc(node, "script.options");
    std::fs::write(&options, OPTIONS.replace("=100\n", "=high\n")).expect("a file");
    cluster.kill(node, Whom::Worker);
    wait_until(patience, "nothing is left of a killed daemon", || {
        is_clean(cluster, node)
    });
    std::fs::write(&options, OPTIONS).expect("a file");
    cluster.wait_settled("OK again");
    wait_until(patience, "its routes are somewhere", || {
        is_routed(cluster, owner(cluster, address), address, &V4)
    });
    for node in cluster.nodes() {
        cluster.stop(node);
        let rules = rules(cluster, node, "-4");
        assert!(is_clean(cluster, node), "{rules:?}");
        let filter = cluster.run(node, &["cat", "/proc/sys/net/ipv4/conf/all/arp_filter"]);
        assert_eq!(filter.ok().trim(), "0");
    }
}

fn others_remove_them(cluster: &Cluster, node: usize, address: IpAddr) {
    let text = address.to_string();
    cluster
        .run(node, &["ip", "rule", "del", "from", &text, "pref", "100"])
        .ok();
    cluster
        .run(
            node,
            &["ip", "route", "flush", "table", &format!("ctdb.{address}")],
        )
        .ok();
    let took = wait_until(
        Duration::from_secs(10),
        "removed rules and routes are back",
        || is_routed(cluster, node, address, &V4),
    );
    println!("removed by others, back after {:.2} s", took.as_secs_f64());
}

fn it_moves_with_the_address(cluster: &Cluster, node: usize, address: IpAddr) {
    let (text, to) = (address.to_string(), (1 - node).to_string());
    cluster.ctdb(node, &["moveip", &text, &to]).ok();
    wait_until(Duration::from_secs(20), "the routes have moved", || {
        is_routed(cluster, 1 - node, address, &V4)
            && !rules(cluster, node, "-4").contains(&rule_of(address))
            && table(cluster, node, address).is_empty()
    });
}

fn the_script_switches_it_off(cluster: &Cluster, node: usize, address: IpAddr) {
    let script = |word: &str| {
        let words = ["event", "script", word, "legacy", "13.per_ip_routing"];
        cluster.our_ctdb(node, &words).ok();
        cluster
            .ctdb(node, &["event", "run", "10", "legacy", "monitor"])
            .ok();
    };
    let shown = || cluster.ctdb(node, &["scriptstatus"]).stdout;
    script("disable");
    wait_until(Duration::from_secs(10), "no routes any more", || {
        is_clean(cluster, node)
    });
    assert!(
        shown().contains("13.per_ip_routing    DISABLED"),
        "{}",
        shown()
    );
    script("enable");
    wait_until(Duration::from_secs(10), "the routes again", || {
        is_routed(cluster, node, address, &V4)
    });
    assert!(shown().contains("13.per_ip_routing    OK"), "{}", shown());
}

#[test]
fn the_seeds_first_example_and_link_local_routes() {
    if !have_root("the_seeds_first_example_and_link_local_routes") {
        return;
    }
    let layout = Layout {
        addresses: 1,
        ..Layout::new("routing-first", 1)
    };
    let policy = "192.168.1.99 192.168.1.1/24\n  192.168.1.99\t0.0.0.0/0   192.168.1.1\n";
    let layout = layout
        .with_file(None, "ctdb/public_addresses", "192.168.1.99/24 eth2,eth3\n")
        .with_file(None, "ctdb/policy_routing", policy)
        .with_file(None, "ctdb/script.options", OPTIONS);
    let cluster = build(&layout);
    let address: IpAddr = "192.168.1.99".parse().expect("an address");
    // What a killed daemon and its killed guard left, and a rule of somebody else.
    let left = "ip rule add from 192.168.1.77 pref 100 table 1234
        ip route add 192.168.200.0/24 dev eth2 table 1234
        ip rule add from 192.168.1.77 pref 101 table 77";
    cluster.run(0, &["sh", "-ec", left]).ok();
    cluster.start_all();
    cluster.wait_settled("OK with addresses");
    the_seeds_rules(&cluster, address);
    the_file_is_read_again(&cluster, address);
    link_local_routes(&cluster, address);

    cluster.stop(0);
    let bad = OPTIONS.replace("9000", "900");
    std::fs::write(cluster.etc(0, "script.options"), bad).expect("a file");
    let daemon = layout.daemon.path();
    let refused = cluster.run(0, &[&*daemon.to_string_lossy()]);
    let named = "script.options:3: CTDB_PER_IP_ROUTING_TABLE_ID_LOW";
    assert!(
        !refused.success() && refused.stderr.contains(named),
        "{refused:?}"
    );
    cluster.assert_clean();
}

fn the_seeds_rules(cluster: &Cluster, address: IpAddr) {
    let patience = cluster.layout().daemon.patience();
    let both = [
        "default via 192.168.1.1 dev eth2",
        "192.168.1.0/24 dev eth2 scope link",
    ];
    wait_until(patience, "the seed's routes", || {
        is_routed(cluster, 0, address, &both)
    });
    let expected = [
        "0: from all lookup local",
        "100: from 192.168.1.99 lookup ctdb.192.168.1.99",
        "101: from 192.168.1.77 lookup 77",
        "32766: from all lookup main",
        "32767: from all lookup default",
    ];
    assert_eq!(rules(cluster, 0, "-4"), expected);

    // The link of the interface goes: the address changes to the other one, and its routes with it.
    cluster.run(0, &["ip", "link", "set", "eth2", "down"]).ok();
    wait_until(patience, "the routes change the interface", || {
        interface(cluster, 0, address).as_deref() == Some("eth3")
            && is_routed(cluster, 0, address, &both)
    });
    cluster.run(0, &["ip", "link", "set", "eth2", "up"]).ok();
}

/// The seed's first line alone; then one that can't be used: the event fails and says why, and the routes stay.
fn the_file_is_read_again(cluster: &Cluster, address: IpAddr) {
    let file = cluster.etc(0, "policy_routing");
    let write = |text: &str| std::fs::write(&file, text).expect("a file");
    let event = |name: &str| cluster.ctdb(0, &["event", "run", "30", "legacy", name]);
    let link = ["192.168.1.0/24 dev eth2 scope link"];
    write("192.168.1.99 192.168.1.1/24\n");
    event("reconfigure").ok();
    assert!(is_routed(cluster, 0, address, &link));
    write("# a gateway\n192.168.1.99 0.0.0.0/0 gate\n");
    for name in ["reconfigure", "monitor"] {
        assert!(!event(name).success(), "{name}");
        let shown = cluster.ctdb(0, &["event", "status", "legacy", name]).stdout;
        let why = "policy_routing line 2: 192.168.1.99: \"gate\" is no gateway";
        assert!(
            shown.contains("13.per_ip_routing") && shown.contains(why),
            "{shown}"
        );
        assert!(is_routed(cluster, 0, address, &link));
    }
    write("192.168.1.99 192.168.1.1/24\n");
    event("ipreallocated").ok();
    event("monitor").ok();
}

/// Numbers go by the addresses, not by the order in which they come; the same again after a restart.
fn link_local_routes(cluster: &Cluster, address: IpAddr) {
    let options = OPTIONS.replace("/etc/ctdb/policy_routing", "__auto_link_local__");
    cluster.stop(0);
    std::fs::write(cluster.etc(0, "script.options"), options).expect("a file");
    let public = "fd77::99/64 eth2,eth3\n192.168.1.99/24 eth2,eth3\n192.168.1.98/24 eth2,eth3\n";
    std::fs::write(cluster.etc(0, "public_addresses"), public).expect("a file");
    cluster.start(0);
    let patience = cluster.layout().daemon.patience();
    wait_until(patience, "its own network", || {
        is_routed(cluster, 0, address, &["192.168.1.0/24 dev eth2 scope link"])
    });
    let six: IpAddr = "fd77::99".parse().expect("an address");
    wait_until(patience, "its own network of the other family", || {
        is_routed(cluster, 0, six, &["fd77::/64 dev eth2 metric 1024"])
    });
    for number in [
        "1000\tctdb.192.168.1.98",
        "1001\tctdb.192.168.1.99",
        "1002\tctdb.fd77::99",
    ] {
        let names = cluster
            .directory()
            .join("0/etc/iproute2/rt_tables.d/ctdb.conf");
        let names = std::fs::read_to_string(names).expect("the names");
        assert!(names.lines().any(|line| line == number), "{names}");
    }
}
