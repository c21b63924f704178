//! A small world of membership machines: links with random delay that keep the order, an election that the
//! test decides, record machines that only answer, and an oracle about whose records count.

use crate::election::standing::{Mandate, Standing};
use crate::flags::{NodeFlags, RunState};
use crate::heartbeat::message::{Claim, NodeState};
use crate::id::{DbId, Generation, Pnn, Term};
use crate::machine::{Effects, Machine};
use crate::membership::config::Config;
use crate::membership::io::{Effect, Input, Recover, Request};
use crate::membership::machine::Membership;
use crate::membership::message::{Composition, DbInfo, MembershipMessage, Stamp};
use crate::membership::view::{MembershipView, RecoveryMode};
use crate::notice::Notice;
use crate::record;
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::message::DbKind;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// What a link carries.
#[derive(Clone, Debug)]
enum Payload {
    Keepalive(NodeState, Claim),
    Message(MembershipMessage),
    Down,
}

#[derive(Clone, Debug)]
enum Event {
    Deliver {
        from: usize,
        to: usize,
        epoch: u32,
        payload: Payload,
    },
    Local {
        node: usize,
        life: u32,
        input: Input,
    },
}

/// One node with what stands around its machine.
pub(super) struct Node {
    machine: Membership,
    pub(super) alive: bool,
    life: u32,
    standing: Standing,
    own: NodeState,
    pub(super) view: MembershipView,
    composition: Composition,
    /// Leadership that prepared it.
    prepared_in: Term,
    databases: Vec<DbInfo>,
    /// Compositions whose records this node carries, as the oracle sees it.
    lineage: BTreeSet<Stamp>,
    /// The composition of the last `Rebuild`, with what its contributors carried.
    rebuilt: (Stamp, BTreeSet<Stamp>),
    /// The newest composition this node itself knows to have been served.
    knows: Stamp,
    pub(super) logs: Vec<Notice>,
}

/// The world.
pub(super) struct World {
    pub(super) nodes: Vec<Node>,
    pub(super) rng: Rng,
    now_us: u64,
    term: u64,
    queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    /// Per ordered pair: whether it is up, its life, and the time of its last delivery.
    links: BTreeMap<(usize, usize), (bool, u32, u64)>,
    served: BTreeSet<Stamp>,
    /// Who carried out the `Rebuild` of each composition. When all members have, clients may work with what it decided.
    carried: BTreeMap<Stamp, BTreeSet<usize>>,
    /// For each composition the newest one before it, and what its contributors carried.
    decided: BTreeMap<Stamp, (Stamp, BTreeSet<Stamp>)>,
    compositions: BTreeMap<Generation, Composition>,
    /// Generations that any node committed, in that order.
    pub(super) commits: Vec<Generation>,
    /// Contributors that count though they never committed the newest composition.
    pub(super) uncommitted_contributors: u32,
    pub(super) longest_delay_us: u64,
    pub(super) mute_prepared: Option<usize>,
}

impl World {
    /// `count` nodes that are not started yet, with `databases` databases each.
    pub(super) fn new(seed: u64, count: usize, databases: u32) -> Self {
        let mut rng = Rng::new(seed);
        let nodes = (0..count).map(|n| new_node(n, count, databases, &mut rng));
        Self {
            nodes: nodes.collect(),
            rng,
            now_us: 0,
            term: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            links: BTreeMap::new(),
            served: BTreeSet::new(),
            carried: BTreeMap::new(),
            decided: BTreeMap::new(),
            compositions: BTreeMap::new(),
            commits: Vec::new(),
            uncommitted_contributors: 0,
            longest_delay_us: 2_000,
            mute_prepared: None,
        }
    }

    /// All nodes started, connected, led by node 0, and at rest.
    pub(super) fn settled(seed: u64, count: usize, databases: u32) -> Self {
        let mut world = Self::new(seed, count, databases);
        for node in 0..count {
            world.start(node);
        }
        world.lead(0);
        world.run(1_000);
        world.assert_converged();
        world
    }

    fn push(&mut self, at_us: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((at_us, self.sequence), event);
    }

    fn input_after(&mut self, node: usize, delay_us: u64, input: Input) {
        let life = self.nodes[node].life;
        self.push(self.now_us + delay_us, Event::Local { node, life, input });
    }

    fn carry(&mut self, from: usize, to: usize, payload: Payload) {
        let delay = 50 + self.rng.below(self.longest_delay_us);
        let (up, epoch, last) = self.links.entry((from, to)).or_insert((false, 0, 0));
        if *up || matches!(payload, Payload::Down) {
            *last = (self.now_us + delay).max(*last);
            let (at, epoch) = (*last, *epoch);
            let event = Event::Deliver {
                from,
                to,
                epoch,
                payload,
            };
            self.push(at, event);
        }
    }

