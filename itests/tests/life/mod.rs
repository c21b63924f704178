//! A private directory with a `life_daemon` in it, and a look at processes through `/proc`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Long enough for the slowest machine: reaching it is a failure, not a measurement.
const PATIENCE: Duration = Duration::from_secs(30);

/// One test's directory; what still runs in it is killed when dropped.
pub(crate) struct Life {
    directory: PathBuf,
}

impl Life {
    pub(crate) fn new(name: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("ctdb-life-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Self { directory }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.directory.join("run/ctdbd.pid")
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        fs::write(self.directory.join(name), text).unwrap();
    }

    pub(crate) fn journal(&self) -> String {
        fs::read_to_string(self.directory.join("journal")).unwrap_or_default()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_life_daemon"));
        command
            .env("LIFE_DIR", &self.directory)
            .env_remove("CTDB_TEST_MODE");
        command
    }

    /// Starts in the background; `output` also proves that nobody keeps the caller's pipes open.
    pub(crate) fn start(&self) -> Output {
        self.command().output().unwrap()
    }

    pub(crate) fn worker(&self) -> u32 {
        let text = fs::read_to_string(self.pid_file()).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    pub(crate) fn guard(&self) -> u32 {
        parent(self.worker())
    }

    /// Processes of this directory whose arguments say that they are guards.
    pub(crate) fn guards(&self) -> Vec<u32> {
        let is_guard = |pid: &u32| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.contains("--internal-role=guard")
        };
        self.processes().into_iter().filter(is_guard).collect()
    }

    /// All live processes that have this directory in their environment.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let variable = format!("LIFE_DIR={}\0", self.directory.display());
        let has_it = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            comm(*pid) == "ctdbd" && String::from_utf8_lossy(&environment).contains(&variable)
        };
        pids().into_iter().filter(has_it).collect()
    }

    pub(crate) fn stop(&self) {
        send(self.worker(), Signal::TERM);
        wait_until("the end", || self.processes().is_empty());
        assert!(!self.pid_file().exists());
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        for pid in self.processes() {
            let _ = kill_process(process(pid), Signal::KILL);
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Fields of `/proc/PID/stat` behind the name: state, parent, group, session, …
fn stat(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind = text.rsplit(')').next().unwrap_or_default();
    behind.split_whitespace().map(str::to_owned).collect()
}

fn parent(pid: u32) -> u32 {
    stat(pid)
        .get(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

pub(crate) fn session(pid: u32) -> String {
    stat(pid).get(3).cloned().unwrap_or_default()
}

pub(crate) fn children(pid: u32) -> Vec<u32> {
    pids()
        .into_iter()
        .filter(|child| parent(*child) == pid)
        .collect()
}

pub(crate) fn comm(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

pub(crate) fn alive(pid: u32) -> bool {
    stat(pid).first().is_some_and(|state| state != "Z")
}

pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .expect("a process");
    kill_process(pid, signal).unwrap();
}

fn process(pid: u32) -> Pid {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .expect("a process")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
