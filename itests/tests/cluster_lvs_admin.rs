//! LVS as its admin sees it: `91.lvs` among the scripts, its effect on health, its switch.

use ctdb_itests::cluster::lvs::{
    ADDRESS, CLIENTS, PATIENCE, SEED, connect, lvs_leader, number, servers, wait_holder, wait_live,
};
use ctdb_itests::cluster::{Cable, Cluster, Layout, have_root, wait_until};

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

#[test]
fn the_script_its_effect_and_its_switch() {
    if !have_root("the_script_its_effect_and_its_switch") {
        return;
    }
    let mut layout = Layout {
        addresses: 0,
        ..Layout::new("lvs-admin", 3)
    };
    layout.tunables = "MonitorInterval=1\n".into();
    let layout = layout
        .with_file(None, "ctdb/script.options", SEED)
        .with_file(None, "ctdb/lvs_nodes", NODES);
    let cluster = Cluster::build(&layout);
    number(&cluster);
    cluster.start_all();
    cluster.wait_settled("all nodes OK after start");
    let _servers = servers(&cluster);
    wait_holder(&cluster, 0);
    wait_list(&cluster, 0, &[0, 1, 2]);
    let log = cluster.log(0);
    assert!(!log.contains("event.not_supported"), "{log}");
    a_missing_address_is_named(&cluster);
    a_dead_interface_is_named(&cluster);
    the_script_switches_it_off(&cluster);
    cluster.assert_clean();
}
