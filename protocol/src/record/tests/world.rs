//! A few record machines with stores in memory, one FIFO link per pair of nodes, and clients that add one
//! to a counter whenever they find the record theirs, just as smbd works on the file itself.
//!
//! One seed decides which of all possible things happens next. Every counter is checked when a client
//! sees it: exactly what was written last, or within what a lost node allows.

use super::clients::Client;
use crate::id::{DbId, Generation, Pnn, Rsn};
use crate::machine::{Effects, Machine};
use crate::membership::io::Recover;
use crate::membership::message::Composition;
use crate::record::header::{HEADER_BYTES, RecordFlags, RecordHeader};
use crate::record::io::{CallId, Effect, Input};
use crate::record::local::LocalOp;
use crate::record::machine::RecordMachine;
use crate::record::message::RecordMessage;
use crate::rng::Rng;
use crate::time::Instant;
use crate::timing::Timing;
use crate::wire::bytes::Bytes;
use crate::wire::message::DbKind;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

pub(super) const DB: DbId = DbId(7);

/// Steps after which a run that should have ended is stuck.
const STEPS_MAX: usize = 400_000;

pub(super) struct Node {
    pub(super) machine: RecordMachine,
    pub(super) store: BTreeMap<Bytes, Vec<u8>>,
    /// Operations that wait for a chain.
    pub(super) chains: BTreeMap<Bytes, VecDeque<LocalOp>>,
    pub(super) answers: VecDeque<Input>,
    pub(super) control: VecDeque<Recover>,
    pub(super) walks: VecDeque<Effect>,
    pub(super) alive: bool,
    /// Left the composition: what it does must not be seen by others.
    pub(super) stale: bool,
    pub(super) opened: bool,
}

/// What the leader waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leader {
    Preparing,
    Rebuilding,
    Serving,
    Committing,
    Resting,
}

#[derive(Clone)]
enum Event {
    Link(Pnn, Pnn),
    Chain(usize, Bytes),
    Answer(usize),
    Control(usize),
    Walk(usize),
    Vacuum(usize),
    Client(usize),
}

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) now: Instant,
    pub(super) nodes: Vec<Node>,
    pub(super) links: BTreeMap<(Pnn, Pnn), VecDeque<RecordMessage>>,
    pub(super) leader: Leader,
    pub(super) composition: Composition,
    pub(super) contributors: Vec<Pnn>,
    pub(super) prepared: BTreeSet<usize>,
    pub(super) ready: BTreeSet<Pnn>,
    pub(super) whole: BTreeSet<Pnn>,
    /// A composition to begin with, as long as it can be said which nodes were there to its end.
    pub(super) before: Option<Composition>,
    /// Recoveries of no more than what was touched.
    pub(super) touched: u32,
    /// Every recovery goes through everything.
    pub(super) is_thorough: bool,
    pub(super) clients: Vec<Client>,
    /// Only the client whose turn it is acts.
    pub(super) ring: Option<usize>,
    pub(super) calls: u64,
    pub(super) answered: BTreeSet<CallId>,
    /// Least and most that a counter may show next.
    pub(super) allowed: BTreeMap<Bytes, (u64, u64)>,
    /// One of so many operations fails; 0 for none.
    pub(super) fail_one_in: u64,
    pub(super) logged: Vec<&'static str>,
    pub(super) commits: u32,
    /// Clients delete a record instead of adding to it so often in ten times.
    pub(super) deletes_in_ten: u64,
    /// Somebody else deletes one of so many records that clients would write from the file; 0 for none.
    pub(super) vanish_one_in: u64,
    /// Clients read a record instead of adding to it so often in ten times.
    pub(super) reads_in_ten: u64,
    /// Reads that found a read-only copy.
    pub(super) copies_read: u64,
    /// No client holds a record for itself: what need not wait finds it free.
    pub(super) is_quiet: bool,
    /// Vacuum runs that may still begin at random.
    pub(super) vacuums_left: u32,
    pub(super) vacuumed: u64,
    /// Nodes with a vacuum run under way.
    pub(super) vacuuming: BTreeSet<usize>,
}

