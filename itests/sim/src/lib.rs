//! The simulator: a whole cluster of ctdb's state machines on virtual time, from one seed.
//!
//! ```text
//!   seed ─► swarm ─► world ─► schedule (one queue of events, one source of chance)
//!                      │
//!        ┌─────────────┼──────────────┬───────────┐
//!       node         network         lock       kernel      the machines are the product's own;
//!    (machines)      (links)       (keepers)   (leases)     everything around them is modelled here
//!        └─────────────┴──────┬───────┴───────────┘
//!                  invariant, liveness, census, trace
//! ```
//! Safety is judged at every instant while faults overlap; then all faults end and liveness is judged. A run
//! depends on nothing but its options: no clock, no thread, no map with a random order.

pub mod addresses;
pub mod census;
pub mod client;
pub mod clock;
pub mod event;
pub mod fault;
pub mod invariant;
pub mod kept;
pub mod kernel;
pub mod life;
pub mod liveness;
pub mod lock;
pub mod network;
pub mod node;
pub mod records;
pub mod sabotage;
pub mod schedule;
pub mod store;
pub mod swarm;
pub mod trace;
mod vacuum;
pub mod world;

use census::Census;
use invariant::Broken;
use swarm::Options;
use world::World;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The first broken invariant.
    pub broken: Option<Broken>,
    /// Hash over everything that happened.
    pub hash: u64,
    /// What occurred how often.
    pub census: Census,
    /// How long after the last fault all was well, in microseconds.
    pub healed_after_us: Option<u64>,
    /// How many leaderships began.
    pub leaderships: usize,
    /// How often a node called another one dead.
    pub deaths: u64,
    /// The trace, if it was wanted.
    pub trace: Vec<String>,
}

/// Runs one world to its end.
pub fn run(options: &Options) -> Outcome {
    let mut world = World::new(options.clone());
    let broken = world.run().err();
    let since = |at: u64| at.saturating_sub(options.faults_end);
    Outcome {
        broken,
        hash: world.bench.trace.hash(),
        census: world.bench.census.clone(),
        healed_after_us: world.watch.well_since.map(since),
        leaderships: world.watch.leaderships.len(),
        deaths: world.watch.deaths,
        trace: world.bench.trace.lines().map(String::from).collect(),
    }
}
