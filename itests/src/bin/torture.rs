//! Samba's `smbtorture` over three nodes on Debian's ctdbd and on ours, test by test. Needs root.
//!
//! `torture [SUITE…]` runs the suites (all of `smb2`) on both and prints a table of the differences.
//! `torture run debian|ours FILE [SUITE…]` appends one line of JSON a suite to a file, and
//! `torture compare DEBIAN-FILE OUR-FILE` prints the table from two of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use ctdb_itests::cluster::{Cluster, Daemon, Layout, have_root};
use ctdb_itests::samba::{Outcome, Release, Samba, Suite, layout, suites};

/// How long a test may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Suites that say nothing about a cluster, and why.
const LEFT_OUT: [(&str, &str); 8] = [
    ("smb2.aio_delay", "needs a module that delays reads"),
    (
        "smb2.change_notify_disabled",
        "needs a server without notify",
    ),
    ("smb2.bench", "measures, has no verdict"),
    ("smb2.scan", "lists what a server knows"),
    ("smb2.hold-oplock", "waits for a person"),
    ("smb2.hold-sharemode", "waits for a person"),
    ("smb2.check-sharemode", "belongs to the one before"),
    ("smb2.maxfid", "opens 65,520 files: a matter of limits"),
];

fn main() -> ExitCode {
    if !have_root("torture") {
        return ExitCode::SUCCESS;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["run", daemon @ ("debian" | "ours"), file, names @ ..] => {
            let daemon = if *daemon == "ours" {
                Daemon::Ours
            } else {
                Daemon::Debian
            };
            let mut file = File::options()
                .create(true)
                .append(true)
                .open(file)
                .expect("the file");
            run(daemon, &chosen(names), |suite| {
                writeln!(file, "{}", suite.to_json()).expect("the file");
            });
        }
        ["compare", debian, ours] => compare(&read(debian), &read(ours)),
        names if names.iter().all(|name| name.starts_with("smb2.")) => {
            let [debian, ours] = [Daemon::Debian, Daemon::Ours].map(|daemon| {
                let mut found = Vec::new();
                run(daemon, &chosen(names), |suite| found.push(suite));
                found
            });
            compare(&debian, &ours);
        }
        _ => {
            eprintln!(
                "usage: torture [SUITE…] | run debian|ours FILE [SUITE…] | compare FILE FILE"
            );
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn chosen(names: &[&str]) -> Vec<String> {
    if names.is_empty() {
        let mut all = suites();
        all.retain(|name| LEFT_OUT.iter().all(|(left_out, _)| left_out != name));
        return all;
    }
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn read(file: &str) -> Vec<Suite> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let suite = |line| Suite::from_json(&serde_json::from_str(line).ok()?);
    text.lines()
        .map(|line| suite(line).unwrap_or_else(|| panic!("{file}: {line}")))
        .collect()
}

/// Runs suites one after the other on one cluster.
fn run(daemon: Daemon, names: &[String], mut done: impl FnMut(Suite)) {
    let layout = Layout {
        daemon,
        ..layout("torture")
    };
    let cluster = Cluster::up(&layout);
    let mut samba = Samba::up(&cluster, Release::Installed);
    for name in names {
        // What one suite leaves shall not trouble the next one.
        for entry in fs::read_dir(samba.share()).expect("the share").flatten() {
            let path = entry.path();
            let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
        }
        let addresses = samba.addresses();
        let suite = samba.torture_each(name, &addresses, LIMIT);
        println!("{daemon:?} {}", counts(&suite));
        if std::env::var_os("CTDB_TEST_VERBOSE").is_some() {
            println!("{}", suite.text);
        }
        done(suite);
        for node in cluster.nodes() {
            samba.wait_serving(node);
        }
    }
    for node in cluster.nodes() {
        println!(
            "{daemon:?} node {node}: smbd ended {} times",
            samba.exits(node)
        );
    }
    samba.stop_all();
    drop(samba);
    cluster.assert_clean();
}

fn counts(suite: &Suite) -> String {
    let outcomes = [
        Outcome::Success,
        Outcome::Failure,
        Outcome::Error,
        Outcome::Skip,
        Outcome::Unfinished,
    ];
    let counts = outcomes.map(|outcome| format!("{} {}", suite.count(outcome), outcome.word()));
    format!(
        "{}: {} in {:.1} s",
        suite.name,
        counts.join(", "),
        suite.took.as_secs_f64()
    )
}

/// A table of suites, then one of the tests that ended differently.
fn compare(debian: &[Suite], ours: &[Suite]) {
    println!(
        "| suite | tests | pass | fail | skip | the same on both |\n|---|---|---|---|---|---|"
    );
    let by_name: BTreeMap<&str, &Suite> = ours
        .iter()
        .map(|suite| (suite.name.as_str(), suite))
        .collect();
    let mut differences = String::new();
    let (mut tests, mut same) = (0, 0);
    for suite in debian {
        let Some(other) = by_name.get(suite.name.as_str()) else {
            println!(
                "| {} | {} | | | | not run on ours |",
                suite.name,
                suite.tests.len()
            );
            continue;
        };
        let names: BTreeSet<&String> = suite.tests.keys().chain(other.tests.keys()).collect();
        let mut equal = 0;
        for name in &names {
            let [a, b] =
                [suite, other].map(|suite| suite.tests.get(*name).map_or("absent", |o| o.word()));
            if a == b {
                equal += 1;
            } else {
                let _ = writeln!(differences, "| {name} | {a} | {b} |");
            }
        }
        let column = |outcome: &[Outcome]| {
            let [a, b] = [suite, other].map(|s| outcome.iter().map(|o| s.count(*o)).sum::<usize>());
            if a == b {
                a.to_string()
            } else {
                format!("{a} / {b}")
            }
        };
        let failed = column(&[Outcome::Failure, Outcome::Error, Outcome::Unfinished]);
        let (pass, skip) = (column(&[Outcome::Success]), column(&[Outcome::Skip]));
        println!(
            "| {} | {} | {pass} | {failed} | {skip} | {equal} |",
            suite.name,
            names.len()
        );
        tests += names.len();
        same += equal;
    }
    println!(
        "\n{same} of {tests} tests end in the same way.\n\n| test | Debian's ctdbd | ours |\n|---|---|---|\n{differences}"
    );
}