impl World {
    pub(super) fn new(count: u32, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let nodes = (0..count).map(|pnn| Node {
            machine: RecordMachine::new(Pnn(pnn), Timing::DEFAULT, rng.next_u64()),
            store: BTreeMap::new(),
            chains: BTreeMap::new(),
            answers: VecDeque::new(),
            control: VecDeque::new(),
            walks: VecDeque::new(),
            alive: true,
            stale: false,
            opened: false,
        });
        let nodes: Vec<Node> = nodes.collect();
        let mut world = Self {
            rng,
            now: Instant::ZERO,
            nodes,
            links: BTreeMap::new(),
            leader: Leader::Resting,
            composition: Composition::default(),
            contributors: Vec::new(),
            prepared: BTreeSet::new(),
            ready: BTreeSet::new(),
            whole: BTreeSet::new(),
            before: None,
            touched: 0,
            is_thorough: false,
            clients: Vec::new(),
            ring: None,
            calls: 0,
            answered: BTreeSet::new(),
            allowed: BTreeMap::new(),
            fail_one_in: 0,
            logged: Vec::new(),
            commits: 0,
            deletes_in_ten: 0,
            vanish_one_in: 0,
            reads_in_ten: 0,
            copies_read: 0,
            is_quiet: false,
            vacuums_left: 0,
            vacuumed: 0,
            vacuuming: BTreeSet::new(),
        };
        world.composition.generation = Generation::new(100, 0);
        // One node at least has the database; the others open it because the leader says so.
        world.open(0);
        world.recover();
        world.settle();
        world
    }

    /// Lets nodes have read-only copies; `None` all of them, else this one only.
    pub(super) fn set_readonly(&mut self, only: Option<usize>) {
        for node in 0..self.nodes.len() {
            if only.is_none_or(|only| only == node) {
                self.feed(node, Input::SetReadonly { db: DB });
            }
        }
    }

    pub(super) fn open(&mut self, node: usize) {
        self.nodes[node].opened = true;
        self.nodes[node].answers.push_back(Input::Opened {
            db: DB,
            kind: DbKind::Volatile,
        });
    }

