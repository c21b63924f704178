//! What may happen to a node that serves, with any release of Samba.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use super::{Release, Samba, Writer};
use crate::cluster::{Cable, Cluster, Whom, wait_until};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(100);
/// Files that each client writes.
const FILES: usize = 120;
/// How long a daemon stays away.
const AWAY: Duration = Duration::from_millis(500);

/// A node loses its power while clients of all nodes write: what they were told is written is there, through every
/// node, also the one that comes back.
///
/// # Panics
/// If a file is missing or has changed.
pub fn a_node_dies_under_writers(cluster: &Cluster, release: Release) {
    let mut samba = Samba::up(cluster, release);
    let addresses = samba.addresses();
    let victim = (cluster.leader(0).expect("a leader") + 1) % cluster.nodes().len();
    let writers: Vec<Writer> = addresses
        .iter()
        .enumerate()
        .map(|(node, address)| Writer::new(&samba, &format!("writer{node}"), *address, FILES))
        .collect();
    let broken = write_through(&samba, &writers, victim);
    for (node, (writer, broken)) in writers.iter().zip(&broken).enumerate() {
        let gap_s = writer.longest_gap(&samba).as_secs_f64();
        println!("client of node {node}: {broken} broken connections, longest gap {gap_s:.1} s");
    }
    assert!(broken[victim] > 0, "its node has died");
    for (writer, address) in writers.iter().zip(addresses.iter().cycle().skip(1)) {
        writer.check(&samba, *address);
    }
    // The node comes back, and its server with it.
    cluster.heal(victim);
    cluster.start(victim);
    cluster.wait_settled("all nodes OK after the dead one came back");
    samba.wait_serving(victim);
    let address = samba.addresses()[victim];
    for writer in &writers {
        writer.check(&samba, address);
    }
    samba.stop_all();
}

/// Lets all of them write, and their node die when the writer of `victim` is in the middle; how often each lost its
/// connection.
fn write_through(samba: &Samba<'_>, writers: &[Writer], victim: usize) -> Vec<usize> {
    let cluster = samba.cluster();
    std::thread::scope(|scope| {
        let threads: Vec<_> = writers
            .iter()
            .map(|writer| scope.spawn(|| writer.write(samba)))
            .collect();
        // Of that node alone: where the others are slower its client may be done by the time they are so far.
        wait_until(LIMIT, "a third of its files", || {
            writers[victim].arrived(samba).len() > FILES / 3
        });
        // As a power cut: nothing of it is heard again.
        cluster.cut(victim, Cable::Both);
        cluster.kill(victim, Whom::All);
        cluster.signal_program(victim, "smbd", Signal::KILL);
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a writer"))
            .collect()
    })
}

/// The daemon of a node is killed: its server ends with it, those of other nodes do not, and it serves again when
/// the daemon does.
///
/// # Panics
/// If not.
pub fn a_daemon_is_killed(cluster: &Cluster, release: Release) {
    let mut samba = Samba::up(cluster, release);
    let exits = samba.exits(2);
    cluster.kill(2, Whom::All);
    wait_until(LIMIT, "the end of smbd", || samba.exits(2) > exits);
    assert_eq!(samba.exits(0) + samba.exits(1), 0, "servers of other nodes");
    sleep(AWAY);
    cluster.start(2);
    cluster.wait_settled("all nodes OK");
    let took = samba.wait_serving(2);
    println!("served again {:.1} s after the daemon", took.as_secs_f64());
    samba.check_files();
    samba.stop_all();
}
