//! Single faults of a process, a cable or a node: addresses answer again, never twice, and the cluster returns
//! to normal by itself once the fault is over.
//!
//! The gaps are printed beside the promise; they are not what fails a test, being those of a shared machine.

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
    let cluster = Cluster::up(&Layout::new(fault.name, nodes));
    let addresses = cluster.layout().public_addresses();
    let debian = cluster.layout().daemon == Daemon::Debian;
    let patience = if debian {
        cluster.layout().daemon.patience()
    } else {
        LIMIT
    };
    let leader = cluster.leader(0).expect("a leader");
    let victim = match fault.victim {
        Victim::Leader => leader,
        Victim::Ordinary => (leader + 1) % nodes,
    };
    wait_until(patience, "every address answers before the fault", || {
        cluster.all_answer(&addresses)
    });

    if debian && !fault.leaves {
        println!(
            "NOT RUN: {}: Debian's ctdbd is not started again by anybody",
            fault.name
        );
        return;
    }
    let owners = cluster.owners(leader).expect("the addresses");
    let moving = owners
        .values()
        .filter(|owner| **owner == Some(victim))
        .count();
    assert!(
        moving > 0,
        "the node to be hit holds no address: {owners:?}"
    );
    let watch = cluster.watch();
    sleep(Duration::from_millis(500));
    (fault.begin)(&cluster, victim);
    sleep(SETTLE);
    if fault.leaves {
        let others: Vec<usize> = cluster.nodes().filter(|node| *node != victim).collect();
        wait_until(patience, "the others have its addresses", || {
            cluster.settled_among(&others)
        });
    }
    wait_until(patience, "every address answers after the fault", || {
        cluster.all_answer(&addresses)
    });
    let during = watch.end();
    report(fault.name, "fault", &during);

    let watch = cluster.watch();
    sleep(Duration::from_millis(500));
    (fault.end)(&cluster, victim);
    let settled = cluster.wait_settled("all nodes OK without a hand after the fault");
    wait_until(patience, "every address answers at the end", || {
        cluster.all_answer(&addresses)
    });
    let after = watch.end();
    report(fault.name, "return", &after);
    println!(
        "{}: all nodes OK {:.2} s after the fault's end",
        fault.name,
        settled.as_secs_f64()
    );

    if !debian {
        for seen in [&during, &after] {
            assert!(
                seen.dual.addresses.is_empty(),
                "answered twice: {:?}",
                seen.dual
            );
        }
    }
    cluster.assert_clean();
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
