//! The life of one real daemon on a node: PID file, guard, orderly end, init script.

use std::fs;

use ctdb_itests::cluster::{Cluster, Daemon, Layout, Whom, have_root, wait_until};
use rustix::process::Signal;

const INIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/init/ctdb");

/// A cluster of two of ours; `None` where this test cannot run.
fn up(name: &str) -> Option<Cluster> {
    if Daemon::from_env() == Daemon::Debian {
        println!("NOT RUN: {name}: about our own daemon");
        return None;
    }
    have_root(name).then(|| Cluster::up(&Layout::new(name, 2)))
}

#[test]
fn the_pid_file_names_the_worker_and_the_guard_restarts_it() {
    let Some(cluster) = up("the_pid_file_names_the_worker_and_the_guard_restarts_it") else {
        return;
    };
    let worker = cluster.worker(1).expect("a PID file");
    assert!(cluster.daemon_pids(1).contains(&worker));
    let told = cluster.ctdb(1, &["getpid"]).ok();
    assert_eq!(
        told.trim(),
        worker.to_string(),
        "the socket names the worker"
    );
    assert_eq!(cluster.kill(1, Whom::Worker), 1);
    wait_until(cluster.layout().daemon.patience(), "another worker", || {
        cluster.worker(1).is_some_and(|now| now != worker)
    });
    cluster.wait_settled("all OK with the new worker");
    cluster.assert_clean();
}

#[test]
fn limits_that_the_admin_names_are_the_workers() {
    let name = "limits_that_the_admin_names_are_the_workers";
    if Daemon::from_env() == Daemon::Debian || !have_root(name) {
        println!("NOT RUN: {name}: root, and our own daemon");
        return;
    }
    let variables = "CTDB_MAX_OPEN_FILES=5000\nCTDB_SUPPRESS_COREFILE=yes\n";
    let layout = Layout::new(name, 1).with_file(None, "default/ctdb", variables);
    let cluster = Cluster::up(&layout);
    let limits = cluster
        .run(
            0,
            &[
                "cat",
                &format!("/proc/{}/limits", cluster.worker(0).expect("a PID file")),
            ],
        )
        .ok();
    let row = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line[name.len()..].split_whitespace().next())
            .map(str::to_owned)
    };
    assert_eq!(row("Max open files").as_deref(), Some("5000"), "{limits}");
    assert_eq!(row("Max core file size").as_deref(), Some("0"), "{limits}");
    cluster.assert_clean();
}

#[test]
fn a_sigterm_is_an_orderly_shutdown() {
    let Some(cluster) = up("a_sigterm_is_an_orderly_shutdown") else {
        return;
    };
    assert_eq!(cluster.signal(1, Whom::Worker, Signal::TERM), 1);
    wait_until(
        cluster.layout().daemon.patience(),
        "no process is left",
        || cluster.daemon_pids(1).is_empty(),
    );
    let held = cluster
        .run(1, &["ip", "-o", "addr", "show", "dev", "eth1"])
        .ok();
    assert!(!held.contains(" 10.88."), "addresses are left: {held}");
    let rules = cluster.run(1, &["nft", "list", "ruleset"]).ok();
    assert!(rules.trim().is_empty(), "rules are left: {rules}");
    assert!(
        !cluster.directory().join("1/run/ctdb/ctdbd.pid").exists(),
        "PID file"
    );
    cluster.assert_clean();
}

#[test]
fn the_init_script() {
    let Some(cluster) = up("the_init_script") else {
        return;
    };
    let patience = cluster.layout().daemon.patience();
    let script = cluster.directory().join("shared/ctdb");
    fs::copy(INIT, &script).expect("conf/init/ctdb");
    let daemon = format!("CTDBD={}", Daemon::Ours.path().display());
    let init =
        |word: &str| cluster.run(1, &["env", &daemon, "sh", &script.to_string_lossy(), word]);
    assert!(init("status").success());
    let worker = cluster.worker(1);
    assert!(init("start").success(), "already runs");
    assert_eq!(cluster.worker(1), worker);
    init("restart").ok();
    assert_ne!(cluster.worker(1), worker);
    cluster.wait_settled("all OK after restart");
    assert!(init("reload").success() && init("force-reload").success());
    wait_until(patience, "it runs", || init("status").success());
    init("stop").ok();
    assert!(cluster.daemon_pids(1).is_empty());
    assert_eq!(init("status").code, Some(3));
    for word in ["condrestart", "try-restart"] {
        assert!(init(word).success(), "{word} of a stopped one does nothing");
        assert!(cluster.daemon_pids(1).is_empty(), "{word}");
    }
    init("cron").ok();
    wait_until(patience, "cron starts it", || init("status").success());
    cluster.wait_settled("all OK at the end");
    cluster.assert_clean();
}
