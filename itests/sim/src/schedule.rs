//! The world's time: what is due when. Equal times keep the order in which they were planned, so one seed
//! always gives one run.

use crate::census::Census;
use crate::clock::Micros;
use crate::event::{Event, Work};
use crate::swarm::Options;
use crate::trace::Trace;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::rng::Rng;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// What every part of the world needs: time, chance, counters, trace and options.
#[derive(Debug)]
pub struct Bench {
    /// The present.
    pub now: Micros,
    /// The only source of chance.
    pub rng: Rng,
    /// Counters of faults and paths.
    pub census: Census,
    /// What happened.
    pub trace: Trace,
    /// What this run is.
    pub options: Options,
    due: BinaryHeap<Due>,
    planned: u64,
}

#[derive(Debug)]
struct Due {
    at: Micros,
    number: u64,
    event: Event,
}

/// The greatest is the first to come.
impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl Bench {
    /// An empty plan.
    pub fn new(options: Options) -> Self {
        Self {
            now: 0,
            rng: Rng::new(options.seed ^ 0x0005_eed0_f51a),
            census: Census::default(),
            trace: Trace::new(options.trace),
            options,
            due: BinaryHeap::new(),
            planned: 0,
        }
    }

    /// Plans `event` at `at`, or now if that has passed.
    pub fn at(&mut self, at: Micros, event: Event) {
        self.planned += 1;
        let (at, number) = (at.max(self.now), self.planned);
        self.due.push(Due { at, number, event });
    }

    /// Plans `event` in `micros`.
    pub fn after(&mut self, micros: Micros, event: Event) {
        self.at(self.now + micros, event);
    }

    /// Plans work of a process.
    pub fn work(&mut self, micros: Micros, node: Pnn, life: u32, work: Work) {
        self.after(micros, Event::Work { node, life, work });
    }

    /// Takes the next event and makes its time the present.
    pub fn next_event(&mut self) -> Option<Event> {
        let Due { at, number, event } = self.due.pop()?;
        self.now = at;
        self.trace.mix(at);
        self.trace.mix(number);
        Some(event)
    }

    /// How much is planned.
    pub fn planned(&self) -> usize {
        self.due.len()
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.rng.below(high.saturating_sub(low) + 1)
    }

    /// True once in `odds`.
    pub fn one_in(&mut self, odds: u64) -> bool {
        self.rng.chance(1, odds)
    }
}
