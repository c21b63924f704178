//! A few record machines with stores in memory, one FIFO link per pair of nodes, and clients that add one
//! to a counter whenever they find the record theirs, just as smbd works on the file itself.
//!
//! One seed decides which of all possible things happens next. Every counter is checked when a client
//! sees it: exactly what was written last, or within what a lost node allows.

use super::clients::Client;
use crate::id::{DbId, Generation, Pnn, Rsn};
use crate::machine::{Effects, Machine};
use crate::membership::io::Recover;
use crate::membership::message::{Composition, DbInfo};
use crate::record::header::{HEADER_BYTES, RecordHeader};
use crate::record::io::{CallId, Effect, Input};
use crate::record::local::{LocalOp, LocalOutcome, apply};
use crate::record::machine::RecordMachine;
use crate::record::message::{Holding, RecordMessage};
use crate::rng::Rng;
use crate::time::Instant;
use crate::timing::Timing;
use crate::wire::bytes::Bytes;
use crate::wire::message::DbKind;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

pub(super) const DB: DbId = DbId(7);

/// Steps after which a run that should have ended is stuck.
const STEPS_MAX: usize = 400_000;

pub(super) struct Node {
    pub(super) machine: RecordMachine,
    pub(super) store: BTreeMap<Bytes, Vec<u8>>,
    /// Operations that wait for a chain.
    chains: BTreeMap<Bytes, VecDeque<LocalOp>>,
    answers: VecDeque<Input>,
    control: VecDeque<Recover>,
    walks: VecDeque<Effect>,
    pub(super) alive: bool,
    /// Left the composition: what it does must not be seen by others.
    pub(super) stale: bool,
    opened: bool,
}

/// What the leader waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leader {
    Preparing,
    Rebuilding,
    Serving,
    Resting,
}

#[derive(Clone)]
enum Event {
    Link(Pnn, Pnn),
    Chain(usize, Bytes),
    Answer(usize),
    Control(usize),
    Walk(usize),
    Client(usize),
}

