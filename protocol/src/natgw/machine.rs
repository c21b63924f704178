//! The machine that every node runs, with a NAT gateway or without: each answers which address it holds.
//!
//! Invariants:
//! * the address is added only by a grant of the followed leadership that was asked for under the present lease;
//! * one kernel operation is under way at most; until the kernel has confirmed a removal the address counts as held;
//! * a node translates only while it has the address.

use super::choice::{Limits, choose};
use super::group::Group;
use super::io::{Effect, Input, Part, Role};
use super::message::NatgwMessage;
use super::registry::Registry;
use super::view::NatgwView;
use crate::id::{Pnn, Term};
use crate::machine::{Effects, Machine};
use crate::membership::view::{MembershipView, NodeView};
use crate::notice::Notice;
use crate::takeover::cluster::Cluster;
use crate::takeover::io::LeaseId;
use crate::time::Instant;
use crate::timing::Timing;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;
use core::net::IpAddr;
use core::time::Duration;

/// Between two wishes for the same address.
const WANT_AGAIN: Duration = Duration::from_millis(300);
/// After the kernel did not take the address.
const RETRY: Duration = Duration::from_secs(1);

/// Files that differ are usually being changed, node by node: nobody is refused before that can be over.
const FILES_DIFFER: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Absent,
    Adding(IpAddr),
    Present(IpAddr),
    Removing(IpAddr),
}

