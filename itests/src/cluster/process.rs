//! The processes of a node, seen from outside.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::namespace::network_id;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    /// Process id outside.
    pub(super) pid: u32,
    /// Process id inside its namespace.
    pub(super) inner: u32,
    /// Name of its program file.
    pub(super) program: String,
}

impl Process {
    /// Sends a signal; one that has ended meanwhile is no error.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// All processes in a network namespace, zombies left out.
pub(super) fn processes(network: &str) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| network_id(*pid).as_deref() == Some(network))
        .filter_map(describe)
        .collect()
}

fn describe(pid: u32) -> Option<Process> {
    let file = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let name = file.file_name()?.to_str()?;
    // The suffix is the kernel's, after a rebuild of the program.
    let program = name.trim_end_matches(" (deleted)").to_owned();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let ids = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    let inner = ids.split_whitespace().last()?.parse().ok()?;
    Some(Process {
        pid,
        inner,
        program,
    })
}
