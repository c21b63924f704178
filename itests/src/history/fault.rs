//! What happens to a node in a run.

use std::thread::sleep;
use std::time::Duration;

use crate::cluster::{Cable, Cluster, Whom};

/// A fault of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None.
    Nothing,
    /// The worker is killed; the guard starts another.
    KillWorker,
    /// All processes of the daemon are killed, and it is started again.
    KillAll,
    /// The daemon stands still for a while, its clients do not.
    Pause,
    /// The cable to the other nodes is pulled for a while.
    CutPrivate,
    /// What goes through that cable is lost for a while.
    LosePrivate,
    /// Both cables are pulled for a while.
    CutBoth,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Nothing,
        Self::KillWorker,
        Self::KillAll,
        Self::Pause,
        Self::CutPrivate,
        Self::LosePrivate,
        Self::CutBoth,
    ];

    /// The fault of this name, as it is printed.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|fault| format!("{fault:?}") == name)
    }

    /// Does it to a node and undoes it after `lasting`.
    pub fn happen(self, cluster: &Cluster, node: usize, lasting: Duration) {
        match self {
            Self::Nothing => {}
            Self::KillWorker => drop(cluster.kill(node, Whom::Worker)),
            Self::KillAll => drop(cluster.kill(node, Whom::All)),
            Self::Pause => drop(cluster.pause(node)),
            Self::CutPrivate => cluster.cut(node, Cable::Private),
            Self::LosePrivate => cluster.lose(node, Cable::Private),
            Self::CutBoth => cluster.cut(node, Cable::Both),
        }
        sleep(lasting);
        match self {
            Self::Nothing | Self::KillWorker => {}
            Self::KillAll => cluster.start(node),
            Self::Pause => drop(cluster.resume(node)),
            Self::CutPrivate | Self::LosePrivate | Self::CutBoth => cluster.heal(node),
        }
    }
}

/// A time in which what a node's clients do may be lost, with what they did before and nobody else saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The node.
    pub node: u64,
    /// When all is well again, in microseconds of the machine's clock.
    pub end_us: u64,
}
