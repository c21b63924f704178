//! What an admin does to a node, seen from the other nodes.

use ctdb_itests::cluster::{Cluster, Layout, have_root, wait_until};

/// Waits until all others see (or no longer see) a flag.
fn seen(cluster: &Cluster, node: usize, flag: &str, set: bool) {
    let what = format!("{flag} of node {node} is {set} everywhere");
    wait_until(cluster.layout().daemon.patience(), &what, || {
        cluster.nodes().all(|other| {
            let status = cluster.status(other);
            status.is_some_and(|list| {
                list.iter()
                    .any(|seen| seen.pnn == node && seen.has(flag) == set)
            })
        })
    });
}

/// Whether a node holds an address, as node 0 sees it.
fn holds(cluster: &Cluster, node: usize) -> bool {
    let owners = cluster.owners(0);
    owners.is_some_and(|owners| owners.values().any(|owner| *owner == Some(node)))
}

/// A command that takes a node out of service and one that brings it back.
fn out_and_back(cluster: &Cluster, out: &[&str], flag: &str, back: &str) {
    let patience = cluster.layout().daemon.patience();
    println!("{out:?} … {back}");
    cluster.ctdb(1, out).ok();
    seen(cluster, 1, flag, true);
    wait_until(patience, "its addresses have moved", || !holds(cluster, 1));
    assert!(cluster.ctdb(1, out).success(), "again: nothing to do");
    cluster.ctdb(1, &[back]).ok();
    seen(cluster, 1, flag, false);
    cluster.wait_settled("all OK again");
    wait_until(patience, "it holds addresses again", || holds(cluster, 1));
}

#[test]
fn a_node_is_taken_out_and_brought_back() {
    if !have_root("a_node_is_taken_out_and_brought_back") {
        return;
    }
    let cluster = Cluster::up(&Layout::new("admin", 3));
    out_and_back(&cluster, &["disable"], "Disabled", "enable");
    out_and_back(&cluster, &["stop"], "Stopped", "continue");
    out_and_back(&cluster, &["ban", "300"], "Banned", "unban");
    cluster.assert_clean();
}

#[test]
fn commands_reach_other_nodes() {
    if !have_root("commands_reach_other_nodes") {
        return;
    }
    let cluster = Cluster::up(&Layout::new("admin-n", 3));
    cluster.ctdb(0, &["-n", "2", "disable"]).ok();
    seen(&cluster, 2, "Disabled", true);
    cluster.ctdb(1, &["-n", "2", "enable"]).ok();
    seen(&cluster, 2, "Disabled", false);
    cluster.wait_settled("all OK again");
    for node in cluster.nodes() {
        let number = node.to_string();
        let uptime = cluster.ctdb(0, &["-n", &number, "uptime"]).ok();
        let first = format!("Current time of node {node} ");
        assert!(uptime.starts_with(&first), "{uptime}");
    }
    cluster.assert_clean();
}

/// A new generation, everywhere the same.
fn generation(cluster: &Cluster, node: usize) -> Option<String> {
    let status = cluster.ctdb(node, &["status"]).stdout;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Generation:"))?;
    line.parse::<u32>().ok().map(|_| line.to_owned())
}

#[test]
fn a_recovery_on_demand_changes_the_generation() {
    if !have_root("a_recovery_on_demand_changes_the_generation") {
        return;
    }
    let cluster = Cluster::up(&Layout::new("recover", 3));
    let before = generation(&cluster, 0).expect("a generation");
    cluster.ctdb(1, &["recover"]).ok();
    wait_until(
        cluster.layout().daemon.patience(),
        "a new generation everywhere",
        || {
            let all: Vec<_> = cluster
                .nodes()
                .map(|node| generation(&cluster, node))
                .collect();
            all[0].is_some()
                && all[0].as_deref() != Some(&*before)
                && all.iter().all(|one| *one == all[0])
        },
    );
    cluster.ctdb(2, &["ipreallocate"]).ok();
    cluster.wait_settled("all OK after it");
    cluster.assert_clean();
}

#[test]
fn a_shutdown_is_seen_and_undone_by_a_start() {
    if !have_root("a_shutdown_is_seen_and_undone_by_a_start") {
        return;
    }
    let cluster = Cluster::up(&Layout::new("shutdown", 3));
    let addresses = cluster.layout().public_addresses();
    let patience = cluster.layout().daemon.patience();
    let watch = cluster.watch();
    cluster.stop(2);
    wait_until(patience, "the others see it", || {
        [0, 1]
            .iter()
            .all(|node| cluster.sees(*node, 2, "Disconnected"))
    });
    wait_until(patience, "every address answers", || {
        cluster.settled_among(&[0, 1]) && cluster.all_answer(&addresses)
    });
    let seen = watch.end();
    println!(
        "shutdown: gap {:?} s (promised: 0.1 s), dual {:.3}",
        seen.longest_gap_s(),
        seen.dual.longest_s
    );
    assert_eq!(seen.silent(), Vec::<std::net::IpAddr>::new());
    cluster.start(2);
    cluster.wait_settled("all OK after its return");
    cluster.assert_clean();
}

/// A node that hangs is lost, and back when it goes on: nobody is banned for it.
#[test]
fn a_node_that_hangs_is_not_banned() {
    if !have_root("a_node_that_hangs_is_not_banned") {
        return;
    }
    let cluster = Cluster::up(&Layout::new("hangs", 3));
    let patience = cluster.layout().daemon.patience();
    for _ in 0..4 {
        assert!(cluster.pause(2) > 0);
        wait_until(patience, "the others see it", || {
            cluster.sees(0, 2, "Disconnected") && cluster.settled_among(&[0, 1])
        });
        cluster.ctdb(0, &["recover"]).ok();
        assert!(cluster.resume(2) > 0);
        cluster.wait_settled("all OK after it");
    }
    for node in cluster.nodes() {
        let log = cluster.log(node);
        assert!(!log.contains("[ban.banned"), "node {node}: {log}");
        assert!(
            log.contains("[daemon.runstate"),
            "records have their names: {log}"
        );
    }
    cluster.assert_clean();
}
