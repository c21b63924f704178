//! The end of a script that hangs: what its processes do goes into the log, then they are ended.

use super::carry::log_output;
use super::process::{Process, Program};
use crate::log::notice;
use ctdb_protocol::notice::{Level, Notice};
use rustix::process::Signal;
use slog::Logger;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Processes of one script that are described.
const DESCRIBED_MAX: usize = 32;
/// How long the debug script may take; the hung processes live that much longer, beside the checks that follow.
const DEBUG_TIMEOUT: Duration = Duration::from_secs(10);
/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// A hung script.
pub(super) struct Hung {
    pub(super) process: Process,
    pub(super) event: String,
    pub(super) debug_script: Option<PathBuf>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) log: Logger,
}

/// Describes, asks the admin's debug script, and ends the whole group.
pub(super) async fn end(hung: Hung) {
    let group = hung.process.group;
    let described = tokio::task::spawn_blocking(move || describe(group)).await;
    for process in described.unwrap_or_default() {
        notice(&hung.log, &process.notice(&hung.process.name));
    }
    debug(&hung).await;
    let script = hung.process.name.clone();
    notice(&hung.log, &Notice::HungScriptKilled { script, group });
    if hung.process.signal(Signal::TERM) {
        tokio::time::sleep(GRACE).await;
        hung.process.kill();
    }
}

async fn debug(hung: &Hung) {
    let Some(path) = &hung.debug_script else {
        return;
    };
    let started = Process::start(&Program {
        name: "event_debug",
        path,
        args: vec![hung.process.group.to_string(), hung.event.clone()],
        environment: &hung.environment,
    });
    let (process, end) = match started {
        Ok(started) => started,
        Err(error) => {
            let said = format!("{}: {error}", path.display());
            return log_output(&hung.log, Level::Err, "event_debug", Some(said.as_bytes()));
        }
    };
    // It may hang where the script hangs.
    if tokio::time::timeout(DEBUG_TIMEOUT, end).await.is_err() {
        process.kill();
    }
    let output = process.output();
    log_output(&hung.log, Level::Err, "event_debug", output.as_deref());
}

/// One process of the script.
struct Described {
    pid: i32,
    command: String,
    state: String,
    stack: String,
}

impl Described {
    fn notice(self, script: &str) -> Notice {
        Notice::HungScript {
            script: script.to_string(),
            pid: self.pid,
            command: self.command,
            state: self.state,
            stack: self.stack,
        }
    }
}

struct Stat {
    pid: i32,
    parent: i32,
    group: i32,
    command: String,
    state: String,
}

/// The group's processes and their descendants, which may have left it.
fn describe(group: i32) -> Vec<Described> {
    let mut all = stats();
    // A parent mostly has the smaller number; what is missed otherwise comes in the next round.
    all.sort_by_key(|stat| stat.pid);
    let mut wanted = BTreeSet::from([group]);
    for _ in 0..2 {
        for stat in &all {
            if stat.group == group || wanted.contains(&stat.parent) {
                wanted.insert(stat.pid);
            }
        }
    }
    let theirs = all.into_iter().filter(|stat| wanted.contains(&stat.pid));
    theirs.take(DESCRIBED_MAX).map(with_stack).collect()
}

fn stats() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(stat).collect()
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command stands in parentheses and may hold any character.
    let (head, tail) = text.rsplit_once(") ")?;
    let mut fields = tail.split(' ');
    Some(Stat {
        pid,
        command: head.split_once('(')?.1.to_string(),
        state: fields.next()?.to_string(),
        parent: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
    })
}

fn with_stack(stat: Stat) -> Described {
    let pid = stat.pid;
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    // `[<0>] do_wait+0x5f/0xe0`: the function is what tells.
    let stack: Vec<String> = read("stack")
        .lines()
        .filter_map(|line| Some(line.split_once("] ")?.1.to_string()))
        .collect();
    Described {
        pid,
        command: stat.command,
        state: stat.state,
        stack: if stack.is_empty() {
            format!("waits in {}", read("wchan"))
        } else {
            stack.join(" < ")
        },
    }
}
