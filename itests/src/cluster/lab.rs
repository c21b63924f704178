//! A cluster, from its namespaces to their removal.

use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::command::{Output, finish};
use super::files;
use super::layout::Layout;
use super::namespace::Namespace;
use super::process::processes;
use super::programs::program;
use super::wait_until;

/// Directories of clusters: this, the process id of their program, a number.
const PREFIX: &str = "ctdb-lab-";
/// How long a command may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(120);
/// How long processes of a removed cluster may take to end.
const ENDING: Duration = Duration::from_secs(10);
/// Lines of each node's log that a failed test prints.
const LOG_LINES: usize = 60;

/// The client's address in the public network.
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 50);

/// A running cluster; removed when dropped.
#[derive(Debug)]
pub struct Cluster {
    layout: Layout,
    directory: PathBuf,
    nodes: Vec<Namespace>,
    client: Namespace,
    switch: Namespace,
}

impl Cluster {
    /// Builds networks and nodes; no daemon runs yet.
    ///
    /// # Panics
    /// Without root or the programs it needs.
    pub fn build(layout: &Layout) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        sweep();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        for name in ["shared", "scratch"] {
            fs::create_dir_all(directory.join(name)).expect("lab directory");
        }
        let nodes: Vec<Namespace> = (0..layout.nodes)
            .map(|index| {
                let mounts = files::prepare(layout, &directory, index);
                let mounts: Vec<(&Path, &Path)> = mounts
                    .iter()
                    .map(|(from, to)| (from.as_path(), to.as_path()))
                    .collect();
                Namespace::node(&mounts)
            })
            .collect();
        let cluster = Self {
            layout: layout.clone(),
            directory,
            nodes,
            client: Namespace::network(),
            switch: Namespace::network(),
        };
        cluster.connect();
        cluster
    }

    fn connect(&self) {
        let mut lines = String::new();
        for bridge in ["private", "public"] {
            let _ = writeln!(
                lines,
                "link add {bridge} type bridge mcast_snooping 0\nlink set {bridge} up"
            );
        }
        let mut cable = |name: &str, bridge: &str, end: &str, pid: u32| {
            let _ = writeln!(
                lines,
                "link add {name} type veth peer name {end} netns {pid}"
            );
            let _ = writeln!(lines, "link set {name} master {bridge} up");
        };
        for (index, node) in self.nodes.iter().enumerate() {
            cable(&format!("a{index}"), "private", "eth0", node.pid);
            cable(&format!("b{index}"), "public", "eth1", node.pid);
        }
        cable("client", "public", "eth1", self.client.pid);
        self.switch.ip_batch(&lines);
        for (index, node) in self.nodes.iter().enumerate() {
            let private = Layout::private_address(index);
            node.ip_batch(&format!(
                "addr add {private}/24 dev eth0\nlink set eth0 up\nlink set eth1 up\n"
            ));
        }
        self.client.ip_batch(&format!(
            "addr add {CLIENT}/16 dev eth1\naddr add fd88::50/64 dev eth1 nodad\nlink set eth1 up\n"
        ));
    }

    /// What it was built from.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where its files are: for node i `i/etc`, `i/run`, `i/var`, `i/log`; `shared` for all.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Numbers of all nodes.
    pub fn nodes(&self) -> std::ops::Range<usize> {
        0..self.layout.nodes
    }

    pub(super) fn switch(&self) -> &Namespace {
        &self.switch
    }

    pub(super) fn client_namespace(&self) -> &Namespace {
        &self.client
    }

    pub(super) fn network_id(&self, node: usize) -> String {
        self.nodes[node].network_id().expect("the node's namespace")
    }

    /// Starts the daemon of a node and returns when that command does.
    pub fn start(&self, node: usize) {
        let daemon = self.layout.daemon.path();
        // Debian's event daemon outlives a killed ctdbd by seconds, and stands in the way of the next one.
        let network = self.network_id(node);
        wait_until(self.layout.patience(), "the end of an event daemon", || {
            processes(&network)
                .iter()
                .all(|process| process.program != "ctdb-eventd")
        });
        let daemon = daemon.to_string_lossy();
        let mut words = vec!["env"];
        words.extend(self.layout.environment.iter().map(String::as_str));
        words.push(&daemon);
        self.run(node, &words).ok();
    }

    /// Starts all daemons at once; returns the moment at which that began.
    pub fn start_all(&self) -> Instant {
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for node in self.nodes() {
                scope.spawn(move || self.start(node));
            }
        });
        begin
    }

    /// Starts all daemons and waits until all nodes are OK and all addresses have a node.
    pub fn up(layout: &Layout) -> Self {
        let cluster = Self::build(layout);
        let begin = cluster.start_all();
        cluster.wait_settled("all nodes OK with addresses after start");
        let took_s = begin.elapsed().as_secs_f64();
        println!(
            "{}: {} nodes OK with addresses {took_s:.2} s after start",
            layout.name, layout.nodes
        );
        cluster
    }

    /// Waits until every node sees all nodes OK and a node for every address.
    pub fn wait_settled(&self, what: &str) -> Duration {
        wait_until(self.layout.patience(), what, || self.settled())
    }

    /// Waits until something holds, as long as its daemon deserves.
    pub fn wait(&self, what: &str, holds: impl FnMut() -> bool) -> Duration {
        wait_until(self.layout.patience(), what, holds)
    }

    /// Orderly shutdown of a node by the tool; waits until no process of the daemon is left.
    pub fn stop(&self, node: usize) {
        self.ctdb(node, &["shutdown"]).ok();
        wait_until(self.layout.patience(), "end after shutdown", || {
            self.daemon_pids(node).is_empty()
        });
    }

    /// Runs a command on a node.
    pub fn run(&self, node: usize, words: &[&str]) -> Output {
        self.run_in(&self.nodes[node], COMMAND_LIMIT, words)
    }

    /// Runs a command on the client.
    pub fn on_client(&self, words: &[&str]) -> Output {
        self.on_client_within(COMMAND_LIMIT, words)
    }

    /// Runs a command on the client that is killed after `limit`.
    pub fn on_client_within(&self, limit: Duration, words: &[&str]) -> Output {
        self.run_in(&self.client, limit, words)
    }

    fn run_in(&self, namespace: &Namespace, limit: Duration, words: &[&str]) -> Output {
        let mut command = namespace.command("timeout");
        let seconds = limit.as_secs().to_string();
        command.args(["-s", "KILL", &seconds]).args(words);
        finish(
            &mut command,
            &self.directory.join("scratch"),
            &words.join(" "),
        )
    }

    /// A command on a node, to be started by the caller.
    pub fn command(&self, node: usize, program: &str) -> std::process::Command {
        self.nodes[node].command(program)
    }

    /// A command on the client, to be started by the caller.
    pub fn client_command(&self, program: &str) -> std::process::Command {
        self.client.command(program)
    }

    /// Debian's tool on a node.
    pub fn ctdb(&self, node: usize, args: &[&str]) -> Output {
        self.run(node, &[&["/usr/bin/ctdb"], args].concat())
    }

    /// Waits until `observer` sees a node UNHEALTHY and all addresses on others; answers how long that took.
    pub fn wait_unhealthy(&self, node: usize, observer: usize) -> Duration {
        let patience = self.layout.patience();
        let begin = Instant::now();
        wait_until(patience, "the node is UNHEALTHY", || {
            self.sees(observer, node, "Unhealthy")
        });
        wait_until(patience, "its addresses have moved", || {
            let elsewhere = |owner: &Option<usize>| owner.is_some_and(|pnn| pnn != node);
            let owners = self.owners(observer);
            owners.is_some_and(|owners| owners.values().all(elsewhere))
        });
        begin.elapsed()
    }

    /// Attaches a database (`words`: its name and kind) and waits until every node that runs has it: the others open
    /// it after the tool's answer, with Debian's daemon too.
    pub fn attach(&self, node: usize, words: &[&str]) {
        self.ctdb(node, &[&["attach"], words].concat()).ok();
        let name = format!("name:{} ", words[0]);
        let nodes = || self.nodes().filter(|node| self.worker(*node).is_some());
        wait_until(self.layout.patience(), "attached everywhere", || {
            nodes().all(|node| self.ctdb(node, &["getdbmap"]).stdout.contains(&name))
        });
    }

    /// Our tool on a node.
    pub fn our_ctdb(&self, node: usize, args: &[&str]) -> Output {
        let tool = program("ctdb");
        self.run(node, &[&[&*tool.to_string_lossy()], args].concat())
    }

    /// The log of a node's daemon.
    pub fn log(&self, node: usize) -> String {
        let path = self.directory.join(format!("{node}/log/log.ctdb"));
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }

    /// Removes the cluster and checks that nothing of it is left.
    ///
    /// # Panics
    /// If a process, a mount or a file is left.
    pub fn assert_clean(self) {
        let directory = self.directory.clone();
        let spaces = self.nodes.iter().chain([&self.client, &self.switch]);
        // Kept open, or another cluster's namespace might get the same identity meanwhile.
        let networks: Vec<(String, fs::File)> =
            spaces.filter_map(Namespace::keep_network).collect();
        drop(self);
        assert!(!directory.exists(), "{} is left", directory.display());
        for (network, _) in &networks {
            // They are killed by now; a busy machine takes a moment to end them.
            let begin = Instant::now();
            while !processes(network).is_empty() && begin.elapsed() < ENDING {
                std::thread::sleep(Duration::from_millis(20));
            }
            let left = processes(network);
            assert!(left.is_empty(), "left in {network}: {left:?}");
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("proc");
        assert!(
            !mounts.contains(&*directory.to_string_lossy()),
            "a mount is left"
        );
    }

    fn print_logs(&self) {
        for node in self.nodes() {
            let log = self.log(node);
            let skipped = log.lines().count().saturating_sub(LOG_LINES);
            println!("--- {} node {node}: end of its log", self.layout.name);
            log.lines()
                .skip(skipped)
                .for_each(|line| println!("{line}"));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
        // Namespaces first: what runs in them would go on writing.
        self.nodes.clear();
        let keep = std::thread::panicking() && std::env::var_os("CTDB_TEST_KEEP").is_some();
        if keep {
            println!("kept: {}", self.directory.display());
        } else {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// Removes the directories of clusters whose program is gone.
fn sweep() {
    for entry in fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if let Some(owner) = owner
            && !Path::new("/proc").join(owner).exists()
            && std::env::var_os("CTDB_TEST_KEEP").is_none()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