    pub(super) fn feed(&mut self, node: usize, input: Input) {
        let mut effects = Effects::new();
        self.nodes[node].machine.step(self.now, input, &mut effects);
        let own = Pnn(node as u32);
        for effect in effects.drain() {
            match effect {
                Effect::Send { peer, message } => {
                    assert_ne!(peer, own, "a message to itself left the machine");
                    if self.nodes[peer.0 as usize].alive {
                        let link = self.links.entry((own, peer)).or_default();
                        link.push_back(message);
                    }
                }
                Effect::Local { key, op, .. } if !op.waits() => self.dig(node, &key, &op),
                Effect::Local { key, op, .. } => {
                    let chain = self.nodes[node].chains.entry(key).or_default();
                    assert!(chain.is_empty(), "two operations on one record");
                    chain.push_back(op);
                }
                Effect::Reply { call, .. } => {
                    assert!(self.answered.insert(call), "answered twice");
                }
                Effect::Scan { .. } | Effect::Wipe { .. } => {
                    self.nodes[node].walks.push_back(effect);
                }
                Effect::Open { .. } => self.open(node),
                Effect::Sift { run, .. } => self.sift(node, run),
                Effect::Vacuumed { report, .. } => {
                    self.vacuuming.remove(&node);
                    self.vacuumed += report.deleted;
                }
                Effect::Ready {
                    generation, whole, ..
                } => {
                    // One of an older composition came too late.
                    if generation == self.composition.generation {
                        self.ready.insert(own);
                        if whole {
                            self.whole.insert(own);
                        }
                    }
                }
                Effect::Log(notice) => self.logged.push(notice.name()),
                Effect::Replica { .. }
                | Effect::CommitDone { .. }
                | Effect::WantRecovery { .. } => panic!("the database is volatile: {effect:?}"),
            }
        }
    }

    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for ((from, to), link) in &self.links {
            if !link.is_empty() {
                events.push(Event::Link(*from, *to));
            }
        }
        for (pnn, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.alive) {
            let waiting = node.chains.iter().filter(|(_, chain)| !chain.is_empty());
            events.extend(waiting.map(|(key, _)| Event::Chain(pnn, key.clone())));
            if !node.answers.is_empty() {
                events.push(Event::Answer(pnn));
            }
            if !node.control.is_empty() {
                events.push(Event::Control(pnn));
            }
            if !node.walks.is_empty() {
                events.push(Event::Walk(pnn));
            }
            if !self.vacuuming.contains(&pnn) && self.vacuums_left > 0 {
                events.push(Event::Vacuum(pnn));
            }
        }
        let may_act = (0..self.clients.len()).filter(|index| self.may_act(*index));
        events.extend(may_act.map(Event::Client));
        events
    }

    /// Lets one thing happen; answers whether anything could.
    pub(super) fn step(&mut self) -> bool {
        self.lead();
        let events = self.events();
        let deadlines = self.nodes.iter().filter(|node| node.alive);
        let deadline = deadlines.filter_map(|node| node.machine.deadline()).min();
        if events.is_empty() {
            let Some(deadline) = deadline else {
                return false;
            };
            self.now = self.now.max(deadline);
        } else {
            self.now = self.now + Duration::from_micros(self.rng.below(200));
        }
        for node in 0..self.nodes.len() {
            let due = self.nodes[node].machine.deadline();
            if self.nodes[node].alive && due.is_some_and(|due| due <= self.now) {
                self.feed(node, Input::Timeout);
            }
        }
        if !events.is_empty() {
            let chosen = self.rng.below(events.len() as u64) as usize;
            self.happen(events[chosen].clone());
        }
        true
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Link(from, to) => {
                let link = self.links.get_mut(&(from, to));
                if let Some(message) = link.and_then(VecDeque::pop_front) {
                    self.feed(
                        to.0 as usize,
                        Input::Message {
                            peer: from,
                            message,
                        },
                    );
                }
            }
            Event::Chain(node, key) => self.operate(node, &key),
            Event::Answer(node) => {
                if let Some(input) = self.nodes[node].answers.pop_front() {
                    self.feed(node, input);
                }
            }
            Event::Control(node) => {
                if let Some(order) = self.nodes[node].control.pop_front() {
                    self.on_order(node, order);
                }
            }
            Event::Walk(node) => self.walk(node),
            Event::Vacuum(node) => {
                self.vacuums_left -= 1;
                let full = self.rng.chance(1, 3);
                self.vacuum(node, full);
            }
            Event::Client(index) => self.act(index),
        }
    }

    pub(super) fn is_recovering(&self) -> bool {
        self.leader != Leader::Resting
    }

    /// Runs until nothing can happen any more and every client is content.
    pub(super) fn settle(&mut self) {
        for _ in 0..STEPS_MAX {
            if !self.step() {
                let stuck = self.clients.iter().filter(|client| client.left > 0).count();
                assert_eq!(stuck, 0, "clients wait for ever");
                assert!(!self.is_recovering(), "the recovery never ends");
                return;
            }
        }
        panic!("no end after {STEPS_MAX} steps");
    }
}

pub(super) fn is_mine(node: &Node, pnn: usize, key: &Bytes) -> bool {
    let header = node
        .store
        .get(key)
        .and_then(|value| RecordHeader::split(value));
    header.is_some_and(|(header, _)| header.dmaster == Pnn(pnn as u32))
}

fn flags(node: &Node, key: &Bytes) -> RecordFlags {
    let header = node
        .store
        .get(key)
        .and_then(|value| RecordHeader::split(value));
    header.map_or(RecordFlags::empty(), |(header, _)| header.flags)
}

/// Whether a client may write the record.
pub(super) fn is_writable(node: &Node, pnn: usize, key: &Bytes) -> bool {
    is_mine(node, pnn, key) && !flags(node, key).contains(RecordFlags::RO_HAVE_DELEGATIONS)
}

/// Whether a read-only copy is here.
pub(super) fn is_copy(node: &Node, key: &Bytes) -> bool {
    flags(node, key).contains(RecordFlags::RO_HAVE_READONLY)
}

pub(super) fn rsn(value: &[u8]) -> Rsn {
    RecordHeader::split(value).map_or(Rsn(0), |(header, _)| header.rsn)
}

/// The counter in a record; an empty one counts 0.
pub(super) fn counter(value: &[u8]) -> u64 {
    let data = value.get(HEADER_BYTES..).unwrap_or_default();
    data.first_chunk::<8>()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
