//! Histories of clients while nodes fail: what they saw could have happened one after the other, and what is lost is
//! what `docs/differences.md` says.

use ctdb_itests::cluster::{Cluster, Layout, have_root};
use ctdb_itests::history::{Fault, Run};

/// One of each fault; the specification's number with `CTDB_LONG`.
fn runs() -> u64 {
    if std::env::var_os("CTDB_LONG").is_some() {
        210
    } else {
        Fault::ALL.len() as u64
    }
}

/// The next runs would leave nothing of what the daemons said in this one.
fn keep_logs(cluster: &Cluster, number: u64) {
    for node in cluster.nodes() {
        let path = std::env::temp_dir().join(format!("history-run{number}-node{node}.log"));
        if std::fs::write(&path, cluster.log(node)).is_ok() {
            println!("run {number}: log of node {node} is in {}", path.display());
        }
    }
}

/// `CTDB_TEST_SEED` sets where the choices begin, `CTDB_TEST_FAULT` (as `Pause`) what happens in each run.
#[test]
fn what_clients_saw_could_have_happened() {
    if !have_root("what_clients_saw_could_have_happened") {
        return;
    }
    let given = std::env::var("CTDB_TEST_SEED");
    let given = given.ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(std::process::id()) << 16);
    let only = std::env::var("CTDB_TEST_FAULT");
    let only = only.ok().map(|name| Fault::named(&name).expect("a fault"));
    let cluster = Cluster::up(&Layout::new("history", 3));
    Run::prepare(&cluster);
    let (mut violations, mut unplanned) = (Vec::new(), 0);
    for number in 0..runs() {
        let mut run = Run::new(number, seed);
        run.fault = only.unwrap_or(run.fault);
        let report = run.happen(&cluster);
        println!(
            "run {number}, {:?}: {} done, {} failed, {} unknown, {} lost with their node; \
             {} nodes failed unplanned; transactions: {} acknowledged, {} presumed, {} of them mistaken; {} violations",
            run.fault,
            report.done,
            report.failed,
            report.unknown,
            report.lost,
            report.unplanned,
            report.acknowledged,
            report.presumed,
            report.mistaken,
            report.violations.len()
        );
        unplanned += report.unplanned;
        assert!(report.done > 0, "nothing was done");
        assert!(report.acknowledged > 0, "no transaction was acknowledged");
        if !report.violations.is_empty() {
            keep_logs(&cluster, number);
        }
        for violation in report.violations {
            println!("run {number}: {violation}");
            violations.push(violation);
        }
    }
    println!(
        "{} runs, {} violations, {unplanned} nodes failed unplanned",
        runs(),
        violations.len()
    );
    assert!(violations.is_empty(), "CTDB_TEST_SEED={seed}");
    cluster.assert_clean();
}