    fn keepalives(&mut self, node: usize) {
        let claim = self.nodes[node]
            .standing
            .claim(Pnn(node as u32), Term(self.term));
        let own = self.nodes[node].own;
        for peer in 0..self.nodes.len() {
            if peer != node {
                self.carry(node, peer, Payload::Keepalive(own, claim));
            }
        }
    }

    /// Brings the link of two nodes up or down.
    pub(super) fn link(&mut self, a: usize, b: usize, up: bool) {
        let up = up && self.nodes[a].alive && self.nodes[b].alive;
        for (from, to) in [(a, b), (b, a)] {
            let link = self.links.entry((from, to)).or_insert((false, 0, 0));
            if link.0 == up {
                continue;
            }
            link.0 = up;
            link.1 += 1;
            if up {
                let claim = self.nodes[from]
                    .standing
                    .claim(Pnn(from as u32), Term(self.term));
                let own = self.nodes[from].own;
                self.carry(from, to, Payload::Keepalive(own, claim));
            } else {
                self.carry(from, to, Payload::Down);
            }
        }
    }

    /// Brings all links of a node up or down.
    pub(super) fn links_of(&mut self, node: usize, up: bool) {
        for peer in 0..self.nodes.len() {
            if peer != node {
                self.link(node, peer, up);
            }
        }
    }

    /// Starts a node, connected to all that are alive.
    pub(super) fn start(&mut self, node: usize) {
        let count = self.nodes.len();
        let databases = self.nodes[node].databases.len() as u32;
        let life = self.nodes[node].life + 1;
        self.nodes[node] = Node {
            alive: true,
            life,
            ..new_node(node, count, databases, &mut self.rng)
        };
        let open = self.nodes[node].databases.clone();
        self.feed(node, Input::Databases(open));
        self.links_of(node, true);
        let delay = self.rng.below(20_000);
        self.input_after(node, delay, Input::RunState(RunState::FirstRecovery));
    }

    /// Ends a node without a word.
    pub(super) fn kill(&mut self, node: usize) {
        self.links_of(node, false);
        self.nodes[node].alive = false;
        self.nodes[node].life += 1;
    }

    /// Elects `leader` for all nodes that it has a link to.
    pub(super) fn lead(&mut self, leader: usize) {
        self.term += 1;
        let term = Term(self.term);
        for node in 0..self.nodes.len() {
            let standing = if node == leader {
                Standing::Leader {
                    term,
                    mandate: Mandate::Side,
                }
            } else if self.is_up(leader, node) {
                Standing::Follower {
                    leader: Pnn(leader as u32),
                    term,
                }
            } else {
                continue;
            };
            let delay = self.rng.below(5_000);
            self.input_after(node, delay, Input::Standing(standing));
        }
    }

    /// Nobody leads any more.
    pub(super) fn search(&mut self) {
        for node in 0..self.nodes.len() {
            self.feed(node, Input::Standing(Standing::Searching));
        }
    }

    fn is_up(&self, a: usize, b: usize) -> bool {
        self.links.get(&(a, b)).is_some_and(|link| link.0)
    }

    /// A client of `node` asks.
    pub(super) fn ask(&mut self, node: usize, request: Request) {
        self.feed(node, Input::Request(request));
    }

