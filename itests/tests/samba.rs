//! Debian's Samba serves one directory on three nodes.

use std::collections::BTreeSet;
use std::time::Duration;

use ctdb_itests::cluster::{Cluster, Whom, have_root, wait_until};
use ctdb_itests::samba::{
    Release, Samba, USER, a_daemon_is_killed, a_node_dies_under_writers, layout,
};
use rustix::process::Signal;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(100);

#[test]
fn three_nodes_serve_one_directory() {
    let name = "three_nodes_serve_one_directory";
    if !have_root(name) {
        return;
    }
    let cluster = Cluster::up(&layout(name));
    let mut samba = Samba::up(&cluster, Release::Installed);
    samba.check_files();
    assert_eq!(samba.failures("smb2.lock"), 0);
    samba.stop_all();
    drop(samba);
    cluster.assert_clean();
}

#[test]
fn sambas_tools_see_the_whole_cluster() {
    let name = "sambas_tools_see_the_whole_cluster";
    if !have_root(name) {
        return;
    }
    let cluster = Cluster::up(&layout(name));
    let mut samba = Samba::up(&cluster, Release::Installed);
    let addresses = samba.addresses();
    // A session on each node, seen on each node.
    let mut sessions: Vec<_> = addresses
        .iter()
        .map(|address| samba.session(*address))
        .collect();
    for node in cluster.nodes() {
        wait_until(LIMIT, "three sessions in smbstatus", || {
            let status = samba.run(node, "smbstatus", &["-b"]).ok();
            status.lines().filter(|line| line.contains(USER)).count() == cluster.nodes().len()
        });
    }
    for session in &mut sessions {
        session.end();
    }
    // What one node writes into a persistent database, all read.
    let key = r"HKLM\SOFTWARE\lab";
    samba.run(1, "net", &["registry", "createkey", key]).ok();
    let value = ["registry", "setvalue", key, "value", "sz", "from node 1"];
    samba.run(1, "net", &value).ok();
    for node in cluster.nodes() {
        let shown = samba
            .run(node, "net", &["registry", "getvalue", key, "value"])
            .ok();
        assert!(shown.contains("from node 1"), "node {node}: {shown}");
        let users = samba.run(node, "pdbedit", &["-L"]).ok();
        assert!(users.contains(USER), "node {node}: {users}");
        // Its exit code says nothing.
        let locks = samba.run(node, "net", &["g_lock", "locks"]).stdout;
        assert!(locks.contains("samba_ve"), "node {node}: {locks}");
    }
    samba
        .run(0, "net", &["g_lock", "do", "lab", "5", "echo held"])
        .ok();
    samba.stop_all();
    drop(samba);
    cluster.assert_clean();
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_a_node_dies() {
    let name = "nothing_that_was_acknowledged_is_lost_when_a_node_dies";
    if !have_root(name) {
        return;
    }
    let cluster = Cluster::up(&layout(name));
    a_node_dies_under_writers(&cluster, Release::Installed);
    cluster.assert_clean();
}

#[test]
fn a_server_starts_anew_with_its_daemon() {
    let name = "a_server_starts_anew_with_its_daemon";
    if !have_root(name) {
        return;
    }
    let cluster = Cluster::up(&layout(name));
    a_daemon_is_killed(&cluster, Release::Installed);
    cluster.assert_clean();
}

/// winbindd knows one domain, whichever node it runs on, and numbers that it gives away are given once.
#[test]
fn winbind_is_one_for_all_nodes() {
    let name = "winbind_is_one_for_all_nodes";
    if !have_root(name) {
        return;
    }
    let cluster = Cluster::up(&layout(name));
    let mut samba = Samba::up(&cluster, Release::Installed);
    for node in cluster.nodes() {
        samba.start_winbind(node);
    }
    let ask = |node: usize, args: &[&str]| samba.run(node, "wbinfo", args).ok().trim().to_owned();
    let same = |args: &[&str]| {
        let mut answers = cluster.nodes().map(|node| ask(node, args));
        let first = answers.next().expect("a node");
        answers.for_each(|answer| assert_eq!(answer, first, "wbinfo {args:?}"));
        first
    };
    assert!(same(&["-p"]).contains("succeeded"));
    assert_eq!(same(&["--own-domain"]), "LABGROUP");
    let named = same(&["-n", USER]);
    let sid = named.strip_suffix(" SID_USER (1)").expect("a user");
    let uid = same(&["-S", sid]);
    assert_eq!(same(&["-U", &uid]), sid);
    assert!(same(&["-s", sid]).contains(USER));
    // The first on each node alone: winbindd 4.17 looks outside of its transaction whether the counter is there yet.
    let give = |node: usize| ask(node, &["--allocate-uid"]);
    let mut numbers: BTreeSet<String> = cluster.nodes().map(give).collect();
    // Then two from each node at once: transactions on the database that all nodes share.
    std::thread::scope(|scope| {
        let threads = cluster
            .nodes()
            .map(|node| scope.spawn(move || [give(node), give(node)]));
        let threads: Vec<_> = threads.collect();
        let given = threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("wbinfo"));
        numbers.extend(given);
    });
    assert_eq!(numbers.len(), 9, "{numbers:?}");
    // One that loses its daemon comes back with it, as an init system has it.
    cluster.kill(2, Whom::All);
    cluster.signal_program(2, "winbindd", Signal::KILL);
    wait_until(LIMIT, "the end of the daemon", || {
        cluster.daemon_pids(2).is_empty()
    });
    cluster.start(2);
    cluster.wait_settled("all nodes OK");
    samba.start_winbind(2);
    assert_eq!(same(&["-n", USER]), named);
    samba.stop_all();
    drop(samba);
    cluster.assert_clean();
}
