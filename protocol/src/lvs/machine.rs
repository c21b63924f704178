//! The LVS machine: knows which nodes of the group are there and where they are reached, and plans for this node.
//!
//! Every node of the group plans alike and has the same table in its kernel, the leader or not: what still comes to an
//! old leader, or already to a new one, goes to the node that serves it.

use super::choice;
use super::group::Group;
use super::io::{Effect, Input, Plan};
use super::message::{LvsMessage, Mac};
use crate::flags::{NodeFlags, RunState};
use crate::id::Pnn;
use crate::machine::{Effects, Machine};
use crate::membership::view::MembershipView;
use crate::notice::Notice;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// The seat is told again after this time, should a message have met a node that was just starting.
const RETELL_INTERVAL: Duration = Duration::from_secs(2);
/// A node in one of these states serves nobody, not even those who are connected to it.
const LOST: NodeFlags = NodeFlags::INACTIVE;

/// See the module.
#[derive(Debug)]
pub struct Lvs {
    own: Pnn,
    address: IpAddr,
    /// Of the group file, if there is one.
    listed: Option<Group>,
    enabled: bool,
    held: bool,
    view: MembershipView,
    /// Where the nodes are reached, this one too.
    seats: BTreeMap<Pnn, Mac>,
    /// Nodes that said that they belong to another group, and its address.
    foreign: BTreeMap<Pnn, IpAddr>,
    /// Those of them that this node counts to its own group.
    refused: BTreeSet<Pnn>,
    /// Nodes of other groups that count this node to theirs.
    claims: BTreeMap<Pnn, IpAddr>,
    /// Nodes that were connected at the last look.
    connected: BTreeSet<Pnn>,
    retell_at: Instant,
    plan: Plan,
}

impl Lvs {
    /// Node `own` of a group with this address.
    pub fn new(own: Pnn, address: IpAddr, listed: Option<Group>, now: Instant) -> Self {
        Self {
            own,
            address,
            listed,
            enabled: true,
            held: false,
            view: MembershipView::default(),
            seats: BTreeMap::new(),
            foreign: BTreeMap::new(),
            refused: BTreeSet::new(),
            claims: BTreeMap::new(),
            connected: BTreeSet::new(),
            retell_at: now,
            plan: Plan::default(),
        }
    }

    fn group(&self) -> Group {
        let announced = || self.view.lvs_group();
        self.listed.clone().unwrap_or_else(announced)
    }

    fn flags(&self, pnn: Pnn) -> NodeFlags {
        let node = self.view.nodes.get(pnn.0 as usize);
        node.map_or(NodeFlags::DISCONNECTED, |node| node.flags)
    }

    fn is_running(&self, pnn: Pnn) -> bool {
        let node = self.view.nodes.get(pnn.0 as usize);
        node.is_some_and(|node| node.state.run_state == RunState::Running)
    }

    /// The cluster or the group has changed.
    fn look(&mut self, out: &mut Effects<Effect>) {
        let group = self.group();
        let others = group.0.keys().copied().filter(|pnn| *pnn != self.own);
        let connected: BTreeSet<Pnn> = others
            .filter(|pnn| {
                !self
                    .flags(*pnn)
                    .intersects(NodeFlags::DISCONNECTED | NodeFlags::DELETED)
            })
            .collect();
        let fresh: Vec<Pnn> = connected.difference(&self.connected).copied().collect();
        self.connected = connected;
        self.tell(&fresh, out);
        self.refuse(out);
    }

    /// A node is in one group only: one that says it is in another is refused here, whatever the file says.
    fn refuse(&mut self, out: &mut Effects<Effect>) {
        let group = self.group();
        let refused = self.foreign.keys().copied();
        let refused: BTreeSet<Pnn> = refused.filter(|pnn| group.contains(*pnn)).collect();
        if refused == self.refused {
            return;
        }
        for node in refused.difference(&self.refused) {
            let other = self.foreign.get(node).copied();
            self.complain(*node, other.unwrap_or(self.address), out);
        }
        out.push(Effect::Foreign(refused.clone()));
        self.refused = refused;
    }

