//! A small cluster around takeover machines: links with delays that lose or hold back messages when they
//! are cut, a kernel that is slow and fails, leases that outlast the last contact.

use crate::election::standing::{Mandate, Standing};
use crate::flags::{NodeFlags, RunState};
use crate::heartbeat::message::NodeState;
use crate::id::{Pnn, Term};
use crate::machine::{Effects, Machine};
use crate::membership::view::{MembershipView, NodeView};
use crate::notice::Notice;
use crate::rng::Rng;
use crate::takeover::alloc::Algorithm;
use crate::takeover::io::{ConfiguredAddress, Effect, Input, Settings};
use crate::takeover::machine::Takeover;
use crate::takeover::message::TakeoverMessage;
use crate::takeover::view::AddressView;
use crate::time::Instant;
use crate::timing::Timing;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct Node {
    machine: Takeover,
    pub(super) alive: bool,
    life: u64,
    pub(super) cut: bool,
    standing: Standing,
    pub(super) flags: NodeFlags,
    pub(super) interfaces: BTreeMap<String, bool>,
    /// In the kernel, with the interface.
    pub(super) kernel: BTreeMap<IpAddr, String>,
    operations: u32,
    pub(super) lease: bool,
    lease_until: Instant,
    contact: Instant,
    lost: BTreeSet<usize>,
    wake: Option<Instant>,
    pub(super) view: AddressView,
    pub(super) runs: Vec<u64>,
    pub(super) reallocated: usize,
    pub(super) left: bool,
    pub(super) log: Vec<Notice>,
}

struct Packet {
    from: usize,
    to: usize,
    lives: (u64, u64),
    cuts: u64,
    late: bool,
    message: TakeoverMessage,
}

enum Event {
    Deliver(Packet),
    Kernel(usize, u64, IpAddr, Option<String>),
    View(usize),
    /// Heartbeats and leases.
    Tick,
    /// Silence of a node is noticed.
    Silence {
        node: usize,
        cuts: u64,
    },
    Heard(usize),
    Elect,
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) rng: Rng,
    timing: Timing,
    settings: Settings,
    pub(super) nodes: Vec<Node>,
    pub(super) addresses: Vec<IpAddr>,
    queue: BTreeMap<(Instant, u64), Event>,
    order: u64,
    /// Last delivery on each link: links keep the order.
    links: BTreeMap<(usize, usize), Instant>,
    cuts: u64,
    pub(super) leader: Option<usize>,
    term: u64,
    /// Kernel operations that fail, of 100.
    pub(super) failures: u64,
    /// Violations are counted here instead of ending the test.
    pub(super) doubles: u32,
    /// How often an address came onto a node.
    pub(super) taken: u32,
}

impl World {
    pub(super) fn new(seed: u64, nodes: usize, addresses: usize) -> Self {
        let mut rng = Rng::new(seed);
        let settings = Settings {
            algorithm: if rng.chance(1, 4) {
                Algorithm::Nondeterministic
            } else {
                Algorithm::Lcp2
            },
            ..Settings::default()
        };
        let addresses = (0..addresses)
            .map(|i| IpAddr::from([10, 0, (i % 2) as u8, (i + 1) as u8]))
            .collect();
        let mut world = Self {
            now: Instant::ZERO,
            rng,
            timing: Timing::DEFAULT,
            settings,
            nodes: Vec::new(),
            addresses,
            queue: BTreeMap::new(),
            order: 0,
            links: BTreeMap::new(),
            cuts: 0,
            leader: None,
            term: 0,
            failures: 0,
            doubles: 0,
            taken: 0,
        };
        for pnn in 0..nodes {
            let node = world.fresh_node(pnn, 0);
            world.nodes.push(node);
        }
        for pnn in 0..nodes {
            world.start(pnn);
        }
        world.at(ms(0), Event::Tick);
        world.at(ms(20), Event::Elect);
        world
    }

    fn fresh_node(&self, pnn: usize, life: u64) -> Node {
        Node {
            machine: Takeover::new(Pnn(pnn as u32), self.timing, self.settings),
            alive: true,
            life,
            cut: false,
            standing: Standing::Searching,
            flags: NodeFlags::empty(),
            interfaces: ["eth0", "eth1"].map(|name| (name.into(), true)).into(),
            kernel: BTreeMap::new(),
            operations: 0,
            lease: false,
            lease_until: Instant::ZERO,
            contact: self.now,
            lost: BTreeSet::new(),
            wake: None,
            view: AddressView::default(),
            runs: Vec::new(),
            reallocated: 0,
            left: false,
            log: Vec::new(),
        }
    }

    pub(super) fn configuration(&self) -> Vec<ConfiguredAddress> {
        self.addresses
            .iter()
            .map(|address| ConfiguredAddress {
                address: *address,
                prefix: 24,
                interfaces: ["eth0", "eth1"].map(String::from).into(),
            })
            .collect()
    }

