//! Why a node is not OK is said to whoever asks; a node that flaps is damped; both can be steered while it runs.

use ctdb_itests::cluster::{Cluster, Daemon, Layout, have_root, wait_until};
use std::fs;
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

#[test]
fn the_reason_is_said_and_a_flapping_node_is_damped() {
    let name = "the_reason_is_said_and_a_flapping_node_is_damped";
    let layout = Layout::new("health", 3);
    if !have_root(name) || layout.daemon == Daemon::Debian {
        return;
    }
    let cluster = Cluster::build(&layout);
    let check =
        "[ \"$1\" = monitor ] && [ -e /run/ctdb/broken ] || exit 0\necho the disk is gone\nexit 1";
    cluster.put_script(1, "60.disk", check);
    cluster.start_all();
    cluster.wait_settled("all OK");
    assert!(reasons(&cluster).is_empty(), "{:?}", reasons(&cluster));
    // The next check would come after up to 15 s otherwise.
    for node in cluster.nodes() {
        cluster.ctdb(node, &["setvar", "MonitorInterval", "1"]).ok();
    }
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
