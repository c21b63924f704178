//! Why a node is not OK is said to whoever asks; a node that flaps is damped; both can be steered while it runs.

use ctdb_itests::cluster::{Cluster, Daemon, Layout, NodeStatus, have_root, wait_until};
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

/// A file whose presence makes the check of node 1 fail.
fn switch(cluster: &Cluster) -> PathBuf {
    cluster.directory().join("1/run/ctdb/broken")
}

/// The reasons that our `ctdb status` prints on node 0.
fn reasons(cluster: &Cluster) -> Vec<String> {
    let status = cluster.our_ctdb(0, &["status"]).ok();
    let lines = status.lines().filter(|line| line.starts_with("reason:"));
    lines.map(str::to_owned).collect()
}

fn wait_reason(cluster: &Cluster, words: &str) {
    let what = format!("a reason with {words:?}");
    wait_until(Daemon::Ours.patience(), &what, || {
        reasons(cluster).iter().any(|line| line.contains(words))
    });
}

/// Breaks the service of node 1 until the node is unhealthy.
fn fall(cluster: &Cluster) {
    fs::write(switch(cluster), "").expect("switch");
    cluster.wait_unhealthy(1, 0);
}

fn mend(cluster: &Cluster) {
    fs::remove_file(switch(cluster)).expect("switch");
}

const CHECK: &str =
    "[ \"$1\" = monitor ] && [ -e /run/ctdb/broken ] || exit 0\necho the disk is gone\nexit 1";

/// As `wait_settled`, where the nodes do not all host the same addresses.
fn wait_ok(cluster: &Cluster, what: &str) {
    let all_ok = |list: Vec<NodeStatus>| list.len() == 3 && list.iter().all(NodeStatus::is_ok);
    cluster.wait(what, || cluster.status(0).is_some_and(all_ok));
}

/// Three nodes whose checks run every second; that of node 1 can be broken.
fn with_check(layout: &Layout) -> Cluster {
    let cluster = Cluster::build(layout);
    cluster.put_script(1, "60.disk", CHECK);
    cluster.start_all();
    wait_ok(&cluster, "all OK");
    // The next check would come after up to 15 s otherwise.
    for node in cluster.nodes() {
        cluster.ctdb(node, &["setvar", "MonitorInterval", "1"]).ok();
    }
    cluster
}

#[test]
fn the_reason_is_said_and_a_flapping_node_is_damped() {
    let name = "the_reason_is_said_and_a_flapping_node_is_damped";
    let layout = Layout::new("health", 3);
    if !have_root(name) || layout.daemon == Daemon::Debian {
        return;
    }
    let cluster = with_check(&layout);
    assert!(reasons(&cluster).is_empty(), "{:?}", reasons(&cluster));
    for _ in 0..2 {
        fall(&cluster);
        wait_reason(&cluster, "reason:1 60.disk: the disk is gone");
        mend(&cluster);
        cluster.wait_settled("OK again at once");
    }
    fall(&cluster);
    mend(&cluster);
    wait_reason(&cluster, "became unhealthy 3 times in ten minutes");
    let log = cluster.log(1);
    assert!(log.contains("monitor.damped"), "{log}");
    let machine = cluster.our_ctdb(0, &["-j", "status"]).ok();
    assert!(machine.contains("\"reasons\""), "{machine}");
    let waited = cluster.wait_settled("OK again after a row of good checks");
    println!(
        "third fall: OK {:.1} s after the wait was announced",
        waited.as_secs_f64()
    );
    assert!(reasons(&cluster).is_empty());
    cluster.assert_clean();
}

#[test]
fn a_damped_node_serves_what_nobody_else_may_host() {
    let name = "a_damped_node_serves_what_nobody_else_may_host";
    let mut layout = Layout::new("damped", 3);
    if !have_root(name) || layout.daemon == Daemon::Debian {
        return;
    }
    let shared = layout.public_addresses();
    let own: IpAddr = [10, 88, 0, 200].into();
    let lines = shared.iter().chain([&own]);
    let file = lines.fold(String::new(), |text, ip| text + &format!("{ip}/16 eth1\n"));
    layout = layout.with_file(Some(1), "ctdb/public_addresses", &file);
    let cluster = with_check(&layout);
    cluster.wait("its own address answers", || cluster.all_answer(&[own]));
    for _ in 0..3 {
        wait_ok(&cluster, "OK");
        fs::write(switch(&cluster), "").expect("switch");
        cluster.wait("it is unhealthy", || cluster.sees(0, 1, "Unhealthy"));
        cluster.wait("its own address is nobody's", || {
            !cluster.all_answer(&[own])
        });
        mend(&cluster);
    }
    let served = || cluster.sees(0, 1, "Unhealthy") && cluster.all_answer(&[own]);
    let took = cluster.wait("its own address answers though it is unhealthy", served);
    println!(
        "damped: served {:.1} s after the third fall was mended",
        took.as_secs_f64()
    );
    wait_reason(&cluster, "became unhealthy 3 times in ten minutes");
    let elsewhere =
        |owner: Option<&Option<usize>>| owner.copied().flatten().is_some_and(|node| node != 1);
    let owners = cluster.owners(1).expect("the addresses");
    assert_eq!(owners.get(&own), Some(&Some(1)));
    assert!(
        shared.iter().all(|ip| elsewhere(owners.get(ip))),
        "what others may host stays there: {owners:?}"
    );
    fs::write(switch(&cluster), "").expect("switch");
    cluster.wait("not with a check that fails", || {
        !cluster.all_answer(&[own])
    });
    mend(&cluster);
    wait_ok(&cluster, "OK again after a row of good checks");
    cluster.assert_clean();
}

#[test]
fn a_ban_names_its_cause_and_count() {
    let name = "a_ban_names_its_cause_and_count";
    let layout = Layout::new("ban-cause", 3);
    if !have_root(name) || layout.daemon == Daemon::Debian {
        return;
    }
    let cluster = Cluster::up(&layout);
    cluster.ctdb(0, &["-n", "1", "ban", "300"]).ok();
    wait_reason(
        &cluster,
        "(ban 1 since the start): asked by a client of node 0",
    );
    cluster.ctdb(0, &["-n", "1", "unban"]).ok();
    cluster.wait_settled("unbanned");
    cluster.ctdb(1, &["ban", "300"]).ok();
    wait_reason(&cluster, "(ban 2 since the start): asked by a client");
    cluster.ctdb(1, &["unban"]).ok();
    cluster.wait_settled("unbanned again");
    // 4.17's tool waits for ever for a ban that never comes.
    cluster.ctdb(1, &["setvar", "EnableBans", "0"]).ok();
    let refused = cluster.our_ctdb(1, &["ban", "300"]);
    assert!(refused.stderr.contains("EnableBans=1"), "{refused:?}");
    assert!(!cluster.sees(0, 1, "Banned"));
    cluster.assert_clean();
}
