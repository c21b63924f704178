//! Three nodes for everybody: on 127.0.0.1 to .3, without namespaces and without root, in the daemon's test mode, in
//! which public addresses are recorded rather than set.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::command::{Output, finish};
use super::layout::Daemon;

/// Interface that the recorded addresses are on.
const INTERFACE: &str = "lo";

/// Nodes as children of this program; they end with it.
#[derive(Debug)]
pub struct Loopback {
    directory: PathBuf,
    daemons: Vec<Option<Child>>,
}

impl Loopback {
    /// Starts `nodes` daemons, at most 200, with two addresses each.
    ///
    /// # Panics
    /// If files or processes cannot be created.
    pub fn start(nodes: usize) -> Self {
        let name = format!("ctdb-loopback-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(directory.join("scratch")).expect("directory");
        let mut this = Self {
            directory,
            daemons: Vec::new(),
        };
        let list = lines((0..nodes).map(|node| address(node).to_string()));
        let numbers = 101..101 + 2 * nodes;
        let public = lines(numbers.map(|number| format!("10.88.0.{number}/16 {INTERFACE}")));
        for node in 0..nodes {
            let base = this.base(node);
            for name in [
                "run",
                "var",
                "log",
                "db/volatile",
                "db/persistent",
                "db/state",
            ] {
                fs::create_dir_all(base.join(name)).expect("directory");
            }
            let conf = format!(
                "[logging]\n location = file:{}\n log level = NOTICE\n[cluster]\n node address = {}\n",
                base.join("log/log.ctdb").display(),
                address(node)
            );
            for (file, text) in [
                ("nodes", &list),
                ("public_addresses", &public),
                ("ctdb.conf", &conf),
            ] {
                fs::write(base.join(file), text).expect("file");
            }
        }
        for node in 0..nodes {
            let daemon = this.spawn(node);
            this.daemons.push(Some(daemon));
        }
        this
    }

    fn spawn(&self, node: usize) -> Child {
        let output = File::create(self.base(node).join("log/output")).expect("file");
        self.with_environment(node, &Daemon::Ours.path())
            .arg("--interactive")
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("file"))
            .stderr(output)
            .spawn()
            .expect("ctdbd runs")
    }

    fn base(&self, node: usize) -> PathBuf {
        self.directory.join(node.to_string())
    }

    fn with_environment(&self, node: usize, program: &Path) -> Command {
        let base = self.base(node);
        let mut command = Command::new(program);
        command
            .env("CTDB_TEST_MODE", "1")
            .env("CTDB_SOCKET", base.join("run/ctdbd.socket"))
            .env("CTDB_BASE", base);
        command
    }

    /// Runs a tool against a node.
    pub fn tool(&self, node: usize, tool: &Path, args: &[&str]) -> Output {
        let shown = format!("ctdb {}", args.join(" "));
        let mut command = self.with_environment(node, tool);
        finish(command.args(args), &self.directory.join("scratch"), &shown)
    }

    /// What a node has written to its log and its terminal.
    pub fn log(&self, node: usize) -> String {
        let read = |name| fs::read(self.base(node).join(name)).unwrap_or_default();
        let bytes = [read("log/log.ctdb"), read("log/output")].concat();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Kills a node, guard and all.
    pub fn kill(&mut self, node: usize) {
        self.end(node, Signal::KILL);
    }

    fn end(&mut self, node: usize, signal: Signal) {
        let Some(mut child) = self.daemons.get_mut(node).and_then(Option::take) else {
            return;
        };
        let worker = fs::read_to_string(self.base(node).join("run/ctdbd.pid"));
        let worker = worker
            .ok()
            .and_then(|text| Pid::from_raw(text.trim().parse().ok()?));
        // The guard first: it would only tidy up behind the worker.
        if signal == Signal::KILL {
            let _ = child.kill();
        }
        if let Some(pid) = worker {
            let _ = kill_process(pid, signal);
        }
        let _ = child.wait();
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        for node in 0..self.daemons.len() {
            self.end(node, Signal::KILL);
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn address(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, (node + 1) as u8)
}

fn lines(list: impl Iterator<Item = String>) -> String {
    list.map(|line| line + "\n").collect::<Vec<_>>().concat()
}