pub(super) struct World {
    pub(super) rng: Rng,
    now: Instant,
    pub(super) nodes: Vec<Node>,
    links: BTreeMap<(Pnn, Pnn), VecDeque<RecordMessage>>,
    leader: Leader,
    pub(super) composition: Composition,
    contributors: Vec<Pnn>,
    prepared: BTreeSet<usize>,
    ready: BTreeSet<Pnn>,
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
            clients: Vec::new(),
            ring: None,
            calls: 0,
            answered: BTreeSet::new(),
            allowed: BTreeMap::new(),
            fail_one_in: 0,
            logged: Vec::new(),
            commits: 0,
        };
        world.composition.generation = Generation(100);
        // One node at least has the database; the others open it because the leader says so.
        world.open(0);
        world.recover();
        world.settle();
        world
    }

    fn open(&mut self, node: usize) {
        self.nodes[node].opened = true;
        self.nodes[node].answers.push_back(Input::Opened {
            db: DB,
            kind: DbKind::Volatile,
        });
    }

    /// The leader begins a recovery with all who live; stale nodes come back without their records.
    pub(super) fn recover(&mut self) {
        let members = |world: &Self, wanted: &dyn Fn(&Node) -> bool| -> Vec<Pnn> {
            let nodes = world.nodes.iter().enumerate();
            nodes
                .filter(|(_, node)| wanted(node))
                .map(|(pnn, _)| Pnn(pnn as u32))
                .collect()
        };
        self.contributors = members(self, &|node| node.alive && !node.stale);
        self.begin(members(self, &|node| node.alive));
    }

    fn begin(&mut self, members: Vec<Pnn>) {
        // Not every member need be lmaster.
        let lmasters = 1 + self.rng.below(members.len() as u64) as usize;
        let mut vnnmap = members.clone();
        vnnmap.truncate(lmasters);
        self.composition = Composition {
            generation: self.composition.generation.next(),
            members,
            vnnmap,
        };
        self.prepared.clear();
        self.ready.clear();
        self.leader = Leader::Preparing;
        self.order(&Recover::Prepare(self.composition.clone()));
    }

    fn order(&mut self, order: &Recover) {
        for member in &self.composition.members {
            self.nodes[member.0 as usize]
                .control
                .push_back(order.clone());
        }
    }

    /// A node leaves the composition with its records; the others go on without it.
    pub(super) fn suspend(&mut self, node: usize) {
        self.nodes[node].control.clear();
        self.feed(node, Input::Recover(Recover::Suspend));
        self.nodes[node].stale = true;
        self.widen();
        let is_in = |pnn: &usize| self.nodes[*pnn].alive && !self.nodes[*pnn].stale;
        let members: Vec<Pnn> = (0..self.nodes.len())
            .filter(is_in)
            .map(|pnn| Pnn(pnn as u32))
            .collect();
        self.contributors.clone_from(&members);
        self.begin(members);
    }

    /// A node dies with its store.
    pub(super) fn kill(&mut self, node: usize) {
        let dead = &mut self.nodes[node];
        dead.alive = false;
        dead.store.clear();
        dead.control.clear();
        self.clients.retain(|client| client.node != node);
        let gone = Pnn(node as u32);
        self.links
            .retain(|(from, to), _| *from != gone && *to != gone);
        self.widen();
        for peer in 0..self.nodes.len() {
            if self.nodes[peer].alive {
                self.feed(peer, Input::PeerDown { peer: gone });
            }
        }
    }

    /// What only a lost node knew may be gone: the newest copy of the others is the least to be seen.
    fn widen(&mut self) {
        for (key, (low, _)) in &mut self.allowed {
            let in_force = self.nodes.iter().filter(|node| node.alive && !node.stale);
            let copies = in_force.filter_map(|node| node.store.get(key));
            let newest = copies.map(|value| counter(value)).max().unwrap_or(0);
            *low = newest.min(*low);
        }
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
                Effect::Ready { generation, .. } => {
                    // One of an older composition came too late.
                    if generation == self.composition.generation {
                        self.ready.insert(own);
                    }
                }
                Effect::Log(notice) => self.logged.push(notice.name()),
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
            Event::Chain(node, key) => self.operate(node, key),
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
            Event::Client(index) => self.act(index),
        }
    }

    fn operate(&mut self, pnn: usize, key: Bytes) {
        let fails = self.fail_one_in > 0 && self.rng.chance(1, self.fail_one_in);
        let node = &mut self.nodes[pnn];
        let Some(op) = node.chains.get_mut(&key).and_then(VecDeque::pop_front) else {
            return;
        };
        let outcome = if fails {
            LocalOutcome::Failed
        } else {
            let old = node.store.get(&key).map(Vec::as_slice);
            let (outcome, value) = apply(&op, Pnn(pnn as u32), old);
            if let Some(value) = value {
                assert!(
                    old.map(rsn) <= Some(rsn(&value)),
                    "the sequence number went back"
                );
                node.store.insert(key.clone(), value);
            }
            outcome
        };
        let answer = Input::Local {
            db: DB,
            key: key.clone(),
            outcome,
        };
        node.answers.push_back(answer);
        let dmasters = self.dmasters(&key);
        assert!(dmasters.len() <= 1, "{key:?} has dmasters {dmasters:?}");
    }

    /// Members whose own header makes them dmaster.
    pub(super) fn dmasters(&self, key: &Bytes) -> Vec<usize> {
        let in_force = |pnn: &usize| self.nodes[*pnn].alive && !self.nodes[*pnn].stale;
        let owns = |pnn: &usize| is_mine(&self.nodes[*pnn], *pnn, key);
        (0..self.nodes.len())
            .filter(in_force)
            .filter(owns)
            .collect()
    }

    fn walk(&mut self, pnn: usize) {
        let node = &mut self.nodes[pnn];
        match node.walks.pop_front() {
            Some(Effect::Scan { generation, db }) => {
                let holding = |(key, value): (&Bytes, &Vec<u8>)| Holding {
                    key: key.clone(),
                    rsn: rsn(value),
                    is_dmaster: RecordHeader::split(value)
                        .is_some_and(|(header, _)| header.dmaster == Pnn(pnn as u32)),
                };
                let all: Vec<Holding> = node.store.iter().map(holding).collect();
                let half = all.len() / 2;
                for (part, done) in [(&all[..half], false), (&all[half..], true)] {
                    let holdings = part.to_vec();
                    let answer = Input::Scanned {
                        generation,
                        db,
                        holdings,
                        done,
                    };
                    node.answers.push_back(answer);
                }
            }
            Some(Effect::Wipe { generation, db }) => {
                node.store.clear();
                node.answers.push_back(Input::Wiped { generation, db });
            }
            _ => {}
        }
    }

    fn on_order(&mut self, node: usize, order: Recover) {
        match &order {
            Recover::Prepare(composition)
                if composition.generation == self.composition.generation =>
            {
                self.prepared.insert(node);
            }
            Recover::Serve { generation, .. } if *generation == self.composition.generation => {
                self.nodes[node].stale = false;
            }
            _ => {}
        }
        self.feed(node, Input::Recover(order));
    }

    /// The leader's part.
    fn lead(&mut self) {
        let generation = self.composition.generation;
        match self.leader {
            Leader::Preparing if self.prepared.len() == self.composition.members.len() => {
                self.leader = Leader::Rebuilding;
                self.order(&Recover::Rebuild {
                    generation,
                    contributors: self.contributors.clone(),
                    databases: vec![DbInfo {
                        id: DB,
                        name: "counters.tdb".to_string(),
                        kind: DbKind::Volatile,
                    }],
                });
            }
            Leader::Rebuilding => {
                if self
                    .composition
                    .vnnmap
                    .iter()
                    .all(|pnn| self.ready.contains(pnn))
                {
                    self.leader = Leader::Serving;
                    self.order(&Recover::Serve { generation, db: DB });
                    self.order(&Recover::Commit { generation });
                }
            }
            Leader::Serving
                if self
                    .nodes
                    .iter()
                    .all(|node| !node.alive || node.control.is_empty()) =>
            {
                self.leader = Leader::Resting;
                self.commits += 1;
            }
            Leader::Preparing | Leader::Serving | Leader::Resting => {}
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

pub(super) fn rsn(value: &[u8]) -> Rsn {
    RecordHeader::split(value).map_or(Rsn(0), |(header, _)| header.rsn)
}

/// The counter in a record; an empty one counts 0.
pub(super) fn counter(value: &[u8]) -> u64 {
    let data = value.get(HEADER_BYTES..).unwrap_or_default();
    data.first_chunk::<8>()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
