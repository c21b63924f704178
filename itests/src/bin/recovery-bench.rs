//! What the recovery of many records costs, beside Debian's daemon. Needs root. `recovery-bench [RECORDS]` (1000000);
//! `CTDB_TEST_DAEMON=ours` or `debian` measures one of them only.

use std::process::ExitCode;

use ctdb_itests::cluster::Daemon;
use ctdb_itests::recovery::{Report, measure};

/// The promise for a million records of 100 bytes on three nodes, in seconds.
const PROMISE_S: f64 = 1.5;

fn main() -> ExitCode {
    if !ctdb_itests::cluster::have_root("recovery-bench") {
        return ExitCode::SUCCESS;
    }
    let records = std::env::args().nth(1).unwrap_or_else(|| "1000000".into());
    let word = std::env::var("CTDB_TEST_DAEMON").unwrap_or_default();
    let one = Daemon::named(&word);
    let is_known = one.is_some() || word.is_empty();
    let (Ok(records), true) = (records.parse(), is_known) else {
        eprintln!("usage: [CTDB_TEST_DAEMON=ours|debian] recovery-bench [RECORDS]");
        return ExitCode::FAILURE;
    };
    let report = |daemon| (one.is_none() || one == Some(daemon)).then(|| measure(daemon, records));
    let debian = report(Daemon::Debian);
    let ours = report(Daemon::Ours);
    println!("\n{records} records of 100 bytes on 3 nodes");
    for (name, report) in [("Debian", debian), ("ours", ours)] {
        if let Some(Report {
            held, kept, shown, ..
        }) = report
        {
            println!(
                "{name}: held by the survivors {held}, afterwards {kept}, shown by catdb {shown}"
            );
        }
    }
    print(debian, ours);
    let is_as_promised = |ours: Report| {
        ours.held == ours.kept && ours.kept == ours.shown && ours.kill.recovery_s <= PROMISE_S
    };
    if ours.is_some_and(|ours| !is_as_promised(ours)) {
        eprintln!("recovery-bench: not as promised");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// One line a figure; the ratio says how many times longer Debian's takes.
fn print(debian: Option<Report>, ours: Option<Report>) {
    println!(
        "{:<16} {:<32} {:>9} {:>9} {:>9}",
        "", "seconds", "Debian", "ours", "ratio"
    );
    let known = debian.or(ours).unwrap_or_default().events();
    for (at, (event, cost)) in known.iter().enumerate() {
        for (line, (name, _)) in cost.figures().iter().enumerate() {
            let of = |report: Option<Report>| Some(report?.events()[at].1.figures()[line].1);
            let (debian, ours) = (of(debian), of(ours));
            let ratio = debian.zip(ours).map(|(debian, ours)| debian / ours);
            println!(
                "{:<16} {name:<32} {:>9} {:>9} {:>9}",
                if line == 0 { event } else { "" },
                shown(debian, 3),
                shown(ours, 3),
                shown(ratio, 1)
            );
        }
    }
}

fn shown(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "-".into(), |figure| format!("{figure:.digits$}"))
}
