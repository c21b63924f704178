//! Public addresses changed while the cluster runs: `moveip`, `delip`, `addip`, `reloadips`, on real interfaces.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use ctdb_itests::cluster::{Cluster, Daemon, Layout, NodeStatus, Whom, have_root, wait_until};

/// An address that no node has at the start.
const NEW: &str = "10.88.0.200";
/// Another one.
const SECOND: &str = "10.88.0.201";

fn owner(cluster: &Cluster, at: usize, address: IpAddr) -> Option<usize> {
    cluster
        .owners(at)
        .and_then(|owners| owners.get(&address).copied().flatten())
}

/// Waits until `node` says that it has the address, and the client hears it.
fn served(cluster: &Cluster, node: usize, address: IpAddr) {
    let what = format!("{address} is served by node {node}");
    wait_until(cluster.layout().daemon.patience(), &what, || {
        owner(cluster, node, address) == Some(node) && cluster.all_answer(&[address])
    });
}

/// One move after the other: when the tool ends the address is where it was asked for, as that node tells.
fn moves_in_a_row(cluster: &Cluster, address: IpAddr) {
    let ask = |node: usize, words: &[&str]| match cluster.layout().daemon {
        Daemon::Ours => cluster.our_ctdb(node, words).ok(),
        Daemon::Debian => cluster.ctdb(node, words).ok(),
    };
    let text = address.to_string();
    let begin = Instant::now();
    for to in [0, 1, 0, 1] {
        ask(0, &["moveip", &text, &to.to_string()]);
        let known = ask(to, &["ip"]);
        let line = format!("{text} {to}");
        assert!(known.lines().any(|known| known == line), "{known}");
        let shown = cluster.run(to, &["ip", "-o", "addr", "show", "dev", "eth1"]);
        let shown = shown.ok();
        assert!(shown.contains(&text), "not on node {to}: {shown}");
    }
    println!(
        "four moves in a row: {:.3} s",
        begin.elapsed().as_secs_f64()
    );
}

#[test]
fn addresses_come_and_go_and_move_at_runtime() {
    if !have_root("addresses_come_and_go_and_move_at_runtime") {
        return;
    }
    // Node 2 begins without any: its interfaces are prepared when the first one comes.
    let layout = Layout::new("public", 3).with_file(Some(2), "ctdb/public_addresses", "");
    let cluster = Cluster::up(&layout);
    let patience = layout.daemon.patience();
    let all = layout.public_addresses();
    let moved = *all
        .iter()
        .find(|address| owner(&cluster, 0, **address) == Some(0))
        .expect("node 0 has addresses");

    let watch = cluster.watch_addresses(&[moved]);
    cluster.ctdb(1, &["moveip", &moved.to_string(), "1"]).ok();
    served(&cluster, 1, moved);
    let seen = watch.end();
    println!(
        "moveip: gap {:?} s, dual {:.3}",
        seen.longest_gap_s(),
        seen.dual.longest_s
    );
    assert!(seen.dual.longest_s <= 0.04, "answered twice");

    moves_in_a_row(&cluster, moved);
    cluster.ctdb(1, &["moveip", &moved.to_string(), "1"]).ok();

    cluster.ctdb(1, &["delip", &moved.to_string()]).ok();
    served(&cluster, 0, moved);
    let known = cluster.ctdb(1, &["ip"]).ok();
    assert!(!known.contains(&moved.to_string()), "still there:\n{known}");

    let new: IpAddr = NEW.parse().expect("an address");
    cluster
        .ctdb(2, &["addip", &format!("{NEW}/16"), "eth1"])
        .ok();
    served(&cluster, 2, new);
    let log = cluster.log(2);
    assert!(!log.contains("UNHEALTHY"), "it was out of service:\n{log}");
    let rules = cluster.run(2, &["nft", "list", "ruleset"]).ok();
    assert!(rules.contains(NEW), "the gate does not guard it:\n{rules}");

    let file = cluster.directory().join("2/etc/ctdb/public_addresses");
    std::fs::write(&file, format!("{SECOND}/16 eth1\n")).expect("a file");
    cluster.ctdb(0, &["reloadips", "2"]).ok();
    let second: IpAddr = SECOND.parse().expect("an address");
    served(&cluster, 2, second);
    wait_until(patience, "the address that is in no file is gone", || {
        !cluster.all_answer(&[new])
    });
    let on_interface = cluster.run(2, &["ip", "-o", "addr", "show", "dev", "eth1"]);
    assert!(
        !on_interface.ok().contains(NEW),
        "it is still on the interface"
    );

    std::fs::write(&file, "nonsense\n").expect("a file");
    // Debian's tool doesn't say that a node refused; what counts is that the node keeps what it had.
    let _ = cluster.ctdb(0, &["reloadips", "2"]);
    served(&cluster, 2, second);

    // The next life of the worker takes what the file says.
    std::fs::write(&file, format!("{NEW}/16 eth1\n")).expect("a file");
    cluster.kill(2, Whom::Worker);
    served(&cluster, 2, new);
    wait_until(patience, "what it had before is gone", || {
        !cluster.all_answer(&[second])
    });
    cluster.assert_clean();
}

