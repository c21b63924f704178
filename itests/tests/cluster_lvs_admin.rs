//! LVS as its admin sees it: `91.lvs` among the scripts, its effect on health, its switch.

use ctdb_itests::cluster::lvs::{
    ADDRESS, CLIENTS, PATIENCE, SEED, connect, lvs_leader, number, servers, wait_holder, wait_live,
};
use ctdb_itests::cluster::{Cable, Cluster, Layout, Whom, have_root, wait_until};

/// Node 2 never leads.
const NODES: &str = "10.99.0.1\n10.99.0.2\n10.99.0.3 follower-only\n";

fn lvs_list(cluster: &Cluster, at: usize) -> String {
    cluster.our_ctdb(at, &["lvs", "list"]).ok()
}

fn wait_list(cluster: &Cluster, at: usize, nodes: &[usize]) {
    let line = |node: &usize| format!("{node} 10.99.0.{}\n", node + 1);
    let expected: String = nodes.iter().map(line).collect();
    wait_until(PATIENCE, &format!("{nodes:?} serve"), || {
        lvs_list(cluster, at) == expected
    });
    wait_live(cluster, at, nodes.len());
}

fn monitored(cluster: &Cluster, node: usize) -> String {
    let words = ["event", "status", "legacy", "monitor"];
    cluster.our_ctdb(node, &words).stdout
}

/// Nothing of LVS is in this node's kernel.
fn is_bare(cluster: &Cluster, node: usize) -> bool {
    let tables = cluster.run(node, &["nft", "list", "tables"]).ok();
    let addresses = cluster.run(node, &["ip", "-o", "addr"]).ok();
    let settings = ["arp_ignore", "arp_announce"].map(|name| setting(cluster, node, name));
    !tables.contains("ctdb_lvs") && !addresses.contains(ADDRESS) && settings == ["0", "0"]
}

fn setting(cluster: &Cluster, node: usize, name: &str) -> String {
    let path = format!("/proc/sys/net/ipv4/conf/eth1/{name}");
    cluster.run(node, &["cat", &path]).ok().trim().to_owned()
}

/// Such a node could not reach clients by itself, so it is not to serve.
fn a_missing_address_is_named(cluster: &Cluster) {
    let address = |word| {
        let words = ["ip", "addr", word, "10.1.1.2/24", "dev", "eth1"];
        cluster.run(1, &words).ok();
    };
    address("del");
    wait_list(cluster, 0, &[0, 2]);
    assert!(cluster.sees(0, 1, "Unhealthy"));
    let shown = monitored(cluster, 1);
    let named = "OUTPUT: eth1 has no permanent IPv4 address";
    assert!(
        shown.contains("91.lvs") && shown.contains("ERROR"),
        "{shown}"
    );
    assert!(shown.contains(named), "{shown}");
    address("add");
    wait_list(cluster, 0, &[0, 1, 2]);
}

/// No script but 91.lvs looks at the interface of a node that can hold no address.
fn a_dead_interface_is_named(cluster: &Cluster) {
    cluster.cut(2, Cable::Public);
    wait_list(cluster, 0, &[0, 1]);
    wait_until(PATIENCE, "the interface is named", || {
        let shown = monitored(cluster, 2);
        shown.contains("91.lvs") && shown.contains("No link on the public network interface eth1")
    });
    cluster.heal(2);
    wait_list(cluster, 0, &[0, 1, 2]);
}

/// The leader is switched off: another one leads, this one serves nobody and has nothing of LVS any more.
fn the_script_switches_it_off(cluster: &Cluster) {
    let script = |word: &str| {
        let words = ["event", "script", word, "legacy", "91.lvs"];
        cluster.our_ctdb(0, &words).ok();
    };
    let shown = || cluster.our_ctdb(0, &["scriptstatus"]).stdout;
    let capabilities = || cluster.our_ctdb(0, &["getcapabilities"]).ok();
    assert!(shown().contains("91.lvs               OK"), "{}", shown());
    assert!(capabilities().contains("LVS: YES"), "{}", capabilities());
    script("disable");
    wait_list(cluster, 1, &[1, 2]);
    wait_holder(cluster, 1);
    wait_until(PATIENCE, "the old leader has nothing of it", || {
        is_bare(cluster, 0)
    });
    assert_eq!(lvs_leader(cluster, 0), "1");
    wait_until(PATIENCE, "the script is off", || {
        shown().contains("91.lvs               DISABLED")
    });
    assert!(capabilities().contains("LVS: NO"), "{}", capabilities());
    let (_flows, served) = connect(cluster, ADDRESS, 60, 21_000, &CLIENTS);
    assert_eq!(served.keys().collect::<Vec<_>>(), ["n1", "n2"]);
    script("enable");
    wait_list(cluster, 1, &[0, 1, 2]);
    wait_holder(cluster, 0);
    assert_eq!(lvs_leader(cluster, 2), "0");
}

fn write(cluster: &Cluster, node: usize, file: &str, text: &str) {
    std::fs::write(cluster.etc(node, file), text).expect("a file");
}

