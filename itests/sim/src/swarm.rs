//! What one run is, from one seed. Swarm testing: each seed leaves some kinds of faults out completely and
//! weights the others wildly, so that no fault hides the effects of another one in all runs.

use crate::clock::{MS, Micros, SEC};
use crate::fault::FaultKind;
use crate::sabotage::Sabotage;
use ctdb_protocol::rng::Rng;
use ctdb_protocol::takeover::alloc::Algorithm;

/// How long a packet travels one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// At least.
    pub base: Micros,
    /// Up to so much more, evenly spread.
    pub jitter: Micros,
}

/// What clients do besides adding to records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Habits {
    /// They delete records, and the nodes vacuum.
    pub vacuums: bool,
    /// They read records, and nodes have read-only copies.
    pub readonly: bool,
    /// They fight for records, which are sticky.
    pub sticky: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where all chance comes from.
    pub seed: u64,
    /// Number of nodes.
    pub nodes: u32,
    /// A cluster lock decides; else majorities do.
    pub has_lock: bool,
    /// Public addresses of the cluster.
    pub addresses: u32,
    /// How they are spread.
    pub algorithm: Algorithm,
    /// Travel time between nodes.
    pub latency: Latency,
    /// Clients on each node.
    pub clients: u32,
    /// What else clients do.
    pub habits: Habits,
    /// Weights of the enabled faults.
    pub faults: Vec<(FaultKind, u64)>,
    /// How many faults.
    pub fault_count: u64,
    /// When all faults are over.
    pub faults_end: Micros,
    /// After that long without faults everything must be well.
    pub converge_within: Micros,
    /// End of the run.
    pub end: Micros,
    /// Keep a trace.
    pub trace: bool,
    /// A bug planted on purpose.
    pub sabotage: Option<Sabotage>,
}

impl Options {
    /// The run of `seed`.
    pub fn from_seed(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let nodes = match rng.below(40) {
            0 => 16,
            1..=3 => 2,
            _ => 3 + rng.below(6) as u32,
        };
        let latency = match rng.below(4) {
            0 => Latency {
                base: 50,
                jitter: 100,
            },
            1 | 2 => Latency {
                base: 100,
                jitter: 2 * MS,
            },
            _ => Latency {
                base: 2 * MS,
                jitter: 20 * MS,
            },
        };
        let faults = FaultKind::ALL
            .into_iter()
            .filter_map(|kind| {
                let weight = 1 + rng.below(20);
                rng.chance(2, 3).then_some((kind, weight))
            })
            .collect();
        let algorithm = match rng.below(3) {
            0 => Algorithm::Deterministic,
            1 => Algorithm::Nondeterministic,
            _ => Algorithm::Lcp2,
        };
        Self {
            seed,
            nodes,
            // Two nodes without a lock may both lead, as the start says: nothing to check then.
            has_lock: nodes == 2 || rng.chance(2, 3),
            habits: Habits {
                vacuums: seed % 2 == 1,
                readonly: seed.is_multiple_of(3),
                sticky: seed.is_multiple_of(5),
            },
            clients: 1 + rng.below(3) as u32,
            addresses: rng.below(u64::from(nodes) * 2 + 1) as u32,
            algorithm,
            latency,
            faults,
            fault_count: 5 + rng.below(15),
            faults_end: 42 * SEC,
            converge_within: 15 * SEC,
            end: 60 * SEC,
            trace: false,
            sabotage: None,
        }
    }

    /// The same without any fault.
    #[must_use]
    pub fn calm(mut self) -> Self {
        self.faults.clear();
        self.fault_count = 0;
        self
    }
}
