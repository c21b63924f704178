//! A small cluster around takeover machines: links with delays that lose or hold back messages when they
//! are cut, a kernel that is slow and fails, leases that outlast the last contact.

mod faults;
mod kernel;
mod links;
mod node;
mod views;

use crate::election::standing::Standing;
use crate::flags::NodeFlags;
use crate::id::Pnn;
use crate::machine::{Effects, Machine};
use crate::rng::Rng;
use crate::takeover::alloc::Algorithm;
use crate::takeover::io::{ConfiguredAddress, Effect, Input, Kind, LeaseId, Settings};
use crate::takeover::machine::Takeover;
use crate::takeover::view::AddressView;
use crate::time::Instant;
use crate::timing::Timing;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use links::Packet;
pub(super) use node::Node;

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The interface to put an address on, and the lease under which.
type Addition = (String, LeaseId);

enum Event {
    Deliver(Packet),
    Kernel(usize, u64, IpAddr, Option<Addition>),
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
    pub(super) settings: Settings,
    pub(super) nodes: Vec<Node>,
    pub(super) addresses: Vec<IpAddr>,
    /// Those of them that are LVS addresses.
    pub(super) lvs: Vec<IpAddr>,
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
    /// How often a node gave an address up.
    pub(super) released: u32,
    /// Longest delay of a message, in microseconds.
    pub(super) lag_us: u64,
    /// From the loss of a leader to the next election, at least.
    pub(super) leaderless: Duration,
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
            lvs: Vec::new(),
            queue: BTreeMap::new(),
            order: 0,
            links: BTreeMap::new(),
            cuts: 0,
            leader: None,
            term: 0,
            failures: 0,
            doubles: 0,
            taken: 0,
            released: 0,
            lag_us: 3_000,
            leaderless: Duration::ZERO,
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
            seen: Standing::Searching,
            flags: NodeFlags::empty(),
            damped: false,
            interfaces: ["eth0", "eth1"].map(|name| (name.into(), true)).into(),
            kernel: BTreeMap::new(),
            lease: None,
            leases: 0,
            lease_until: Instant::ZERO,
            contact: self.now,
            lost: BTreeSet::new(),
            wake: None,
            view: AddressView::default(),
            runs: Vec::new(),
            view_at_end: AddressView::default(),
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
                kind: if self.lvs.contains(address) {
                    Kind::Lvs
                } else {
                    Kind::Public
                },
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
                address,
                interface,
                lease,
                ..
            } => {
                let alive = self.nodes[pnn].lease;
                assert_eq!(alive, Some(lease), "an addition without a lease");
                self.operate(pnn, life, address, Some((interface, lease)));
            }
            Effect::Remove { address, .. } => self.operate(pnn, life, address, None),
            Effect::View(view) => self.nodes[pnn].view = view,
            Effect::RunDone { request, .. } => {
                let node = &mut self.nodes[pnn];
                node.runs.push(request);
                node.view_at_end = node.view.clone();
            }
            Effect::Left => {
                assert!(self.nodes[pnn].kernel.is_empty());
                self.nodes[pnn].left = true;
            }
            Effect::Lapsed => self.step_down(pnn),
            Effect::Log(notice) => self.nodes[pnn].log.push(notice),
            Effect::Taken(_) => self.taken += 1,
            Effect::Released(_) => self.released += 1,
            Effect::Moved { .. } | Effect::Prepare(_) | Effect::Announce { .. } => {}
            Effect::Reallocated => self.nodes[pnn].reallocated += 1,
        }
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

    fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver(packet) => self.deliver(packet),
            Event::Kernel(node, life, address, add) => self.kernel(node, life, address, add),
            Event::View(pnn) => self.show(pnn),
            Event::Tick => self.tick(),
            Event::Silence { node, cuts } if cuts == self.cuts || !self.is_up(node) => {
                self.notice_silence(node);
            }
            Event::Silence { .. } => {}
            Event::Heard(node) => self.notice_return(node),
            Event::Elect => self.elect(),
        }
    }
}
