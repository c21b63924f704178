//! Debian's unmodified `ctdb` tool prints the same against our socket as against Debian's ctdbd.
//!
//! `tests/shapes/tool.txt` was recorded against Debian's ctdbd 4.17.12 (`CTDB_TEST_DAEMON=debian
//! CTDB_TEST_RECORD=1`), numbers normalised: times, counters, generations and who got which address differ from run
//! to run. Where numbers must agree they are kept.

use std::fmt::Write;
use std::fs;

use ctdb_itests::cluster::{Cluster, Daemon, Layout, find, have_root};

const SHAPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shapes/tool.txt");

/// Commands on node 0 in this order; true: numbers count.
const COMMANDS: &[(&str, bool)] = &[
    ("status", false),
    ("-X status", true),
    ("-Y status", true),
    ("nodestatus", true),
    ("nodestatus all", true),
    ("-X nodestatus all", true),
    ("nodestatus 1,2", true),
    ("nodestatus 7", true),
    ("pnn", true),
    ("-n 1 pnn", true),
    ("-n 1 runstate", true),
    ("listnodes", true),
    ("-X listnodes", true),
    ("runstate", true),
    ("getcapabilities", true),
    ("-X getcapabilities", true),
    ("ip", false),
    ("ip all", false),
    ("-v ip", false),
    ("-X ip", false),
    ("-X -v ip all", false),
    ("ping", false),
    ("-n 1 ping", false),
    ("-n all ping", false),
    ("uptime", false),
    ("-n 1 uptime", false),
    ("listvars", false),
    ("getvar NoSuchVariable", true),
    ("setvar MonitorInterval 14", true),
    ("getvar MonitorInterval", true),
    ("attach shape.tdb", true),
    ("writekey shape.tdb key value", true),
    ("readkey shape.tdb key", true),
    ("readkey shape.tdb absent", true),
    ("catdb shape.tdb", false),
    ("getdbmap", false),
    ("-X getdbmap", false),
    ("catdb nosuch.tdb", true),
    ("disable", true),
    ("disable", true),
    ("nodestatus", true),
    ("-X status", true),
    ("enable", true),
    ("enable", true),
    ("nodestatus all", true),
    ("nosuchcommand", true),
];

/// Names of days and months, and every number where they do not count.
fn normalise(text: &str, numbers_count: bool) -> String {
    let mut out = String::new();
    for line in text.lines() {
        if numbers_count {
            let _ = writeln!(out, "{line}");
            continue;
        }
        // Debian's 00.ctdb script keeps tunables in a persistent database; ours needs neither.
        if line.contains("ctdb.tdb") {
            continue;
        }
        let words: Vec<String> = line.split_whitespace().map(normal_word).collect();
        // Which addresses are active here is the allocation's business.
        let line = words.join(" ").replace("active[]", "active[ethN]");
        let line = line.replace("||ethN|ethN|", "|ethN|ethN|ethN|");
        let _ = writeln!(out, "{line}");
    }
    out
}

fn normal_word(word: &str) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    if DAYS.contains(&word) {
        return "DAY".into();
    }
    if MONTHS.contains(&word) {
        return "MONTH".into();
    }
    // A number is a run of hexadecimal digits that begins with a decimal one, with points and a sign.
    let mut out = String::new();
    let mut in_number = false;
    for c in word.chars() {
        let goes_on = in_number && (c.is_ascii_hexdigit() || c == '.' || c == 'x');
        if c.is_ascii_digit() || goes_on {
            if !in_number {
                if out.ends_with('-') {
                    out.pop();
                }
                out.push('N');
            }
            in_number = true;
        } else {
            in_number = false;
            out.push(c);
        }
    }
    out
}

/// All commands and what they print.
fn transcript(cluster: &Cluster) -> String {
    let mut text = String::new();
    for (command, numbers_count) in COMMANDS {
        let args: Vec<&str> = command.split(' ').collect();
        let output = cluster.ctdb(0, &args);
        let _ = writeln!(text, "$ ctdb {command}");
        text += &normalise(&output.stdout, *numbers_count);
        text += &normalise(&output.stderr, false);
        if output.code != Some(0) {
            let _ = writeln!(text, "exit {:?}", output.code);
        }
    }
    text
}

