//! What can happen to a node.

use rustix::process::Signal;

use super::lab::Cluster;
use super::process::{Process, processes};

/// A cable of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cable {
    /// To the other nodes.
    Private,
    /// To the clients.
    Public,
    /// Both.
    Both,
}

impl Cable {
    /// The switch's ends and their bridges.
    fn ends(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Private => &[("a", "private")],
            Self::Public => &[("b", "public")],
            Self::Both => &[("a", "private"), ("b", "public")],
        }
    }
}

/// Which processes of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// The process of the PID file.
    Worker,
    /// Every process of the daemon's program.
    All,
}

impl Cluster {
    /// Kills (signal 9); returns how many.
    pub fn kill(&self, node: usize, whom: Whom) -> usize {
        self.signal(node, whom, Signal::KILL)
    }

    /// Stops every process of the daemon of a node, as a hung machine does.
    pub fn pause(&self, node: usize) -> usize {
        self.signal(node, Whom::All, Signal::STOP)
    }

    /// Lets them go on.
    pub fn resume(&self, node: usize) -> usize {
        self.signal(node, Whom::All, Signal::CONT)
    }

    /// Sends a signal to processes of the daemon; returns to how many.
    pub fn signal(&self, node: usize, whom: Whom, signal: Signal) -> usize {
        let worker = self.worker(node);
        let targets: Vec<Process> = self
            .daemon_processes(node)
            .into_iter()
            .filter(|process| whom == Whom::All || Some(process.inner) == worker)
            .collect();
        for process in &targets {
            process.signal(signal);
        }
        targets.len()
    }

    /// Sends a signal to every process of a node that runs that program; returns to how many.
    pub fn signal_program(&self, node: usize, program: &str, signal: Signal) -> usize {
        let mut targets = processes(&self.network_id(node));
        targets.retain(|process| process.program == program);
        for process in &targets {
            process.signal(signal);
        }
        targets.len()
    }

    /// Process id of the worker by the PID file, as the node's own processes see it.
    pub fn worker(&self, node: usize) -> Option<u32> {
        let path = self.directory().join(format!("{node}/run/ctdb/ctdbd.pid"));
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    }

    /// Process ids of the daemon of a node, as its own processes see them.
    pub fn daemon_pids(&self, node: usize) -> Vec<u32> {
        self.daemon_processes(node)
            .iter()
            .map(|process| process.inner)
            .collect()
    }

    fn daemon_processes(&self, node: usize) -> Vec<Process> {
        let network = self.network_id(node);
        let mut list = processes(&network);
        list.retain(|process| process.program == "ctdbd");
        list
    }

    /// Pulls a cable: neither side sees the other, and the node loses its carrier.
    pub fn cut(&self, node: usize, cable: Cable) {
        self.each_end(node, cable, |end, _| format!("link set {end} down\n"));
    }

    /// Loses everything that goes through a cable, somewhere in the switch: the node keeps its carrier.
    pub fn lose(&self, node: usize, cable: Cable) {
        self.each_end(node, cable, |end, _| format!("link set {end} nomaster\n"));
    }

    /// Puts all cables back.
    pub fn heal(&self, node: usize) {
        self.each_end(node, Cable::Both, |end, bridge| {
            format!("link set {end} master {bridge} up\n")
        });
    }

    fn each_end(&self, node: usize, cable: Cable, line: impl Fn(&str, &str) -> String) {
        let ends = cable.ends().iter();
        let lines = ends.map(|(end, bridge)| line(&format!("{end}{node}"), bridge));
        self.switch().ip_batch(&lines.collect::<String>());
    }
}
