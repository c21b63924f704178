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

#[test]
fn what_clients_saw_could_have_happened() {
    if !have_root("what_clients_saw_could_have_happened") {
        return;
    }
    let given = std::env::var("CTDB_TEST_SEED");
    let given = given.ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(std::process::id()) << 16);
    let cluster = Cluster::up(&Layout::new("history", 3));
    Run::prepare(&cluster);
    let mut violations = Vec::new();
    for number in 0..runs() {
        let run = Run::new(number, seed);
        let report = run.happen(&cluster);
        println!(
            "run {number}, {:?}: {} done, {} failed, {} unknown, {} lost with their node; \
             transactions: {} acknowledged, {} presumed, {} of them mistaken; {} violations",
            run.fault,
            report.done,
            report.failed,
            report.unknown,
            report.lost,
            report.acknowledged,
            report.presumed,
            report.mistaken,
            report.violations.len()
        );
        assert!(report.done > 0, "nothing was done");
        assert!(report.acknowledged > 0, "no transaction was acknowledged");
        for violation in report.violations {
            println!("run {number}: {violation}");
            violations.push(violation);
        }
    }
    assert!(violations.is_empty(), "CTDB_TEST_SEED={seed}");
    cluster.assert_clean();
}