/// Splits a transcript into (command, answer).
fn answers(text: &str) -> Vec<(&str, &str)> {
    let parts = text.split("$ ctdb ").skip(1);
    parts
        .map(|part| part.split_once('\n').unwrap_or((part, "")))
        .collect()
}

#[test]
fn debians_tool_prints_what_it_prints_against_debians_daemon() {
    if !have_root("debians_tool_prints_what_it_prints_against_debians_daemon") {
        return;
    }
    let cluster = Cluster::up(&Layout::new("tool", 3));
    let seen = transcript(&cluster);
    if std::env::var_os("CTDB_TEST_RECORD").is_some() {
        fs::write(SHAPES, &seen).expect("tests/shapes");
    }
    let recorded = fs::read_to_string(SHAPES).expect("tests/shapes/tool.txt");
    let (seen, recorded) = (answers(&seen), answers(&recorded));
    assert_eq!(
        seen.len(),
        recorded.len(),
        "record anew: the list of commands has changed"
    );
    let mut different = 0;
    for (seen, recorded) in seen.iter().zip(&recorded) {
        if seen != recorded {
            different += 1;
            println!("--- ctdb {}: Debian's ctdbd", recorded.0);
            print!("{}", recorded.1);
            println!("--- ctdb {}: ours", seen.0);
            print!("{}", seen.1);
        }
    }
    assert_eq!(
        different,
        0,
        "of {} commands print something else",
        seen.len()
    );
    cluster.assert_clean();
}

/// Where the two tools must agree to the letter on one cluster; the documented additions of ours stand elsewhere.
#[test]
fn our_tool_prints_what_debians_prints() {
    const SAME: &[&str] = &[
        "-X status",
        "nodestatus",
        "nodestatus all",
        "-X nodestatus all",
        "pnn",
        "-n 1 runstate",
        "listnodes",
        "-X listnodes",
        "runstate",
        "leader",
        "ip",
        "ip all",
        "-X ip",
        "-X ip all",
        "listvars",
        "getvar MonitorInterval",
        "readkey shape.tdb key",
        "catdb shape.tdb",
        "getdbmap",
        "-X getdbmap",
    ];
    let name = "our_tool_prints_what_debians_prints";
    if !have_root(name) {
        return;
    }
    if find("ctdb").is_none() || Daemon::from_env() == Daemon::Debian {
        println!("NOT RUN: {name}: needs our tool and our daemon");
        return;
    }
    let cluster = Cluster::up(&Layout::new("tools", 3));
    cluster.attach(0, &["shape.tdb"]);
    cluster
        .ctdb(0, &["writekey", "shape.tdb", "key", "value"])
        .ok();
    // A record that has migrated carries a flag.
    cluster.ctdb(1, &["readkey", "shape.tdb", "key"]).ok();
    cluster.ctdb(0, &["readkey", "shape.tdb", "key"]).ok();
    let mut different = 0;
    for command in SAME {
        let args: Vec<&str> = command.split(' ').collect();
        let (ours, debian) = (cluster.our_ctdb(0, &args), cluster.ctdb(0, &args));
        if (ours.code, &ours.stdout) != (debian.code, &debian.stdout) {
            different += 1;
            println!(
                "--- ctdb {command}: Debian's tool, exit {:?}\n{}",
                debian.code, debian.stdout
            );
            println!(
                "--- ctdb {command}: ours, exit {:?}\n{}{}",
                ours.code, ours.stdout, ours.stderr
            );
        }
    }
    assert_eq!(
        different,
        0,
        "of {} commands print something else",
        SAME.len()
    );
    cluster.assert_clean();
}

#[test]
fn numbers_and_dates_are_normalised() {
    let text = "Generation:1469537358\n10.88.0.101 -1\nresponse from 0 time=0.000050 sec  (1 clients)\n\
                Start : (000 00:00:20) Sat Nov 21\n";
    let expected = "Generation:N\nN N\nresponse from N time=N sec (N clients)\nStart : (N N:N:N) DAY MONTH N\n";
    assert_eq!(normalise(text, false), expected);
    assert_eq!(normalise("pnn:1   OK", true), "pnn:1   OK\n");
}
