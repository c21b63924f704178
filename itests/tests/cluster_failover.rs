//! Single faults of a process, a cable or a node: addresses answer again, never twice, and the cluster returns
//! to normal by itself once the fault is over.
//!
//! The gaps are printed beside the promise; they are not what fails a test, being those of a shared machine.

use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

use ctdb_itests::cluster::{
    Cable, Cluster, Daemon, Layout, Observation, Whom, have_root, wait_until,
};

/// What is promised for the silence of an address, in seconds.
const PROMISE_S: f64 = 1.5;
/// What is asserted.
const LIMIT: Duration = Duration::from_secs(10);
/// Leases that were not renewed have ended by then: answers after it are those of a node that may give them.
const SETTLE: Duration = Duration::from_secs(3);

/// Which node is hit.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Leader,
    Ordinary,
}

/// A fault, and what ends it.
struct Fault {
    name: &'static str,
    victim: Victim,
    begin: fn(&Cluster, usize),
    /// Whether the node is out of service until then.
    leaves: bool,
    /// What the world outside does: never anything to the cluster's own state.
    end: fn(&Cluster, usize),
}

fn check(fault: &Fault, nodes: usize) {
    if !have_root(fault.name) {
        return;
    }
    let layout = Layout::new(fault.name, nodes);
    let debian = layout.daemon == Daemon::Debian;
    if debian && !fault.leaves {
        println!(
            "NOT RUN: {}: nobody starts Debian's ctdbd again",
            fault.name
        );
        return;
    }
    let cluster = Cluster::up(&layout);
    let run = Run {
        addresses: layout.public_addresses(),
        patience: if debian {
            layout.daemon.patience()
        } else {
            LIMIT
        },
        leader: cluster.leader(0).expect("a leader"),
        cluster: &cluster,
        fault,
    };
    let seen = [run.during(), run.after()];
    if !debian {
        for seen in seen {
            assert!(
                seen.dual.addresses.is_empty(),
                "answered twice: {:?}",
                seen.dual
            );
        }
    }
    cluster.assert_clean();
}

/// A cluster and what happens to it.
struct Run<'a> {
    cluster: &'a Cluster,
    fault: &'a Fault,
    addresses: Vec<IpAddr>,
    patience: Duration,
    /// Before the fault.
    leader: usize,
}

impl Run<'_> {
    fn victim(&self) -> usize {
        match self.fault.victim {
            Victim::Leader => self.leader,
            Victim::Ordinary => (self.leader + 1) % self.cluster.nodes().len(),
        }
    }

    /// The fault comes, and every address answers again.
    fn during(&self) -> Observation {
        let (cluster, victim) = (self.cluster, self.victim());
        self.wait_answers("every address answers before the fault");
        let owners = cluster.owners(self.leader).expect("the addresses");
        let hit = owners.values().any(|owner| *owner == Some(victim));
        assert!(hit, "node {victim} holds no address: {owners:?}");
        let watch = cluster.watch();
        sleep(Duration::from_millis(500));
        (self.fault.begin)(cluster, victim);
        sleep(SETTLE);
        if self.fault.leaves {
            let others: Vec<usize> = cluster.nodes().filter(|node| *node != victim).collect();
            wait_until(self.patience, "the others have its addresses", || {
                cluster.settled_among(&others)
            });
        }
        self.wait_answers("every address answers after the fault");
        let seen = watch.end();
        report(self.fault.name, "fault", &seen);
        seen
    }

    /// The fault is over, and all is as before.
    fn after(&self) -> Observation {
        let watch = self.cluster.watch();
        sleep(Duration::from_millis(500));
        (self.fault.end)(self.cluster, self.victim());
        let settled = self
            .cluster
            .wait_settled("all nodes OK without a hand after the fault");
        self.wait_answers("every address answers at the end");
        let seen = watch.end();
        report(self.fault.name, "return", &seen);
        let settled_s = settled.as_secs_f64();
        println!(
            "{}: all nodes OK {settled_s:.2} s after the fault's end",
            self.fault.name
        );
        seen
    }

    fn wait_answers(&self, what: &str) {
        wait_until(self.patience, what, || {
            self.cluster.all_answer(&self.addresses)
        });
    }
}

fn report(name: &str, phase: &str, seen: &Observation) {
    let gap = seen
        .longest_gap_s()
        .map_or("never".into(), |gap| format!("{gap:.3} s"));
    let dual_s = seen.dual.longest_s;
    println!("{name}: {phase}: longest gap {gap} (promised: {PROMISE_S} s), dual {dual_s:.3}");
}

fn heal(cluster: &Cluster, node: usize) {
    cluster.heal(node);
}

fn nothing(_: &Cluster, _: usize) {}

macro_rules! faults {
    ($($name:ident: $victim:ident, $leaves:expr, $begin:expr, $end:expr;)*) => {
        $(#[test]
        fn $name() {
            let fault = Fault {
                name: stringify!($name),
                victim: Victim::$victim,
                leaves: $leaves,
                begin: $begin,
                end: $end,
            };
            check(&fault, 3);
        })*

        /// The same with 16 nodes.
        #[test]
        fn sixteen_nodes() {
            if std::env::var_os("CTDB_LONG").is_none() {
                println!("NOT RUN: sixteen_nodes: CTDB_LONG=1 is not set");
                return;
            }
            $(check(
                &Fault {
                    name: stringify!($name),
                    victim: Victim::$victim,
                    leaves: $leaves,
                    begin: $begin,
                    end: $end,
                },
                16,
            );)*
        }
    };
}