    fn start(&mut self, pnn: usize) {
        let configured = self.configuration();
        for name in ["eth0", "eth1"].map(String::from) {
            self.feed(pnn, Input::Interface { name, up: true });
        }
        self.feed(pnn, Input::Configure(configured));
    }

    fn at(&mut self, after: Duration, event: Event) {
        self.order += 1;
        self.queue.insert((self.now + after, self.order), event);
    }

    fn micros(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_micros(from + self.rng.below(to - from))
    }

    fn linked(&self, a: usize, b: usize) -> bool {
        let up = |n: &Node| n.alive && !n.cut;
        up(&self.nodes[a]) && up(&self.nodes[b])
    }

    pub(super) fn feed(&mut self, pnn: usize, input: Input) {
        if !self.nodes[pnn].alive {
            return;
        }
        let mut effects = Effects::new();
        self.nodes[pnn].machine.step(self.now, input, &mut effects);
        let effects: Vec<Effect> = effects.drain().collect();
        for effect in effects {
            self.carry_out(pnn, effect);
        }
        let deadline = self.nodes[pnn].machine.deadline();
        assert!(
            deadline.is_none_or(|at| at > self.now),
            "node {pnn} wants to be woken in the past"
        );
        self.nodes[pnn].wake = deadline;
        self.check();
    }

    fn carry_out(&mut self, pnn: usize, effect: Effect) {
        let life = self.nodes[pnn].life;
        match effect {
            Effect::Send { peer, message } => self.send(pnn, peer.0 as usize, message),
            Effect::Add {
                address, interface, ..
            } => {
                assert!(self.nodes[pnn].lease, "an addition without a lease");
                self.operate(pnn, life, address, Some(interface));
            }
            Effect::Remove { address, .. } => self.operate(pnn, life, address, None),
            Effect::View(view) => self.nodes[pnn].view = view,
            Effect::RunDone { request, .. } => self.nodes[pnn].runs.push(request),
            Effect::Left => {
                assert!(self.nodes[pnn].kernel.is_empty());
                self.nodes[pnn].left = true;
            }
            Effect::Log(notice) => self.nodes[pnn].log.push(notice),
            Effect::Taken(_) => self.taken += 1,
            Effect::Released(_) | Effect::Prepare(_) | Effect::Announce { .. } => {}
            Effect::Reallocated => self.nodes[pnn].reallocated += 1,
        }
    }

    fn operate(&mut self, node: usize, life: u64, address: IpAddr, add: Option<String>) {
        self.nodes[node].operations += 1;
        let after = self.micros(300, 30_000);
        self.at(after, Event::Kernel(node, life, address, add));
    }

