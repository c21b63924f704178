//! TCP clients of an address that moves learn of it at once: the node that takes the address tickles them.

use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use ctdb_itests::cluster::{Cluster, Layout, Whom, have_root, wait_until};

/// A port that nothing else uses.
const PORT: &str = "4450";
/// Accepts connections on all addresses, and keeps them.
const SERVER: &str = "
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', int(sys.argv[1])))
s.listen(16)
print('ready', flush=True)
kept = []
while True:
    kept.append(s.accept())
";
/// Waits for the end of a connection, connects again, and tells when that was.
const CLIENT: &str = "
import socket, sys, time
at = (sys.argv[1], int(sys.argv[2]))
s = socket.create_connection(at)
print('%s:%d' % s.getsockname(), flush=True)
try:
    s.recv(1)
    print('closed', time.time(), flush=True)
except ConnectionResetError:
    print('reset', time.time(), flush=True)
s = socket.create_connection(at, 10)
print('connected', time.time(), flush=True)
";

/// Killed at the end of the test.
struct Program {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Program {
    fn start(mut command: std::process::Command, args: &[&str]) -> Self {
        command.args(args).stdout(Stdio::piped());
        let mut child = command.spawn().expect("nsenter(1) runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, lines }
    }

    /// What it prints up to the line that holds `sign`.
    fn lines_until(&mut self, sign: &str) -> String {
        let mut text = String::new();
        while !text.contains(sign) {
            let line = self.line();
            assert!(!line.is_empty(), "ended before {sign:?}:\n{text}");
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    fn line(&mut self) -> String {
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

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock").as_secs_f64()
}

/// The number behind the word that the line must begin with.
fn time_of(line: &str, word: &str) -> f64 {
    let rest = line.strip_prefix(word);
    let rest = rest.unwrap_or_else(|| panic!("no {word:?} but {line:?}"));
    rest.trim().parse().expect("a time")
}

fn owner(cluster: &Cluster, at: usize, address: IpAddr) -> Option<usize> {
    let owners = cluster.owners(at);
    owners.and_then(|owners| owners.get(&address).copied().flatten())
}

/// Starts a server on every node.
fn servers(cluster: &Cluster) -> Vec<Program> {
    let start = |node| Program::start(cluster.command(node, "python3"), &["-c", SERVER, PORT]);
    let mut servers: Vec<Program> = cluster.nodes().map(start).collect();
    for server in &mut servers {
        assert_eq!(server.line(), "ready");
    }
    servers
}

/// The tickle, an ACK with a window of its own, and what the client's answer to it brings.
fn assert_tickled_and_reset(dump: &str, address: IpAddr) {
    println!("{dump}");
    for (kind, sign) in [("tickle", "win 1234"), ("reset", "Flags [R]")] {
        let from = format!("IP {address}.{PORT} > ");
        let mut lines = dump.lines().filter(|line| line.contains(&from));
        assert!(lines.any(|line| line.contains(sign)), "no {kind}");
    }
}

fn missing_program() -> Option<&'static str> {
    let runs = |program: &&str| {
        let mut command = std::process::Command::new(program);
        command.arg("--version").output().is_ok()
    };
    ["python3", "tcpdump"]
        .into_iter()
        .find(|program| !runs(program))
}

#[test]
fn a_client_of_a_lost_node_is_reset_by_the_next_one() {
    let name = "a_client_of_a_lost_node_is_reset_by_the_next_one";
    if !have_root(name) {
        return;
    }
    if let Some(program) = missing_program() {
        println!("NOT RUN: {name}: no {program}");
        return;
    }
    let mut layout = Layout::new("tickles", 3);
    layout.tunables = "TickleUpdateInterval=1\n".into();
    let cluster = Cluster::up(&layout);
    let (victim, other) = (1, 0);
    let address = *layout
        .public_addresses()
        .iter()
        .find(|address| owner(&cluster, other, **address) == Some(victim))
        .expect("the node has addresses");
    let text = address.to_string();
    let servers = servers(&cluster);
    let mut seen = Program::start(
        cluster.client_command("tcpdump"),
        &[
            "-n",
            "-l",
            "-tt",
            "--immediate-mode",
            "-i",
            "eth1",
            "tcp",
            "port",
            PORT,
        ],
    );
    let python = cluster.client_command("python3");
    let mut client = Program::start(python, &["-c", CLIENT, &text, PORT]);
    let end = client.line();
    let server = format!("{text}:{PORT}");
    cluster.ctdb(victim, &["addtickle", &end, &server]).ok();
    let port = end.rsplit(':').next().expect("a port");
    wait_until(layout.daemon.patience(), "the others know it", || {
        let known = cluster.ctdb(other, &["gettickles", &text]).ok();
        known.contains(port)
    });

    let killed = now();
    assert!(cluster.kill(victim, Whom::All) > 0);
    let reset = time_of(&client.line(), "reset");
    let connected = time_of(&client.line(), "connected");
    println!(
        "a lost node's client: reset {:.3} s after the kill, connected anew {:.3} s later",
        reset - killed,
        connected - reset
    );
    // The client was reset, so that packet comes; what came before has been printed by then.
    let dump = seen.lines_until("Flags [R]");
    assert_tickled_and_reset(&dump, address);
    drop((client, servers, seen));
    cluster.assert_clean();
}
