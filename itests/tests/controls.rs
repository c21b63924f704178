//! Controls with data that means nothing: our daemon refuses what Debian's refuses, and takes what that takes.

use std::collections::BTreeMap;

use ctdb_itests::cluster::{Cluster, Daemon, Layout, have_root, json_line};
use serde_json::Value;

const SOCKET: &str = "/run/ctdb/ctdbd.socket";
/// None, and numbers of bytes that no control has.
const SIZES: [&str; 3] = ["0", "1", "7"];
/// Controls that are not sent, since they would end what is measured.
const SKIPPED: &[&str] = &[
    // Ends the daemon.
    "SHUTDOWN",
    // Take the node out of the cluster.
    "STOP_NODE",
    "SET_BAN_STATE",
    // Has no data: stops every database until a recovery.
    "FREEZE",
];
/// Where the two differ: control, sizes, reason.
const DIFFERENCES: &[(&str, &[&str], &str)] = &[
    (
        "DB_ATTACH",
        &["0", "1", "7"],
        "4.17 makes a database of what is no name",
    ),
    (
        "START_RECOVERY",
        &["0", "1", "7"],
        "only 4.17's daemons send it to each other",
    ),
    ("END_RECOVERY", &["0", "1", "7"], "the same"),
    ("STARTUP", &["0"], "the same"),
    ("IPREALLOCATED", &["0"], "the same"),
    (
        "RECD_PING",
        &["0"],
        "the same: there is no recovery daemon here",
    ),
];

/// What came of each control: an error, success, or no answer.
fn answers(daemon: Daemon) -> BTreeMap<String, &'static str> {
    let layout = Layout {
        daemon,
        ..Layout::new("controls", 1)
    };
    let cluster = Cluster::up(&layout);
    let words = [&["controls", SOCKET][..], &SIZES, &["--"], SKIPPED].concat();
    let line = json_line(cluster.client(0, &words));
    let answers = line.as_object().expect("an object").iter();
    let answers = answers.map(|(name, status)| (name.clone(), word(status)));
    answers.collect()
}

fn word(status: &Value) -> &'static str {
    match status.as_i64() {
        None => "no answer",
        Some(..0) => "error",
        Some(_) => "success",
    }
}

fn is_known(name: &str) -> bool {
    DIFFERENCES
        .iter()
        .any(|(control, sizes, _)| sizes.iter().any(|size| name == format!("{control} {size}")))
}

#[test]
fn controls_without_a_meaning_are_refused_alike() {
    let name = "controls_without_a_meaning_are_refused_alike";
    if !have_root(name) {
        return;
    }
    if std::env::var_os("CTDB_LONG").is_none() {
        println!("NOT RUN: {name}: Debian's daemon takes long to start (CTDB_LONG=1)");
        return;
    }
    let (debian, ours) = (answers(Daemon::Debian), answers(Daemon::Ours));
    assert!(debian.len() > 300, "{debian:?}");
    let mut wrong = Vec::new();
    for (name, theirs) in &debian {
        let own = ours[name];
        if (own != *theirs) != is_known(name) {
            wrong.push(format!("{name}: Debian {theirs}, ours {own}"));
        }
    }
    println!("{} requests, all answered alike but for", debian.len());
    for (control, sizes, reason) in DIFFERENCES {
        println!("{control} with {} bytes: {reason}", sizes.join(", "));
    }
    assert!(wrong.is_empty(), "not as written:\n{}", wrong.join("\n"));
}