    /// Lets `ms` milliseconds pass.
    pub(super) fn run(&mut self, ms: u64) {
        let end = self.now_us + ms * 1_000;
        loop {
            let event = self.queue.keys().next().copied();
            let timer = (0..self.nodes.len())
                .filter(|node| self.nodes[*node].alive)
                .filter_map(|node| Some((self.nodes[node].machine.deadline()?.as_micros(), node)))
                .min();
            match (event, timer) {
                (Some((at, _)), timer)
                    if at <= end && timer.is_none_or(|(due, _)| at <= due.max(self.now_us)) =>
                {
                    self.now_us = self.now_us.max(at);
                    let event = self.queue.pop_first().expect("an event").1;
                    self.happen(event);
                }
                (_, Some((due, node))) if due <= end => {
                    self.now_us = self.now_us.max(due);
                    self.feed(node, Input::Timeout);
                }
                _ => break,
            }
        }
        self.now_us = end;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver {
                from,
                to,
                epoch,
                payload,
            } => {
                if !self.nodes[to].alive || self.links[&(from, to)].1 != epoch {
                    return;
                }
                let peer = Pnn(from as u32);
                let input = match payload {
                    Payload::Keepalive(node, claim) => Input::Peer { peer, node, claim },
                    Payload::Message(message) => Input::Message { peer, message },
                    Payload::Down => Input::PeerDown { peer },
                };
                self.feed(to, input);
            }
            Event::Local { node, life, input } => {
                if self.nodes[node].life == life {
                    self.feed(node, input);
                }
            }
        }
    }

    fn feed(&mut self, node: usize, input: Input) {
        let claimed = match input {
            Input::Standing(standing) => {
                self.nodes[node].standing = standing;
                true
            }
            _ => false,
        };
        let mut fx = Effects::new();
        let now = Instant::from_micros(self.now_us);
        self.nodes[node].machine.step(now, input, &mut fx);
        for effect in fx.drain() {
            self.carry_out(node, effect);
        }
        if claimed {
            self.keepalives(node);
        }
    }

    fn carry_out(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Send { peer, message } => {
                let muted = matches!(message, MembershipMessage::Prepared { .. });
                if !(muted && self.mute_prepared == Some(node)) {
                    self.carry(node, peer.0 as usize, Payload::Message(message));
                }
            }
            Effect::Own(own) => {
                assert_ne!(self.nodes[node].own, own, "told without a change");
                self.nodes[node].own = own;
                self.keepalives(node);
            }
            Effect::View(view) => {
                assert_ne!(self.nodes[node].view, view, "told without a change");
                self.nodes[node].view = view;
            }
            Effect::Records(record::io::Input::Recover(order)) => self.records(node, order),
            Effect::Records(_) => {}
            Effect::Recovered(generation) => {
                if !self.commits.contains(&generation) {
                    self.commits.push(generation);
                }
            }
            Effect::Log(notice) => self.nodes[node].logs.push(notice),
        }
    }

    /// The record machine of `node`.
    fn records(&mut self, node: usize, order: Recover) {
        match order {
            Recover::Prepare(composition) => {
                let claim = self.nodes[node].standing.claim(Pnn(0), Term(0));
                self.nodes[node].prepared_in = claim.term;
                let known = self.compositions.entry(composition.generation);
                let known = known.or_insert_with(|| composition.clone());
                assert_eq!(known, &composition, "one name for two compositions");
                self.nodes[node].composition = composition;
            }
            Recover::Rebuild {
                generation,
                contributors,
                databases,
                ..
            } => {
                assert_eq!(self.nodes[node].composition.generation, generation);
                self.judge(node, &contributors);
                if self.nodes[node].databases != databases {
                    self.nodes[node].databases.clone_from(&databases);
                    self.input_after(node, 0, Input::Databases(databases.clone()));
                }
                let lmaster = Pnn(node as u32);
                if self.nodes[node].composition.vnnmap.contains(&lmaster) {
                    for db in databases {
                        let db = db.id;
                        let delay = 100 + self.rng.below(20_000);
                        let ready = |whole| Input::Ready {
                            generation,
                            db,
                            whole,
                        };
                        let later = delay + self.rng.below(20_000);
                        self.input_after(node, delay, ready(false));
                        self.input_after(node, later, ready(true));
                    }
                }
            }
            // Without databases `Commit` alone tells that the composition is in force.
            Recover::Serve { generation, .. } | Recover::Commit { generation } => {
                self.serve(node, generation);
            }
            Recover::Suspend => self.nodes[node].composition = Composition::default(),
        }
    }

    fn serve(&mut self, node: usize, generation: Generation) {
        let (stamp, lineage) = self.nodes[node].rebuilt.clone();
        assert_eq!(stamp.generation, generation, "served before it was rebuilt");
        self.nodes[node].knows = stamp;
        self.nodes[node].lineage.extend(lineage);
        self.served.insert(stamp);
        self.equal(stamp);
    }

    /// Who was rebuilt for a composition is as good as any from now on.
    fn equal(&mut self, stamp: Stamp) {
        for peer in &mut self.nodes {
            if peer.rebuilt.0 == stamp {
                let lineage = peer.rebuilt.1.clone();
                peer.lineage.extend(lineage);
                peer.lineage.insert(stamp);
            }
        }
    }

    /// The newest composition that counts as far as a node can tell.
    fn counting(&self, peer: &Node) -> Stamp {
        let (rebuilt, _) = peer.rebuilt;
        let members = self.compositions.get(&rebuilt.generation);
        let carried = self.carried.get(&rebuilt).map_or(0, BTreeSet::len);
        let all_did = members.is_some_and(|composition| composition.members.len() == carried);
        if all_did && peer.knows != Stamp::NONE {
            peer.knows.max(rebuilt)
        } else {
            peer.knows
        }
    }

    /// The oracle: nobody contributes who lacks what a member knows to have been served, or what clients may have worked
    /// with, and nobody is left out who has it.
    fn judge(&mut self, node: usize, contributors: &[Pnn]) {
        let composition = self.nodes[node].composition.clone();
        let stamp = Stamp {
            term: self.nodes[node].prepared_in,
            generation: composition.generation,
        };
        // Decided when the first node hears of it: later the others may have gone on.
        if !self.decided.contains_key(&stamp) {
            let decision = self.decide(&composition.members, contributors);
            self.decided.insert(stamp, decision);
        }
        let (newest, lineage) = self.decided[&stamp].clone();
        let peer = &mut self.nodes[node];
        if contributors.contains(&Pnn(node as u32)) {
            peer.knows = newest;
        } else {
            peer.lineage.clear();
            peer.knows = Stamp::NONE;
        }
        if self.served.contains(&stamp) {
            peer.lineage.extend(lineage.iter().copied());
            peer.lineage.insert(stamp);
        }
        peer.rebuilt = (stamp, lineage);
        let carried = self.carried.entry(stamp).or_default();
        carried.insert(node);
        if carried.len() == composition.members.len() {
            self.equal(stamp);
        }
    }

    /// The newest composition that a member knows served, and what the contributors carry together.
    fn decide(&mut self, members: &[Pnn], contributors: &[Pnn]) -> (Stamp, BTreeSet<Stamp>) {
        let mut lineage = BTreeSet::new();
        let peers = members.iter().map(|pnn| &self.nodes[pnn.0 as usize]);
        let newest = peers
            .map(|peer| self.counting(peer))
            .max()
            .expect("a member");
        let peers = members.iter().map(|pnn| &self.nodes[pnn.0 as usize]);
        // Whether all members carried out that one may be unknown to those who are there.
        let is_newest_known = peers.map(|peer| peer.rebuilt.0).max() <= Some(newest);
        for pnn in members {
            let peer = &self.nodes[pnn.0 as usize];
            let has = newest == Stamp::NONE || peer.lineage.contains(&newest);
            let counts = contributors.contains(pnn);
            assert!(has || !counts, "node {pnn} lacks {newest:?}");
            // Who went on to a later attempt without hearing that this one was served may be left out.
            let is_rebuilt = peer.rebuilt.0 == newest && peer.knows != Stamp::NONE;
            let sure = newest == Stamp::NONE || peer.knows == newest || is_rebuilt;
            let sure = sure && is_newest_known;
            assert!(counts || !(has && sure), "node {pnn} has {newest:?}");
            if counts {
                lineage.extend(peer.lineage.iter().copied());
                if peer.view.committed != newest.generation {
                    self.uncommitted_contributors += 1;
                }
            }
        }
        (newest, lineage)
    }

    /// Everybody who is alive and active serves the same composition, of just these nodes.
    pub(super) fn assert_converged(&self) {
        let members: Vec<Pnn> = (0..self.nodes.len())
            .filter(|node| self.nodes[*node].alive && !self.nodes[*node].own.flags.is_inactive())
            .map(|node| Pnn(node as u32))
            .collect();
        let first = &self.nodes[members[0].0 as usize].view.composition;
        assert_eq!(first.members, members);
        for pnn in &members {
            let node = &self.nodes[pnn.0 as usize];
            assert_eq!(node.view.mode, RecoveryMode::Normal, "node {pnn}");
            assert_eq!(&node.view.composition, first, "node {pnn}");
            assert_eq!(node.own.committed, first.generation, "node {pnn}");
            for (other, view) in node.view.nodes.iter().enumerate() {
                let up = other == pnn.0 as usize || self.is_up(pnn.0 as usize, other);
                assert_eq!(view.flags.contains(NodeFlags::DISCONNECTED), !up);
            }
        }
    }

    /// How often any node logged a notice of this name.
    pub(super) fn logged(&self, name: &str) -> usize {
        let logs = self.nodes.iter().flat_map(|node| &node.logs);
        logs.filter(|notice| notice.name() == name).count()
    }
}

fn new_node(n: usize, count: usize, databases: u32, rng: &mut Rng) -> Node {
    let info = |db| DbInfo {
        id: DbId(db),
        name: alloc::format!("{db}.tdb"),
        kind: DbKind::Volatile,
    };
    let config = Config::new(Pnn(n as u32), count, rng.next_u64());
    Node {
        machine: Membership::new(config),
        alive: false,
        life: 0,
        standing: Standing::Searching,
        own: NodeState::default(),
        view: MembershipView::default(),
        composition: Composition::default(),
        prepared_in: Term(0),
        databases: (0..databases).map(info).collect(),
        lineage: BTreeSet::new(),
        rebuilt: (Stamp::NONE, BTreeSet::new()),
        knows: Stamp::NONE,
        logs: Vec::new(),
    }
}