impl Place {
    const fn held(self) -> Option<IpAddr> {
        match self {
            Self::Absent => None,
            Self::Adding(ip) | Self::Present(ip) | Self::Removing(ip) => Some(ip),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Natgw {
    own: Pnn,
    /// Private addresses by number; none: deleted.
    addresses: Vec<Option<IpAddr>>,
    timing: Timing,
    nodes: Vec<NodeView>,
    cluster: Cluster,
    registry: Option<Registry>,
    began: Instant,
    lapsed: Option<Term>,
    part: Option<Part>,
    /// Groups of the peers.
    groups: BTreeMap<Pnn, Vec<IpAddr>>,
    /// Nodes, this one too, whose interface to the outside has no link.
    cut_off: BTreeSet<Pnn>,
    /// Nodes that are listed in several groups, and since when.
    conflicts: BTreeMap<IpAddr, Instant>,
    lease: Option<LeaseId>,
    place: Place,
    /// The lease ended while the address was here or on its way.
    forfeited: bool,
    want_at: Instant,
    /// The newest question, and the leader who asked.
    asked: Option<(Pnn, Term, u64)>,
    role: Role,
    view: NatgwView,
    leaving: bool,
    left_told: bool,
    clock: Instant,
}

impl Machine for Natgw {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, now: Instant, input: Input, fx: &mut Effects<Effect>) {
        self.clock = now;
        self.hear(now, input, fx);
        self.note_conflicts(now);
        self.settle(now, fx);
    }

    fn deadline(&self) -> Option<Instant> {
        let now = self.clock;
        let registry = self.registry.as_ref();
        let registry = registry.and_then(|registry| registry.deadline(now, &self.cluster));
        let waits = self.wants() && self.place == Place::Absent;
        let removes = matches!(self.place, Place::Present(_)) && !self.wants();
        let own = (waits || removes).then_some(self.want_at);
        let ends = self.conflicts.values().map(|since| *since + FILES_DIFFER);
        let refusals = ends.filter(|end| *end > now);
        registry.into_iter().chain(own).chain(refusals).min()
    }
}

impl Natgw {
    /// Knows nothing yet; private addresses by number, none for deleted nodes.
    pub fn new(own: Pnn, addresses: Vec<Option<IpAddr>>, timing: Timing) -> Self {
        Self {
            own,
            addresses,
            timing,
            nodes: Vec::new(),
            cluster: Cluster::new(own),
            registry: None,
            began: Instant::ZERO,
            lapsed: None,
            part: None,
            groups: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            conflicts: BTreeMap::new(),
            lease: None,
            place: Place::Absent,
            forfeited: false,
            want_at: Instant::ZERO,
            asked: None,
            role: Role::None,
            view: NatgwView::default(),
            leaving: false,
            left_told: false,
            clock: Instant::ZERO,
        }
    }

    fn hear(&mut self, now: Instant, input: Input, fx: &mut Effects<Effect>) {
        match input {
            Input::Configure(part) => {
                self.part = part;
                self.tell_all(fx);
            }
            Input::View(view) => self.set_view(now, view),
            Input::Unreachable { peer, clear_at } => {
                self.cluster.lose(peer, clear_at);
                self.groups.remove(&peer);
                self.cut_off.remove(&peer);
            }
            Input::Reachable { peer } => {
                self.cluster.regain(peer);
                self.tell_group(peer, fx);
            }
            Input::Lease { alive } => self.set_lease(now, alive),
            Input::Message { peer, message } => self.message(now, peer, message, fx),
            Input::Link(linked) => {
                if self.set_linked(self.own, linked) {
                    self.tell_all(fx);
                }
            }
            Input::Nodes(addresses) => self.addresses = addresses,
            Input::Kernel {
                address,
                present,
                error,
            } => {
                if self.place.held() == Some(address) {
                    self.kernel(now, address, present, error, fx);
                }
            }
            Input::Leave => {
                self.leaving = true;
                // The others need not wait until it is gone to choose another gateway.
                self.tell_all(fx);
            }
            Input::Timeout => {}
        }
    }

    fn set_view(&mut self, now: Instant, view: MembershipView) {
        self.nodes.clone_from(&view.nodes);
        self.cluster.set_view(view);
        let leading = self
            .cluster
            .leading()
            .filter(|term| Some(*term) != self.lapsed);
        if leading != self.registry.as_ref().map(|registry| registry.term) {
            self.registry = leading.map(|term| {
                // What was told before may come from a time when another node led and reached the peer.
                self.cluster.distrust_lost(now + self.timing.clear_after());
                self.began = now;
                Registry::new(self.own, term)
            });
            self.want_at = now;
        }
    }

    fn set_lease(&mut self, now: Instant, alive: Option<LeaseId>) {
        if mem::replace(&mut self.lease, alive) == alive {
            return;
        }
        self.forfeited |= self.place != Place::Absent;
        self.want_at = now;
        // A leader's own lease is its authority, once it had the time to get one.
        if let Some(registry) = &self.registry
            && alive.is_none()
            && self.began + self.timing.lease_hold <= now
        {
            self.lapsed = Some(registry.term);
            self.registry = None;
        }
    }

    /// Whether a node's interface has a link; true if that is a change.
    fn set_linked(&mut self, pnn: Pnn, linked: bool) -> bool {
        if linked {
            self.cut_off.remove(&pnn)
        } else {
            self.cut_off.insert(pnn)
        }
    }

    fn tell_all(&self, fx: &mut Effects<Effect>) {
        for peer in self
            .cluster
            .others()
            .filter(|peer| self.cluster.is_connected(*peer))
        {
            self.tell_group(peer, fx);
        }
    }

    fn tell_group(&self, peer: Pnn, fx: &mut Effects<Effect>) {
        let part = self.part.as_ref().filter(|_| !self.leaving);
        let group = part.map(|part| part.group.addresses());
        let message = NatgwMessage::Group {
            members: group.unwrap_or_default(),
            linked: !self.cut_off.contains(&self.own),
        };
        fx.push(Effect::Send { peer, message });
    }

    fn message(
        &mut self,
        now: Instant,
        peer: Pnn,
        message: NatgwMessage,
        fx: &mut Effects<Effect>,
    ) {
        let followed = self.cluster.followed();
        let leading = self.registry.as_mut();
        match message {
            NatgwMessage::Group { members, linked } => {
                self.groups.insert(peer, members);
                self.set_linked(peer, linked);
            }
            NatgwMessage::Want {
                term,
                lease,
                address,
            } => {
                if let Some(registry) = leading.filter(|registry| registry.term == term) {
                    registry.want(now, peer, lease, address);
                }
            }
            NatgwMessage::Held {
                term,
                number,
                address,
            } => {
                if let Some(registry) = leading.filter(|registry| registry.term == term) {
                    registry.held(peer, number, address);
                }
            }
            NatgwMessage::Ask { term, number } => {
                if followed == Some((peer, term)) {
                    self.asked = Some((peer, term, number));
                    self.answer(fx);
                }
            }
            NatgwMessage::Grant {
                term,
                lease,
                address,
            } => {
                if followed == Some((peer, term)) {
                    self.granted(lease, address, fx);
                }
            }
        }
    }

    /// Says what is held to the leader who asked, if it is followed still.
    fn answer(&self, fx: &mut Effects<Effect>) {
        if let Some((peer, term, number)) = self.asked
            && self.cluster.followed() == Some((peer, term))
        {
            let address = self.place.held();
            let message = NatgwMessage::Held {
                term,
                number,
                address,
            };
            fx.push(Effect::Send { peer, message });
        }
    }

    fn granted(&mut self, lease: u64, address: IpAddr, fx: &mut Effects<Effect>) {
        let is_ours = self.part.as_ref().and_then(|part| part.address) == Some(address);
        if let Some(alive) = self.lease.filter(|alive| alive.0 == lease)
            && is_ours
            && self.wants()
            && self.place == Place::Absent
        {
            self.place = Place::Adding(address);
            self.forfeited = false;
            fx.push(Effect::Add(address, alive));
        }
    }

    fn kernel(
        &mut self,
        now: Instant,
        address: IpAddr,
        present: bool,
        error: Option<String>,
        fx: &mut Effects<Effect>,
    ) {
        if let Some(reason) = error {
            self.want_at = now + RETRY;
            fx.push(Effect::Log(Notice::NatgwFailed { reason }));
        }
        self.place = if present {
            Place::Present(address)
        } else {
            Place::Absent
        };
        if !present {
            self.forfeited = false;
            self.answer(fx);
        }
    }

    /// The nodes with their private addresses.
    fn listed(&self) -> impl Iterator<Item = (Pnn, IpAddr, &NodeView)> + Clone {
        let nodes = (0..).map(Pnn).zip(&self.addresses).zip(&self.nodes);
        nodes.filter_map(|((pnn, address), node)| Some((pnn, (*address)?, node)))
    }

    /// The gateway of this node's group.
    fn chosen(&self) -> Option<(Pnn, IpAddr)> {
        let group = &self.part.as_ref()?.group;
        let cut_off = self.cut_off.iter();
        let limits = Limits {
            cut_off: cut_off.filter_map(|pnn| self.address_of(*pnn)).collect(),
            capable_only: true,
            refused: self.refused().chain(self.absent()).collect(),
        };
        choose(group, self.listed(), &limits)
    }

    fn note_conflicts(&mut self, now: Instant) {
        let shared = self.shared();
        self.conflicts
            .retain(|address, _| shared.contains_key(address));
        for address in shared.into_keys() {
            self.conflicts.entry(address).or_insert(now);
        }
    }

    /// Nodes that have been listed in several groups for long.
    fn refused(&self) -> impl Iterator<Item = IpAddr> {
        let is_over = |since: Instant| since + FILES_DIFFER <= self.clock;
        let conflicts = self.conflicts.iter();
        conflicts.filter_map(move |(address, since)| is_over(*since).then_some(*address))
    }

    fn address_of(&self, pnn: Pnn) -> Option<IpAddr> {
        self.addresses.get(pnn.0 as usize).copied().flatten()
    }

    /// Peers that said that they are in no group.
    fn absent(&self) -> impl Iterator<Item = IpAddr> {
        self.groups.iter().filter_map(|(peer, group)| {
            let address = self.address_of(*peer)?;
            (!group.contains(&address)).then_some(address)
        })
    }

    /// Nodes that are listed in several groups, with two of them.
    fn shared(&self) -> BTreeMap<IpAddr, (Vec<IpAddr>, Vec<IpAddr>)> {
        let own = self
            .part
            .iter()
            .map(|part| (self.own, part.group.addresses()));
        let peers = self
            .groups
            .iter()
            .map(|(peer, group)| (*peer, group.clone()));
        // What a node says of a group that it is not in counts for itself alone.
        let is_in = |(pnn, group): &(Pnn, Vec<IpAddr>)| {
            let address = self.address_of(*pnn);
            address.is_some_and(|address| group.contains(&address))
        };
        let groups: BTreeSet<Vec<IpAddr>> = own
            .chain(peers)
            .filter(is_in)
            .map(|(_, group)| group)
            .collect();
        let mut first: BTreeMap<IpAddr, &Vec<IpAddr>> = BTreeMap::new();
        let mut shared = BTreeMap::new();
        for group in &groups {
            for address in group {
                if let Some(other) = first.insert(*address, group) {
                    shared.insert(*address, (other.clone(), group.clone()));
                }
            }
        }
        shared
    }

    fn refusal(&self) -> Option<String> {
        self.part.as_ref()?;
        let address = self.address_of(self.own)?;
        self.refused().find(|refused| *refused == address)?;
        let (one, other) = self.shared().remove(&address)?;
        let words = |group: Vec<IpAddr>| {
            let words: Vec<String> = group.iter().map(|ip| format!("{ip}")).collect();
            words.join(" ")
        };
        let (one, other) = (words(one), words(other));
        Some(format!(
            "{address} is in two NATGW groups ({one}; {other}): a node can be in one only, and its file must be the same on all nodes of the group"
        ))
    }

    /// Whether this node should have the address.
    fn wants(&self) -> bool {
        let is_chosen = self.view.leader.is_some_and(|(pnn, _)| pnn == self.own);
        let is_able = self
            .part
            .as_ref()
            .is_some_and(|part| part.address.is_some());
        is_chosen && is_able && self.lease.is_some() && !self.leaving && !self.forfeited
    }

    /// Brings everything to where it should be.
    fn settle(&mut self, now: Instant, fx: &mut Effects<Effect>) {
        let leader = self.chosen();
        if leader != self.view.leader {
            self.want_at = self.want_at.min(now);
        }
        let before = mem::replace(&mut self.view.leader, leader);
        let serving = self.wants() && matches!(self.place, Place::Present(_));
        self.set_role(serving, fx);
        match self.place {
            Place::Present(address) if !serving && self.want_at <= now => {
                self.place = Place::Removing(address);
                fx.push(Effect::Remove(address));
            }
            Place::Absent if self.wants() && self.want_at <= now => {
                self.want_at = now + WANT_AGAIN;
                self.want(now, fx);
            }
            _ => {}
        }
        self.lead(now, fx);
        self.publish(before, serving, fx);
        if self.leaving && self.place == Place::Absent && !mem::replace(&mut self.left_told, true) {
            fx.push(Effect::Left);
        }
    }

    fn set_role(&mut self, serving: bool, fx: &mut Effects<Effect>) {
        let role = match self.view.leader {
            _ if self.leaving => Role::None,
            Some((pnn, _)) if pnn == self.own && serving => Role::Gateway,
            Some((pnn, _)) if pnn == self.own => Role::Waiting,
            Some((_, address)) => Role::Follower(address),
            None => Role::None,
        };
        if mem::replace(&mut self.role, role) != role {
            fx.push(Effect::Role(role));
        }
    }

    fn want(&mut self, now: Instant, fx: &mut Effects<Effect>) {
        let (Some(lease), Some(address)) =
            (self.lease, self.part.as_ref().and_then(|part| part.address))
        else {
            return;
        };
        match (&mut self.registry, self.cluster.followed()) {
            (Some(registry), _) => registry.want(now, self.own, lease.0, address),
            (None, Some((peer, term))) if peer != self.own => {
                let message = NatgwMessage::Want {
                    term,
                    lease: lease.0,
                    address,
                };
                fx.push(Effect::Send { peer, message });
            }
            (None, _) => {}
        }
    }

    /// The leader's part, if this node leads.
    fn lead(&mut self, now: Instant, fx: &mut Effects<Effect>) {
        let Some(registry) = &mut self.registry else {
            return;
        };
        for (peer, message) in registry.work(now, &self.cluster, self.place.held()) {
            match message {
                NatgwMessage::Grant { lease, address, .. } if peer == self.own => {
                    self.granted(lease, address, fx);
                }
                message => fx.push(Effect::Send { peer, message }),
            }
        }
    }

    fn publish(&mut self, before: Option<(Pnn, IpAddr)>, serving: bool, fx: &mut Effects<Effect>) {
        let refused = self.refusal();
        if let Some(reason) = refused.clone().filter(|_| refused != self.view.refused) {
            fx.push(Effect::Log(Notice::NatgwRefused { reason }));
        }
        let group: Option<Group> = self.part.as_ref().map(|part| part.group.clone());
        let new = NatgwView {
            group,
            leader: self.view.leader,
            serving,
            refused,
        };
        if new.leader != before {
            match new.leader {
                Some((gateway, address)) => {
                    fx.push(Effect::Log(Notice::NatgwChosen { gateway, address }));
                }
                None if new.group.is_some() => fx.push(Effect::Log(Notice::NatgwNone {})),
                None => {}
            }
        }
        if new.serving != self.view.serving
            && let Some(address) = self.place.held()
        {
            fx.push(Effect::Log(if new.serving {
                Notice::NatgwServing { address }
            } else {
                Notice::NatgwStopped { address }
            }));
        }
        if new != self.view || new.leader != before {
            self.view = new.clone();
            fx.push(Effect::View(new));
        }
    }
}