    fn send(&mut self, from: usize, to: usize, message: TakeoverMessage) {
        assert_ne!(from, to, "a message to itself");
        let lives = (self.nodes[from].life, self.nodes[to].life);
        let cuts = self.cuts;
        if matches!(message, TakeoverMessage::RunOver { .. }) {
            // It changes no state and draws no number, so that each seed's world stays what it was.
            self.nodes[to].reallocated += usize::from(self.linked(from, to));
            return;
        }
        if !self.linked(from, to) && self.rng.chance(1, 2) {
            return;
        }
        let mut at = self.now + self.micros(50, 3_000);
        let last = self.links.entry((from, to)).or_insert(at);
        at = at.max(*last + Duration::from_micros(1));
        *last = at;
        let after = at.since(self.now);
        let packet = Packet {
            from,
            to,
            lives,
            cuts,
            late: false,
            message,
        };
        self.at(after, Event::Deliver(packet));
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let event = self.queue.keys().next().map(|key| key.0);
            let wake = (0..self.nodes.len())
                .filter(|pnn| self.nodes[*pnn].alive)
                .filter_map(|pnn| Some((self.nodes[pnn].wake?, pnn)))
                .min();
            let next = event.into_iter().chain(wake.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = next.max(self.now);
            match wake {
                Some((at, pnn)) if at == next => self.feed(pnn, Input::Timeout),
                _ => {
                    if let Some((_, event)) = self.queue.pop_first() {
                        self.happen(event);
                    }
                }
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, packet: Packet) {
        let (from, to) = (packet.from, packet.to);
        if packet.lives != (self.nodes[from].life, self.nodes[to].life) {
            return;
        }
        let broken = packet.cuts != self.cuts || !self.linked(from, to);
        if !broken || packet.late {
            let (peer, message) = (Pnn(from as u32), packet.message);
            self.feed(to, Input::Message { peer, message });
        } else if self.rng.chance(1, 2) {
            // Not lost with the connection but stuck in it for a while.
            let after = self.micros(0, 3_000_000);
            let late = true;
            self.at(after, Event::Deliver(Packet { late, ..packet }));
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver(packet) => self.deliver(packet),
            Event::Kernel(node, life, address, add) => self.kernel(node, life, address, add),
            Event::View(pnn) => {
                let view = self.view_of(pnn);
                self.feed(pnn, Input::View(view));
            }
            Event::Tick => self.tick(),
            Event::Silence { node, cuts } if cuts == self.cuts || !self.is_up(node) => {
                self.notice_silence(node);
            }
            Event::Silence { .. } => {}
            Event::Heard(node) => self.notice_return(node),
            Event::Elect => self.elect(),
        }
    }

    fn kernel(&mut self, pnn: usize, life: u64, address: IpAddr, add: Option<String>) {
        if self.nodes[pnn].life != life || !self.nodes[pnn].alive {
            return;
        }
        self.nodes[pnn].operations -= 1;
        let failed = self.rng.below(100) < self.failures;
        let error = failed.then(|| String::from("the kernel would not"));
        if !failed {
            match add {
                Some(interface) => self.nodes[pnn].kernel.insert(address, interface),
                None => self.nodes[pnn].kernel.remove(&address),
            };
        }
        let present = self.nodes[pnn].kernel.contains_key(&address);
        self.feed(
            pnn,
            Input::Kernel {
                address,
                present,
                error,
            },
        );
    }

    pub(super) fn is_up(&self, pnn: usize) -> bool {
        self.nodes[pnn].alive && !self.nodes[pnn].cut
    }

    fn tick(&mut self) {
        self.at(ms(20), Event::Tick);
        for pnn in 0..self.nodes.len() {
            let leader = self.leader.filter(|leader| self.linked(*leader, pnn));
            if let Some(leader) = leader
                && self.follows(pnn, leader)
            {
                let lasts = self.micros(800_000, 1_200_000);
                let node = &mut self.nodes[pnn];
                node.contact = self.now;
                node.lease_until = self.now + lasts;
                if !node.lease && node.kernel.is_empty() && node.operations == 0 {
                    node.lease = true;
                    self.feed(pnn, Input::Lease { alive: true });
                }
            }
            let node = &mut self.nodes[pnn];
            if node.lease && node.lease_until <= self.now + ms(20) {
                node.lease = false;
                self.feed(pnn, Input::Lease { alive: false });
            }
        }
    }

    fn follows(&self, pnn: usize, leader: usize) -> bool {
        let term = Term(self.term);
        match self.nodes[pnn].standing {
            Standing::Leader { term: of, .. } => pnn == leader && of == term,
            Standing::Follower {
                leader: who,
                term: of,
            } => who.0 as usize == leader && of == term,
            Standing::Searching => false,
        }
    }

    fn view_of(&self, pnn: usize) -> MembershipView {
        let own = Pnn(pnn as u32);
        let mine = self.nodes[pnn].standing;
        let key = |standing: Standing, pnn: usize| standing.claim(Pnn(pnn as u32), Term(0));
        let nodes = (0..self.nodes.len())
            .map(|other| {
                let node = &self.nodes[other];
                let mut flags = node.flags;
                flags.set(
                    NodeFlags::DISCONNECTED,
                    self.nodes[pnn].lost.contains(&other),
                );
                NodeView {
                    flags,
                    state: NodeState {
                        flags: node.flags,
                        run_state: RunState::Running,
                        ..NodeState::default()
                    },
                    same_leader: mine != Standing::Searching
                        && key(mine, pnn) == key(node.standing, other),
                }
            })
            .collect();
        MembershipView {
            own,
            standing: mine,
            nodes,
            ..MembershipView::default()
        }
    }

    /// Everybody hears of a change, sooner or later.
    pub(super) fn spread(&mut self) {
        for pnn in 0..self.nodes.len() {
            let after = self.micros(0, 10_000);
            self.at(after, Event::View(pnn));
        }
    }

    pub(super) fn set_flags(&mut self, pnn: usize, flags: NodeFlags) {
        self.nodes[pnn].flags = flags;
        self.spread();
    }

    pub(super) fn set_interface(&mut self, pnn: usize, name: &str, up: bool) {
        self.nodes[pnn].interfaces.insert(name.into(), up);
        let name = name.into();
        self.feed(pnn, Input::Interface { name, up });
    }

    pub(super) fn cut(&mut self, pnn: usize) {
        self.nodes[pnn].cut = true;
        self.cuts += 1;
        let cuts = self.cuts;
        self.at(ms(700), Event::Silence { node: pnn, cuts });
    }

    pub(super) fn kill(&mut self, pnn: usize) {
        self.nodes[pnn].alive = false;
        self.cuts += 1;
        let cuts = self.cuts;
        let after = self.micros(0, 700_000);
        self.at(after, Event::Silence { node: pnn, cuts });
    }

    /// Joins the node to the others again; a dead one starts anew.
    pub(super) fn mend(&mut self, pnn: usize) {
        if self.is_up(pnn) {
            return;
        }
        self.notice_silence(pnn);
        self.cuts += 1;
        self.nodes[pnn].cut = false;
        if !self.nodes[pnn].alive {
            let life = self.nodes[pnn].life + 1;
            self.nodes[pnn] = self.fresh_node(pnn, life);
            self.nodes[pnn].lost = (0..self.nodes.len()).filter(|n| *n != pnn).collect();
            self.start(pnn);
        }
        let after = self.micros(1_000, 50_000);
        self.at(after, Event::Heard(pnn));
    }

    fn notice_silence(&mut self, lost: usize) {
        // A short cut, or one in one direction, may be noticed by the leader's side alone.
        let noticed = self.leader.is_none_or(|leader| leader == lost)
            || !self.nodes[lost].alive
            || self.rng.chance(1, 2);
        let clear_at = self.nodes[lost].contact + self.timing.clear_after();
        for pnn in 0..self.nodes.len() {
            if pnn == lost {
                continue;
            }
            if self.nodes[pnn].lost.insert(lost) {
                let peer = Pnn(lost as u32);
                self.feed(pnn, Input::Unreachable { peer, clear_at });
            }
            if noticed && self.nodes[lost].lost.insert(pnn) {
                let peer = Pnn(pnn as u32);
                let clear_at = self.now + self.timing.clear_after();
                self.feed(lost, Input::Unreachable { peer, clear_at });
            }
        }
        if noticed {
            self.nodes[lost].standing = Standing::Searching;
        }
        if self.leader == Some(lost) {
            self.leader = None;
            let after = self.micros(0, 200_000);
            self.at(after, Event::Elect);
        }
        self.spread();
    }

    fn notice_return(&mut self, back: usize) {
        if !self.is_up(back) {
            return;
        }
        for pnn in 0..self.nodes.len() {
            if pnn == back || !self.is_up(pnn) {
                continue;
            }
            if self.nodes[pnn].lost.remove(&back) {
                let peer = Pnn(back as u32);
                self.feed(pnn, Input::Reachable { peer });
            }
            if self.nodes[back].lost.remove(&pnn) {
                let peer = Pnn(pnn as u32);
                self.feed(back, Input::Reachable { peer });
            }
        }
        match self.leader {
            Some(leader) if self.is_up(leader) && leader != back => self.follow(back, leader),
            Some(_) => {}
            None => self.at(ms(50), Event::Elect),
        }
        self.spread();
    }

    fn follow(&mut self, pnn: usize, leader: usize) {
        let term = Term(self.term);
        self.nodes[pnn].standing = if pnn == leader {
            let mandate = Mandate::Side;
            Standing::Leader { term, mandate }
        } else {
            let leader = Pnn(leader as u32);
            Standing::Follower { leader, term }
        };
    }

    /// A new leadership of some node that is up.
    pub(super) fn elect(&mut self) {
        let up: Vec<usize> = (0..self.nodes.len()).filter(|n| self.is_up(*n)).collect();
        if up.is_empty() {
            self.leader = None;
            return;
        }
        let leader = up[self.rng.below(up.len() as u64) as usize];
        self.term += 1;
        self.leader = Some(leader);
        for pnn in up {
            self.follow(pnn, leader);
        }
        // Older leaderships lent until now at most.
        let clear_at = self.now + self.timing.clear_after();
        let view_first = self.rng.chance(1, 2);
        if view_first {
            let view = self.view_of(leader);
            self.feed(leader, Input::View(view));
        }
        let lost: Vec<usize> = self.nodes[leader].lost.iter().copied().collect();
        for lost in lost {
            let peer = Pnn(lost as u32);
            self.feed(leader, Input::Unreachable { peer, clear_at });
        }
        self.spread();
    }

    /// Whether the node answers for the address.
    pub(super) fn answers(&self, pnn: usize, address: IpAddr) -> bool {
        let node = &self.nodes[pnn];
        node.kernel.contains_key(&address)
            && self.now < node.lease_until
            && (node.lease || !node.alive)
    }

    pub(super) fn holders(&self, address: IpAddr) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|pnn| self.answers(*pnn, address))
            .collect()
    }

    fn check(&mut self) {
        for address in &self.addresses {
            if self.holders(*address).len() > 1 {
                self.doubles += 1;
            }
        }
    }

    pub(super) fn homes(&self) -> BTreeMap<IpAddr, Vec<usize>> {
        self.addresses
            .iter()
            .map(|address| (*address, self.holders(*address)))
            .collect()
    }
}
