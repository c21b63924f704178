//! Namespaces without names, each alive as long as its first process.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::programs::program;

/// A set of namespaces.
#[derive(Debug)]
pub(super) struct Namespace {
    /// unshare(1), or the first process itself.
    outer: Child,
    /// Process id of the first process inside, as seen from outside.
    pub(super) pid: u32,
    flags: &'static [&'static str],
}

impl Namespace {
    /// A network namespace.
    pub(super) fn network() -> Self {
        let mut command = Command::new("unshare");
        command
            .args(["--net", "--"])
            .arg(program("probe"))
            .arg("hold");
        Self::start(&mut command, &["-n"])
    }

    /// Network, mount and process namespaces, with `binds` mounted (what, where).
    pub(super) fn node(binds: &[(&Path, &Path)]) -> Self {
        let mut script = String::new();
        for (index, _) in binds.iter().enumerate() {
            let (from, to) = (2 * index + 2, 2 * index + 3);
            let _ = write!(script, "mount --bind \"${{{from}}}\" \"${{{to}}}\" && ");
        }
        script.push_str("exec \"$1\" hold");
        let mut command = Command::new("unshare");
        command.args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ]);
        command
            .args(["--", "sh", "-c", &script, "node"])
            .arg(program("probe"));
        for (from, to) in binds {
            command.arg(from).arg(to);
        }
        Self::start(&mut command, &["-m", "-n", "-p"])
    }

    fn start(command: &mut Command, flags: &'static [&'static str]) -> Self {
        let mut outer = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare(1) runs");
        let mut line = String::new();
        let stdout = outer.stdout.take().expect("a pipe");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("its first process answers");
        assert_eq!(line, "READY\n", "the first process of a namespace");
        let children = format!("/proc/{0}/task/{0}/children", outer.id());
        let forked = flags
            .contains(&"-p")
            .then(|| fs::read_to_string(children).expect("proc"));
        let pid = forked.map_or(outer.id(), |list| list.trim().parse().expect("one child"));
        let namespace = Self { outer, pid, flags };
        namespace.shell("ip link set lo up");
        namespace
    }

    /// A command that runs inside.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg("-t")
            .arg(self.pid.to_string())
            .args(self.flags)
            .arg("--")
            .arg(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CTDB_") {
                command.env_remove(name);
            }
        }
        command.env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        command.current_dir("/");
        command
    }

    /// Runs a shell command inside that must succeed.
    pub(super) fn shell(&self, text: &str) {
        let output = self
            .command("sh")
            .args(["-ec", text])
            .output()
            .expect("nsenter(1) runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}: {stderr}");
    }

    /// Runs a batch for ip(8) inside; faster than one process a line.
    pub(super) fn ip_batch(&self, lines: &str) {
        let mut child = self
            .command("ip")
            .args(["-batch", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("nsenter(1) runs");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(lines.as_bytes()).expect("ip(8) reads");
        drop(input);
        assert!(child.wait().expect("ip(8)").success(), "{lines}");
    }

    /// Identity of its network namespace, nobody else's as long as the file is open.
    pub(super) fn keep_network(&self) -> Option<(String, fs::File)> {
        let file = fs::File::open(format!("/proc/{}/ns/net", self.pid)).ok()?;
        Some((self.network_id()?, file))
    }

    /// Identity of its network namespace.
    pub(super) fn network_id(&self) -> Option<String> {
        network_id(self.pid)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The first process ends with its input, and everything in its process namespace with it.
        drop(self.outer.stdin.take());
        let _ = self.outer.wait();
    }
}

/// Identity of the network namespace of a process.
pub(super) fn network_id(pid: u32) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
    Some(link.to_string_lossy().into_owned())
}