faults! {
    cut_both: Ordinary, true, |cluster, node| cluster.cut(node, Cable::Both), heal;
    cut_private_of_an_ordinary_node: Ordinary, true, |cluster, node| cluster.cut(node, Cable::Private), heal;
    cut_private_of_the_leader: Leader, true, |cluster, node| cluster.cut(node, Cable::Private), heal;
    cut_public: Ordinary, true, |cluster, node| cluster.cut(node, Cable::Public), heal;
    lose_both: Ordinary, true, |cluster, node| cluster.lose(node, Cable::Both), heal;
    lose_private_of_an_ordinary_node: Ordinary, true,
        |cluster, node| cluster.lose(node, Cable::Private), heal;
    lose_private_of_the_leader: Leader, true,
        |cluster, node| cluster.lose(node, Cable::Private), heal;
    kill_worker: Ordinary, false, |cluster, node| assert_eq!(cluster.kill(node, Whom::Worker), 1), nothing;
    kill_worker_of_the_leader: Leader, false,
        |cluster, node| assert_eq!(cluster.kill(node, Whom::Worker), 1), nothing;
    kill_all: Ordinary, true, |cluster, node| assert!(cluster.kill(node, Whom::All) > 0), Cluster::start;
    stop_all_and_go_on: Ordinary, true,
        |cluster, node| assert!(cluster.pause(node) > 0),
        |cluster, node| assert!(cluster.resume(node) > 0);
    stop_all_of_the_leader_and_go_on: Leader, true,
        |cluster, node| assert!(cluster.pause(node) > 0),
        |cluster, node| assert!(cluster.resume(node) > 0);
}

/// Keeps a core busy until it is dropped.
struct Burner(std::process::Child);

impl Burner {
    fn start() -> Self {
        let mut command = std::process::Command::new("sh");
        Self(
            command
                .args(["-c", "while :; do :; done"])
                .spawn()
                .expect("a shell"),
        )
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The next leader plans from what the others hold, or held until their leases ended, however late it hears
/// of it.
#[test]
fn survivors_of_a_leader_keep_their_addresses_on_a_busy_machine() {
    let name = "survivors_of_a_leader_keep_their_addresses_on_a_busy_machine";
    if !have_root(name) {
        return;
    }
    let cluster = Cluster::up(&Layout::new("survivors", 4));
    let leader = cluster.leader(0).expect("a leader");
    let others: Vec<usize> = cluster.nodes().filter(|node| *node != leader).collect();
    let mut before = cluster.owners(leader).expect("the addresses");
    before.retain(|_, owner| *owner != Some(leader));
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let burners: Vec<Burner> = (0..2 * cores).map(|_| Burner::start()).collect();
    let watch = cluster.watch();
    sleep(Duration::from_millis(500));
    assert!(cluster.kill(leader, Whom::All) > 0);
    sleep(SETTLE);
    wait_until(LIMIT, "the others have all addresses", || {
        cluster.settled_among(&others)
    });
    drop(burners);
    let seen = watch.end();
    report(name, "death of the leader", &seen);
    let mut after = cluster.owners(others[0]).expect("the addresses");
    after.retain(|address, _| before.contains_key(address));
    assert_eq!(before, after, "an address of a survivor moved");
    assert!(
        seen.dual.addresses.is_empty(),
        "answered twice: {:?}",
        seen.dual
    );
    cluster.assert_clean();
}

/// Planned work on all nodes, one after the other, while clients ask for every address.
#[test]
fn a_rolling_restart_is_hardly_noticed() {
    let name = "a_rolling_restart_is_hardly_noticed";
    if !have_root(name) {
        return;
    }
    let layout = Layout::new("rolling", 3);
    let cluster = Cluster::up(&layout);
    let debian = layout.daemon == Daemon::Debian;
    let addresses = layout.public_addresses();
    cluster.wait("all answer", || cluster.all_answer(&addresses));
    for node in cluster.nodes() {
        cluster.wait("the node has addresses", || {
            let owners = cluster.owners(node).unwrap_or_default();
            owners.values().any(|owner| *owner == Some(node))
        });
        let watch = cluster.watch();
        sleep(Duration::from_millis(500));
        cluster.stop(node);
        let others: Vec<usize> = cluster.nodes().filter(|other| *other != node).collect();
        cluster.wait("the others have its addresses", || {
            cluster.settled_among(&others)
        });
        cluster.start(node);
        cluster.wait_settled("all nodes OK with addresses again");
        cluster.wait("all answer again", || cluster.all_answer(&addresses));
        let seen = watch.end();
        report(name, &format!("restart of node {node}"), &seen);
        assert!(seen.silent().is_empty(), "{:?}", seen.silent());
        let dual = &seen.dual;
        assert!(
            debian || dual.addresses.is_empty(),
            "answered twice: {dual:?}"
        );
    }
    cluster.assert_clean();
}
