//! Clients of plain TCP, and servers for them on the nodes.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test program uses its own part of this"
)]

use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use ctdb_itests::cluster::{Cluster, have_root};
use rustix::process::{Pid, Signal, kill_process};

/// A port that nothing else uses.
pub const PORT: &str = "4450";
/// Accepts connections on all addresses, and keeps them.
const SERVER: &str = "
import socket, sys
s = socket.socket(socket.AF_INET6)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', int(sys.argv[1])))
s.listen(16)
print('ready', flush=True)
kept = []
while True:
    kept.append(s.accept())
";
/// Waits for the end of a connection, connects again, and tells when that was.
pub const CLIENT: &str = "
import socket, sys, time
at = (sys.argv[1], int(sys.argv[2]))
s = socket.create_connection(at)
print('%s:%d' % s.getsockname()[:2], flush=True)
try:
    s.recv(1)
    print('closed', time.time(), flush=True)
except ConnectionResetError:
    print('reset', time.time(), flush=True)
s = socket.create_connection(at, 10)
print('connected', time.time(), flush=True)
";

/// Killed at the end of the test.
pub struct Program {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Program {
    pub fn start(mut command: std::process::Command, args: &[&str]) -> Self {
        command.args(args).stdout(Stdio::piped());
        let mut child = command.spawn().expect("nsenter(1) runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, lines }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// What it prints up to the line that holds all these signs.
    pub fn lines_until(&mut self, signs: &[&str]) -> String {
        let mut text = String::new();
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "ended before {signs:?}:\n{text}");
            text.push_str(&line);
            text.push('\n');
            if signs.iter().all(|sign| line.contains(sign)) {
                return text;
            }
        }
    }

    /// Ends it; what it has printed since the last line that was read.
    pub fn end(mut self) -> String {
        let _ = self.child.kill();
        let mut text = String::new();
        self.lines.read_to_string(&mut text).expect("lines");
        text
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock").as_secs_f64()
}

/// The number behind the word that the line must begin with.
pub fn time_of(line: &str, word: &str) -> f64 {
    let rest = line.strip_prefix(word);
    let rest = rest.unwrap_or_else(|| panic!("no {word:?} but {line:?}"));
    rest.trim().parse().expect("a time")
}

pub fn owner(cluster: &Cluster, at: usize, address: IpAddr) -> Option<usize> {
    let owners = cluster.owners(at);
    owners.and_then(|owners| owners.get(&address).copied().flatten())
}

/// Starts a server on every node.
pub fn servers(cluster: &Cluster) -> Vec<Program> {
    let start = |node| Program::start(cluster.command(node, "python3"), &["-c", SERVER, PORT]);
    let mut servers: Vec<Program> = cluster.nodes().map(start).collect();
    for server in &mut servers {
        assert_eq!(server.line(), "ready");
    }
    servers
}

/// Shows the TCP segments of that port on the client's interface.
pub fn dump(cluster: &Cluster) -> Program {
    dump_where(cluster, &format!("tcp port {PORT}"))
}

/// Shows what that filter lets pass on the client's interface.
pub fn dump_where(cluster: &Cluster, filter: &str) -> Program {
    let args = "-n -l -tt --immediate-mode -i eth1";
    let args: Vec<&str> = args.split(' ').chain([filter]).collect();
    let mut command = cluster.client_command("tcpdump");
    command.stderr(Stdio::piped());
    let mut program = Program::start(command, &args);
    let words = program.child.stderr.take().expect("a pipe");
    let mut words = BufReader::new(words).lines();
    let begins = words.any(|line| line.is_ok_and(|line| line.contains("listening on")));
    assert!(begins, "tcpdump(1) does not begin");
    program
}

/// Whether the test can run here; says so if not.
pub fn can_run(name: &str) -> bool {
    if !have_root(name) {
        return false;
    }
    let runs = |program: &&str| {
        let mut command = std::process::Command::new(program);
        command.arg("--version").output().is_ok()
    };
    let missing = ["python3", "tcpdump"]
        .into_iter()
        .find(|program| !runs(program));
    if let Some(program) = missing {
        println!("NOT RUN: {name}: no {program}");
    }
    missing.is_none()
}
