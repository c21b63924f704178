//! What takes the addresses away from a node, and how long each of them is silent.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::rates::median;
use crate::cluster::{Cable, Cluster, Daemon, Observation, Whom};
use crate::nfs;

/// Before what happens: the probes know all addresses by then.
const BEFORE: Duration = Duration::from_millis(700);
/// Nothing has moved for so long: nothing is on its way.
const SETTLED: Duration = Duration::from_secs(2);
/// After the last address has moved: what two nodes answer for is seen by then.
const AFTER: Duration = Duration::from_secs(3);

/// What happens to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// `ctdb disable`.
    Disable,
    /// `ctdb stop`.
    Stop,
    /// `ctdb shutdown`.
    Shutdown,
    /// Both cables are pulled.
    Cut,
    /// All its processes are killed.
    Kill,
    /// All its processes are stopped, as on a machine that hangs.
    Pause,
    /// The cable of its public interface is pulled.
    Link,
    /// Its `smbd` is killed, which Debian's `50.samba` finds out.
    Samba,
    /// Its port mapper dies, which Debian's `60.nfs` finds out.
    Nfs,
}

impl Mishap {
    /// All of them, the planned ones first.
    pub const ALL: [Self; 9] = [
        Self::Disable,
        Self::Stop,
        Self::Shutdown,
        Self::Cut,
        Self::Kill,
        Self::Pause,
        Self::Link,
        Self::Samba,
        Self::Nfs,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Stop => "stop",
            Self::Shutdown => "shutdown",
            Self::Cut => "cut",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Link => "link",
            Self::Samba => "samba",
            Self::Nfs => "nfs",
        }
    }

    fn begin(self, cluster: &Cluster, node: usize) {
        // Debian's waits for the addresses, and fails if they take too long; they are watched here anyway.
        let tool = |word| drop(cluster.ctdb(node, &[word]));
        match self {
            Self::Disable => tool("disable"),
            Self::Stop => tool("stop"),
            Self::Shutdown => tool("shutdown"),
            Self::Cut => cluster.cut(node, Cable::Both),
            Self::Kill => drop(cluster.kill(node, Whom::All)),
            Self::Pause => drop(cluster.pause(node)),
            Self::Link => cluster.cut(node, Cable::Public),
            Self::Samba => drop(cluster.signal_program(node, "smbd", Signal::KILL)),
            Self::Nfs => nfs::fail(cluster, node),
        }
    }

    /// What an admin, or the world outside, does about it.
    fn end(self, cluster: &Cluster, node: usize) {
        match self {
            Self::Disable => drop(cluster.ctdb(node, &["enable"])),
            Self::Stop => drop(cluster.ctdb(node, &["continue"])),
            Self::Shutdown => {
                let gone = || cluster.daemon_pids(node).is_empty();
                cluster.wait("end after shutdown", gone);
                cluster.start(node);
            }
            Self::Cut | Self::Link => cluster.heal(node),
            // Nobody but us would start Debian's daemon again; ours has a guard, which was killed too.
            Self::Kill => cluster.start(node),
            Self::Pause => drop(cluster.resume(node)),
            Self::Samba => drop(cluster.run(node, &["service", "smbd", "start"])),
            Self::Nfs => nfs::mend(cluster, node),
        }
    }

    /// Does it to a node that does not lead, and undoes it; at most `most` addresses are watched.
    ///
    /// # Panics
    /// If the addresses do not move, or do not come back.
    pub fn measure(self, cluster: &Cluster, most: usize) -> Silence {
        // Debian's ctdbd never gets its lock back from a leader that is cut off.
        let leader = cluster.leader(0).expect("a leader");
        let victim = (leader + 1) % cluster.nodes().len();
        let others: Vec<usize> = cluster.nodes().filter(|node| *node != victim).collect();
        let owners = shared_out(cluster, leader, victim);
        let watched = watched(&owners, victim, most);
        let watch = cluster.watch_addresses(&watched);
        sleep(BEFORE);
        let begin = Instant::now();
        self.begin(cluster, victim);
        let moved = || {
            let owners = cluster.owners(others[0]);
            owners.is_some_and(|owners| {
                let elsewhere = |owner: &Option<usize>| owner.is_some_and(|pnn| pnn != victim);
                owners.values().all(elsewhere)
            })
        };
        cluster.wait("its addresses have moved", moved);
        let moved_s = begin.elapsed().as_secs_f64();
        sleep(AFTER);
        cluster.wait("all answer", || cluster.all_answer(&watched));
        let seen = watch.end();
        self.end(cluster, victim);
        cluster.wait_settled("all OK again");
        Silence::new(&seen, &owners, victim, moved_s)
    }
}