    fn complain(&self, node: Pnn, other: IpAddr, out: &mut Effects<Effect>) {
        out.push(Effect::Log(Notice::LvsTwoGroups {
            node,
            address: self.address,
            other,
        }));
    }

    fn set_seat(&mut self, mac: Option<Mac>, out: &mut Effects<Effect>) {
        let before = match mac {
            Some(mac) => self.seats.insert(self.own, mac),
            None => self.seats.remove(&self.own),
        };
        if before != mac {
            self.tell_all(out);
        }
    }

    fn tell_all(&self, out: &mut Effects<Effect>) {
        let all: Vec<Pnn> = self.connected.iter().copied().collect();
        self.tell(&all, out);
    }

    fn tell(&self, peers: &[Pnn], out: &mut Effects<Effect>) {
        let message = LvsMessage::Seat {
            address: self.address,
            mac: self.seats.get(&self.own).copied(),
        };
        for peer in peers.iter().copied() {
            out.push(Effect::Send { peer, message });
        }
    }

    fn hear(&mut self, peer: Pnn, message: LvsMessage, out: &mut Effects<Effect>) {
        let LvsMessage::Seat { address, mac } = message;
        let same = address == self.address;
        match mac.filter(|_| same) {
            Some(mac) => self.seats.insert(peer, mac),
            None => self.seats.remove(&peer),
        };
        if same {
            self.foreign.remove(&peer);
            self.claims.remove(&peer);
        } else {
            self.foreign.insert(peer, address);
        }
        if !same && !self.group().contains(peer) {
            // Only nodes that count this one to their group say this, and are to hear that it is in another.
            if self.claims.insert(peer, address) != Some(address) {
                self.complain(self.own, address, out);
            }
            self.tell(&[peer], out);
        }
        self.refuse(out);
    }

    fn wanted(&self) -> Plan {
        let group = self.group();
        if !self.enabled || !group.contains(self.own) {
            return Plan::default();
        }
        let serves = |pnn: &Pnn| {
            group.contains(*pnn) && self.is_running(*pnn) && !self.flags(*pnn).intersects(LOST)
        };
        let seats: BTreeMap<Pnn, Mac> = self
            .seats
            .iter()
            .filter(|(pnn, _)| serves(pnn))
            .map(|(pnn, mac)| (*pnn, *mac))
            .collect();
        Plan {
            member: true,
            receives: self.held,
            live: choice::usable(seats.keys().copied(), |pnn| self.flags(pnn)),
            seats,
        }
    }

    fn advance(&mut self, out: &mut Effects<Effect>) {
        let plan = self.wanted();
        if plan == self.plan {
            return;
        }
        let address = self.address;
        if plan.receives && !self.plan.receives {
            out.push(Effect::Log(Notice::LvsReceives { address }));
        }
        if plan.live != self.plan.live {
            let nodes: Vec<String> = plan.live.iter().map(ToString::to_string).collect();
            let nodes = nodes.join(" ");
            out.push(Effect::Log(Notice::LvsServers { address, nodes }));
        }
        self.plan = plan.clone();
        out.push(Effect::Apply(plan));
    }
}

impl Machine for Lvs {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, now: Instant, input: Input, effects: &mut Effects<Effect>) {
        match input {
            Input::View(view) => {
                self.view = view;
                self.look(effects);
            }
            Input::Group(listed) => {
                self.listed = listed;
                self.look(effects);
            }
            Input::Seat(mac) => self.set_seat(mac, effects),
            Input::Held(held) => self.held = held,
            Input::Enabled(enabled) => self.enabled = enabled,
            Input::Message { peer, message } => self.hear(peer, message, effects),
            Input::Timeout => {}
        }
        if self.retell_at <= now {
            self.retell_at = now + RETELL_INTERVAL;
            self.tell_all(effects);
        }
        self.advance(effects);
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.retell_at)
    }
}
