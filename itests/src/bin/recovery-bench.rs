//! What the recovery of many records costs, beside Debian's daemon. Needs root. `recovery-bench [RECORDS]` (1000000);
//! `CTDB_TEST_DAEMON=ours` or `debian` measures one of them only.

use std::process::ExitCode;

use ctdb_itests::cluster::Daemon;
use ctdb_itests::recovery::{Cost, Report, measure};

/// The promise for a million records of 100 bytes on three nodes, in seconds.
const PROMISE_S: f64 = 1.5;

fn main() -> ExitCode {
    if !ctdb_itests::cluster::have_root("recovery-bench") {
        return ExitCode::SUCCESS;
    }
    let records = std::env::args().nth(1).unwrap_or_else(|| "1000000".into());
    let Ok(records) = records.parse() else {
        eprintln!("usage: recovery-bench [RECORDS]");
        return ExitCode::FAILURE;
    };
    let mut code = ExitCode::SUCCESS;
    let one = std::env::var("CTDB_TEST_DAEMON").unwrap_or_default();
    for (name, daemon) in [("ours", Daemon::Ours), ("debian", Daemon::Debian)] {
        if !one.is_empty() && one != name {
            continue;
        }
        let report = measure(daemon, records);
        print(name, records, &report);
        let is_exact = report.held == report.kept && report.kept == report.shown;
        if daemon == Daemon::Ours && !(is_exact && report.kill.recovery_s <= PROMISE_S) {
            eprintln!("recovery-bench: not as promised");
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn print(name: &str, records: u64, report: &Report) {
    println!("\n== {name}: {records} records of 100 bytes on 3 nodes");
    println!(
        "held by the survivors {}, afterwards {}, shown by catdb {}",
        report.held, report.kept, report.shown
    );
    println!(
        "{:<22} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "seconds", "recovery", "big", "big local", "other", "o. local"
    );
    for (what, cost) in [
        ("one node killed", report.kill),
        ("it comes back", report.join),
        ("ctdb recover", report.recover),
    ] {
        let Cost {
            recovery_s,
            big_s,
            big_local_s,
            small_s,
            small_local_s,
        } = cost;
        println!(
            "{what:<22} {recovery_s:>10.3} {big_s:>10.3} {big_local_s:>10.3} {small_s:>10.3} {small_local_s:>10.3}"
        );
    }
}