/// A killed worker leaves nothing; while no other one can start, that is seen.
fn the_guard_takes_everything_back(cluster: &Cluster) {
    let settings = ["arp_ignore", "arp_announce"].map(|name| setting(cluster, 1, name));
    assert_eq!(settings, ["3", "2"]);
    write(cluster, 1, "script.options", &SEED.replace(ADDRESS, "none"));
    cluster.kill(1, Whom::Worker);
    wait_until(PATIENCE, "nothing is left", || is_bare(cluster, 1));
    write(cluster, 1, "script.options", SEED);
    wait_list(cluster, 0, &[0, 1, 2]);
}

/// With the guard everything stays; the next daemon takes it away, though it has no LVS any more.
fn the_next_daemon_takes_everything_back(cluster: &Cluster) {
    cluster.kill(1, Whom::All);
    write(cluster, 1, "script.options", "");
    wait_list(cluster, 0, &[0, 2]);
    let addresses = cluster.run(1, &["ip", "-o", "addr"]).ok();
    assert!(addresses.contains(ADDRESS), "{addresses}");
    assert_eq!(setting(cluster, 1, "arp_ignore"), "3");
    cluster.start(1);
    cluster.wait_settled("all nodes OK again");
    assert!(is_bare(cluster, 1));
}

#[test]
fn the_script_its_effect_and_its_switch() {
    if !have_root("the_script_its_effect_and_its_switch") {
        return;
    }
    let cluster = up("lvs-admin");
    let _servers = servers(&cluster);
    a_missing_address_is_named(&cluster);
    a_dead_interface_is_named(&cluster);
    the_script_switches_it_off(&cluster);
    the_guard_takes_everything_back(&cluster);
    the_next_daemon_takes_everything_back(&cluster);
    cluster.assert_clean();
}

fn write_group(cluster: &Cluster, text: &str) {
    for node in cluster.nodes() {
        write(cluster, node, "lvs_nodes", text);
    }
}

/// By our word, which reads it on all nodes, and by 4.17's way, a run of the event.
fn the_group_file_is_read_again(cluster: &Cluster) {
    write_group(cluster, "10.99.0.1 follower-only\n10.99.0.2\n");
    cluster.our_ctdb(0, &["reloadnodes"]).ok();
    wait_list(cluster, 0, &[0, 1]);
    wait_holder(cluster, 1);
    assert_eq!(lvs_leader(cluster, 2), "1");
    wait_until(PATIENCE, "node 2 has nothing of it", || is_bare(cluster, 2));

    write(cluster, 1, "lvs_nodes", "10.99.0.1\n10.99.0.2 leader\n");
    let refused = cluster.our_ctdb(0, &["reloadnodes"]);
    let reason = "lvs_nodes:2: 10.99.0.2: \"leader\" is no option";
    assert!(
        !refused.success() && refused.stderr.contains(reason),
        "{refused:?}"
    );
    wait_until(PATIENCE, "the node says so", || {
        cluster.sees(0, 1, "Unhealthy") && monitored(cluster, 1).contains(reason)
    });
    assert_eq!(lvs_leader(cluster, 1), "1", "the group is as it was");

    write_group(cluster, NODES);
    cluster.ctdb(0, &["ipreallocate"]).ok();
    wait_list(cluster, 1, &[0, 1, 2]);
    wait_holder(cluster, 0);
}

/// Node 1 goes over to another group, which counts node 2 as its own; the first group still counts node 1.
fn a_node_is_in_one_group_only(cluster: &Cluster) {
    cluster.stop(1);
    let other = SEED.replace(ADDRESS, "10.1.1.238");
    write(cluster, 1, "script.options", &other);
    write(cluster, 1, "lvs_nodes", "10.99.0.2\n10.99.0.3\n");
    cluster.start(1);
    cluster.wait_settled("all nodes OK again");
    wait_list(cluster, 0, &[0, 2]);
    wait_list(cluster, 1, &[1]);
    for (node, named) in [
        (0, "node 1 is in the groups of 10.1.1.237 and of 10.1.1.238"),
        (1, "node 1 is in the groups of 10.1.1.238 and of 10.1.1.237"),
        (1, "node 2 is in the groups of 10.1.1.238 and of 10.1.1.237"),
        (2, "node 1 is in the groups of 10.1.1.237 and of 10.1.1.238"),
    ] {
        let is_named = || cluster.log(node).contains(named);
        wait_until(PATIENCE, &format!("node {node}: {named}"), is_named);
    }
}

#[test]
fn the_group_and_its_file() {
    if !have_root("the_group_and_its_file") {
        return;
    }
    let cluster = up("lvs-group");
    the_group_file_is_read_again(&cluster);
    a_node_is_in_one_group_only(&cluster);
    cluster.assert_clean();
}

/// Three nodes that serve.
fn up(name: &str) -> Cluster {
    let mut layout = Layout {
        addresses: 0,
        ..Layout::new(name, 3)
    };
    layout.tunables = "MonitorInterval=1\n".into();
    let layout = layout
        .with_file(None, "ctdb/script.options", SEED)
        .with_file(None, "ctdb/lvs_nodes", NODES);
    let cluster = Cluster::build(&layout);
    number(&cluster);
    cluster.start_all();
    cluster.wait_settled("all nodes OK after start");
    wait_holder(&cluster, 0);
    wait_list(&cluster, 0, &[0, 1, 2]);
    cluster
}