/// Who has which address, once that is as it stays and a node has its share: Debian's daemon gives a node that came back
/// none before its next takeover run.
fn shared_out(cluster: &Cluster, leader: usize, node: usize) -> BTreeMap<IpAddr, Option<usize>> {
    let mut last = cluster.owners(leader);
    cluster.wait("a node has its share of the addresses", || {
        sleep(SETTLED);
        let owners = cluster.owners(leader);
        let is_same = owners == last;
        last = owners;
        is_same && last.iter().flatten().any(|(_, owner)| *owner == Some(node))
    });
    last.expect("the addresses")
}

/// Some of the addresses, two thirds of them the victim's, spread over all it has: a probe of 900 would itself be what
/// is slow.
fn watched(owners: &BTreeMap<IpAddr, Option<usize>>, victim: usize, most: usize) -> Vec<IpAddr> {
    let is_hit = |owner: &Option<usize>| *owner == Some(victim);
    let (hit, spared): (Vec<_>, Vec<_>) = owners.iter().partition(|(_, owner)| is_hit(owner));
    let some = |list: Vec<(&IpAddr, &Option<usize>)>, most: usize| {
        let step = list.len().div_ceil(most.max(1)).max(1);
        let ips = list.into_iter().step_by(step).map(|(ip, _)| *ip);
        ips.collect::<Vec<IpAddr>>()
    };
    let mut chosen = some(hit, most * 2 / 3);
    chosen.extend(some(spared, most / 3));
    chosen
}

/// How long addresses were silent, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// The addresses of the node that were watched.
    pub addresses: usize,
    /// The longest of them.
    pub longest_s: f64,
    /// The middle one.
    pub median_s: f64,
    /// The longest of an address of another node: what the machine and the probe add.
    pub bystander_s: f64,
    /// For how long two nodes answered for one address.
    pub dual_s: f64,
    /// From what happened to the last address on another node, as the tool says it.
    pub moved_s: f64,
}

impl Silence {
    fn new(
        seen: &Observation,
        owners: &BTreeMap<IpAddr, Option<usize>>,
        victim: usize,
        moved_s: f64,
    ) -> Self {
        let is_hit = |ip: &IpAddr| owners.get(ip) == Some(&Some(victim));
        let of = |hit: bool| {
            let entries = seen
                .outage
                .0
                .iter()
                .filter(move |(ip, _)| is_hit(ip) == hit);
            let gaps = entries.map(|(_, gap)| gap.map_or(f64::INFINITY, |gap| gap.length_s));
            gaps.collect::<Vec<f64>>()
        };
        let (hit, spared) = (of(true), of(false));
        let longest = |gaps: &[f64]| gaps.iter().copied().fold(0.0, f64::max);
        Self {
            addresses: hit.len(),
            longest_s: longest(&hit),
            median_s: median(hit.iter().copied()),
            bystander_s: longest(&spared),
            dual_s: seen.dual.longest_s,
            moved_s,
        }
    }
}

/// One mishap with one daemon.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Size of the cluster.
    pub nodes: usize,
    /// Its addresses.
    pub addresses: usize,
    /// What happened.
    pub mishap: Mishap,
    /// Whose daemon.
    pub daemon: Daemon,
    /// What was seen.
    pub silence: Silence,
}

impl Trial {
    /// A line of Markdown for it.
    pub fn row(&self) -> String {
        let Silence {
            longest_s,
            median_s,
            bystander_s,
            dual_s,
            moved_s,
            ..
        } = self.silence;
        format!(
            "| {} | {} | {} | {:?} | {longest_s:.3} | {median_s:.3} | {bystander_s:.3} | {dual_s:.3} | {moved_s:.1} |",
            self.nodes,
            self.addresses,
            self.mishap.name(),
            self.daemon,
        )
    }
}

/// The heading above rows of trials.
pub const HEADING: &str =
    "| nodes | addresses | what happens | daemon | longest | median | others | dual | moved after |
|---|---|---|---|---|---|---|---|---|";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{DualReport, Gap, OutageReport};

    #[test]
    fn the_nodes_addresses_are_told_from_the_others() {
        let ip = |n: u8| IpAddr::from([10, 88, 0, n]);
        let gap = |length_s| {
            Some(Gap {
                length_s,
                at_s: 1.0,
                still_out: false,
            })
        };
        let seen = Observation {
            outage: OutageReport(vec![
                (ip(1), gap(0.2)),
                (ip(2), gap(0.02)),
                (ip(3), gap(0.4)),
                (ip(4), gap(0.3)),
            ]),
            dual: DualReport {
                longest_s: 0.0,
                addresses: Vec::new(),
            },
        };
        let owners = [
            (ip(1), Some(1)),
            (ip(2), Some(0)),
            (ip(3), Some(1)),
            (ip(4), Some(1)),
        ];
        let silence = Silence::new(&seen, &owners.into(), 1, 0.5);
        assert_eq!(silence.addresses, 3);
        let near = |value: f64, wanted: f64| (value - wanted).abs() < 1e-9;
        assert!(
            near(silence.longest_s, 0.4) && near(silence.median_s, 0.3),
            "{silence:?}"
        );
        assert!(near(silence.bystander_s, 0.02), "{silence:?}");
    }
}
