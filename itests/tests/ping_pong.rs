//! Our `ping_pong` and Debian's pass the locks of one file to each other.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ctdb_itests::cluster::{find, program, wait_until};

const DEBIAN: &str = "/usr/bin/ping_pong";
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long those run that are to print something: several times what they need on an idle machine.
const BUSY: Duration = Duration::from_secs(8);
/// How long one is looked at that must not print anything.
const SILENT: Duration = Duration::from_secs(3);

/// What one of them printed, line by line.
fn lines(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let lines = text.split(['\r', '\n']).map(str::trim);
    lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Runs these at once for so long, each with the same arguments.
fn together(duration: Duration, programs: &[&Path], arguments: &[&str]) -> Vec<Vec<String>> {
    let children: Vec<_> = programs
        .iter()
        .map(|program| {
            let mut command = Command::new("timeout");
            let seconds = duration.as_secs().to_string();
            command.arg(seconds).arg(program).args(arguments);
            command.stdout(Stdio::piped()).spawn().expect("it runs")
        })
        .collect();
    let outputs = children.into_iter();
    outputs
        .map(|child| lines(&child.wait_with_output().expect("its end").stdout))
        .collect()
}

/// The rates it printed.
fn rates(lines: &[String]) -> Vec<u64> {
    let rates = lines
        .iter()
        .filter_map(|line| line.strip_suffix(" locks/sec"));
    rates.map(|rate| rate.parse().expect("a number")).collect()
}

fn increments(lines: &[String]) -> Vec<&str> {
    let increments = lines
        .iter()
        .filter_map(|line| line.strip_prefix("data increment = "));
    increments.collect()
}

/// Our program by the name that it goes by, and a file; nothing if a program is missing.
fn prepare(name: &str) -> Option<(PathBuf, String)> {
    if !Path::new(DEBIAN).exists() || find("ctdb-helper").is_none() {
        println!("NOT RUN: {name}: needs {DEBIAN} and ctdb-helper");
        return None;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a directory");
    let ours = directory.join("ping_pong");
    symlink(program("ctdb-helper"), &ours).expect("a link");
    let file = directory.join("file").to_string_lossy().into_owned();
    Some((ours, file))
}

#[test]
fn ours_and_debians_pass_locks_to_each_other() {
    let Some((ours, file)) = prepare("ours_and_debians_pass_locks_to_each_other") else {
        return;
    };
    let both = together(BUSY, &[Path::new(DEBIAN), &ours], &["-rwc", &file, "3"]);
    for (name, lines) in ["Debian's", "ours"].iter().zip(&both) {
        println!("{name}: {lines:?}");
        let rates = rates(lines);
        assert!(
            !rates.is_empty() && rates.iter().all(|rate| *rate > 0),
            "{name}: {lines:?}"
        );
        // Two processes: each byte grows by one for either.
        assert!(increments(lines).contains(&"2"), "{name}: {lines:?}");
    }
}

#[test]
fn one_alone_sees_its_own_data() {
    let Some((ours, file)) = prepare("one_alone_sees_its_own_data") else {
        return;
    };
    for program in [Path::new(DEBIAN), &ours] {
        let lines = &together(BUSY, &[program], &["-rw", &file, "2"])[0];
        println!("{}: {lines:?}", program.display());
        assert_eq!(increments(lines).last(), Some(&"1"), "{lines:?}");
        let silent = &together(BUSY, &[program], &[&file, "2"])[0];
        assert!(
            increments(silent).is_empty() && !rates(silent).is_empty(),
            "{silent:?}"
        );
    }
    let refused = Command::new(&ours)
        .args([&file, "0"])
        .output()
        .expect("it runs");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
}

/// One that has the lock keeps the other waiting, whichever is first.
#[test]
fn a_held_lock_keeps_the_other_waiting() {
    let Some((ours, file)) = prepare("a_held_lock_keeps_the_other_waiting") else {
        return;
    };
    let debian = Path::new(DEBIAN);
    for (holder, waiter) in [(debian, &*ours), (&ours, debian)] {
        let mut command = Command::new(holder);
        command
            .args(["-l", &file])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut held = command.spawn().expect("it runs");
        // What it says may be kept back, as it goes to a pipe.
        let pid = format!(" {} ", held.id());
        wait_until(LIMIT, "it has the lock", || {
            let locks = fs::read_to_string("/proc/locks").expect("procfs");
            locks.lines().any(|line| line.contains(&pid))
        });
        let waited = &together(SILENT, &[waiter], &[&file, "2"])[0];
        assert!(rates(waited).is_empty(), "{}: {waited:?}", waiter.display());
        drop(held.stdin.take());
        held.wait().expect("its end");
        // It was the lock that kept it waiting.
        let free = &together(BUSY, &[waiter], &[&file, "2"])[0];
        assert!(!rates(free).is_empty(), "{}: {free:?}", waiter.display());
    }
}