/// Gives each node `eth2` and `eth3`.
fn add_interfaces(cluster: &Cluster) {
    for node in cluster.nodes() {
        for interface in ["eth2", "eth3"] {
            let add = format!("ip link add {interface} link eth1 type macvlan mode bridge");
            let up = format!("ip link set {interface} up");
            for words in [add, up] {
                let words: Vec<&str> = words.split(' ').collect();
                cluster.run(node, &words).ok();
            }
        }
    }
}

/// Two nodes that are OK, half of their addresses on one interface and half on the other, and which of them is where.
fn on_two_interfaces(name: &str, options: &str) -> (Cluster, BTreeMap<IpAddr, &'static str>) {
    let mut layout = Layout::new(name, 2);
    layout.addresses = 8;
    let interfaces = ["eth2", "eth3"].into_iter().cycle();
    let places: BTreeMap<_, _> = layout
        .public_addresses()
        .into_iter()
        .zip(interfaces)
        .collect();
    let file = places
        .iter()
        .fold(String::new(), |text, (address, interface)| {
            text + &format!("{address}/16 {interface}\n")
        });
    layout = layout.with_file(None, "ctdb/public_addresses", &file);
    let cluster = Cluster::build(&layout);
    add_interfaces(&cluster);
    for node in cluster.nodes() {
        cluster.add_options(node, options);
    }
    cluster.start_all();
    cluster.wait("each node has addresses on both", || {
        let has = |node: usize, wanted: &str| {
            places.iter().any(|(address, interface)| {
                *interface == wanted && owner(&cluster, 0, *address) == Some(node)
            })
        };
        cluster.settled()
            && [0, 1]
                .iter()
                .all(|node| has(*node, "eth2") && has(*node, "eth3"))
    });
    (cluster, places)
}

/// Of two interfaces one goes down: with the variable its addresses alone leave the node, and come back.
#[test]
fn a_node_with_one_of_two_interfaces_is_partially_online() {
    let name = "a_node_with_one_of_two_interfaces_is_partially_online";
    if !have_root(name) {
        return;
    }
    let (cluster, places) = on_two_interfaces("partial", "CTDB_PARTIALLY_ONLINE_INTERFACES=yes\n");
    let before = cluster.owners(0).expect("the addresses");
    let begin = Instant::now();
    cluster.run(1, &["ip", "link", "set", "eth3", "down"]).ok();
    let as_wanted = || {
        cluster.owners(0).is_some_and(|owners| {
            owners.iter().all(|(address, owner)| match places[address] {
                "eth3" => *owner == Some(0),
                _ => *owner == before[address],
            })
        })
    };
    cluster.wait("its addresses have moved, the others have not", as_wanted);
    println!(
        "one of two interfaces down: its addresses have moved after {:.2} s",
        begin.elapsed().as_secs_f64()
    );
    cluster.wait("it is partially online", || {
        cluster
            .ctdb(1, &["status"])
            .stdout
            .contains("PARTIALLYONLINE")
    });
    assert!(
        cluster.sees(1, 1, "PartiallyOnline"),
        "{:?}",
        cluster.status(1)
    );
    for node in cluster.nodes() {
        assert!(
            !cluster.sees(node, 1, "Unhealthy"),
            "{:?}",
            cluster.status(node)
        );
    }
    let kept: Vec<IpAddr> = before
        .iter()
        .filter(|(address, owner)| **owner == Some(1) && places[address] == "eth2")
        .map(|(address, _)| *address)
        .collect();
    assert!(as_wanted(), "{:?}", cluster.owners(0));
    cluster.wait("those that stayed answer", || cluster.all_answer(&kept));
    cluster.run(1, &["ip", "link", "set", "eth3", "up"]).ok();
    cluster.wait("OK again", || {
        cluster
            .status(1)
            .is_some_and(|list| list.iter().all(NodeStatus::is_ok))
            && !cluster.sees(1, 1, "PartiallyOnline")
    });
    cluster.assert_clean();
}

/// The same without the variable.
#[test]
fn a_node_with_one_of_two_interfaces_is_unhealthy() {
    let name = "a_node_with_one_of_two_interfaces_is_unhealthy";
    if !have_root(name) {
        return;
    }
    let (cluster, _) = on_two_interfaces("not-partial", "");
    cluster.run(1, &["ip", "link", "set", "eth3", "down"]).ok();
    // All its addresses move, those of the live interface too.
    let took = cluster.wait_unhealthy(1, 0);
    println!(
        "one of two interfaces down, UNHEALTHY: all addresses have moved after {:.2} s",
        took.as_secs_f64()
    );
    assert!(
        !cluster.sees(1, 1, "PartiallyOnline"),
        "{:?}",
        cluster.status(1)
    );
    cluster.run(1, &["ip", "link", "set", "eth3", "up"]).ok();
    cluster.wait_settled("OK again");
    cluster.assert_clean();
}

/// Of 12 addresses each node has six, on two interfaces; the one that comes back gets its three.
#[test]
fn an_interface_that_returns_gets_its_share() {
    let name = "an_interface_that_returns_gets_its_share";
    let mut layout = Layout::new("share", 2);
    if !have_root(name) || layout.daemon == Daemon::Debian {
        return;
    }
    layout.addresses = 12;
    let addresses = layout.public_addresses();
    let file = addresses.iter().fold(String::new(), |text, address| {
        text + &format!("{address}/16 eth2,eth3\n")
    });
    let options = "CTDB_PARTIALLY_ONLINE_INTERFACES=yes\n";
    layout = layout
        .with_file(None, "ctdb/public_addresses", &file)
        .with_file(None, "ctdb/script.options", options);
    let cluster = Cluster::build(&layout);
    add_interfaces(&cluster);
    cluster.start_all();
    cluster.wait_settled("all nodes OK with addresses");
    let on = |interface: &str| {
        let shown = cluster.run(1, &["ip", "-o", "addr", "show", "dev", interface]);
        let shown = shown.ok();
        let is_here = |address: &&IpAddr| shown.contains(&format!(" {address}/"));
        addresses.iter().filter(is_here).count()
    };
    cluster.wait("half of them", || on("eth2") + on("eth3") == 6);
    let changes = || {
        let logs: Vec<String> = cluster.nodes().map(|node| cluster.log(node)).collect();
        let count = |words| logs.iter().map(|log| log.matches(words).count()).sum();
        [count("takeover.taken"), count("takeover.released")]
    };
    let before: [usize; 2] = changes();
    cluster.run(1, &["ip", "link", "set", "eth3", "down"]).ok();
    cluster.wait("all on one", || (on("eth2"), on("eth3")) == (6, 0));
    let watch = cluster.watch();
    cluster.run(1, &["ip", "link", "set", "eth3", "up"]).ok();
    let took = cluster.wait("three on each again", || (on("eth2"), on("eth3")) == (3, 3));
    cluster.wait("all answer", || cluster.all_answer(&addresses));
    let seen = watch.end();
    println!(
        "an interface came back: its share after {:.2} s, longest silence {:?} s, dual {:.3} s",
        took.as_secs_f64(),
        seen.longest_gap_s(),
        seen.dual.longest_s
    );
    assert!(seen.silent().is_empty(), "{:?}", seen.silent());
    assert_eq!(changes(), before, "none of them left its node");
    cluster.assert_clean();
}
