//! The part of takeover that every node plays: it has addresses on its interfaces and obeys the leader.
//!
//! Invariants:
//! * an address is added only by a plan that grants it, was made after this node's present lease began,
//!   and is the newest of the followed leadership;
//! * without a lease nothing is held, and no older plan counts when it returns; nor does an order to the kernel that
//!   was given under an older lease;
//! * one kernel operation is under way for an address at most; until the kernel has confirmed a removal
//!   the address counts as held.

use super::interfaces::Interfaces;
use super::io::{ConfiguredAddress, Effect, Kind, LeaseId, Parting};
use super::message::{Assignment, KnownAddress};
use super::reporter::Reporter;
use super::view::{AddressStatus, AddressView};
use crate::flags::{NodeFlags, RunState};
use crate::id::{Pnn, Term};
use crate::limits::ADDRESSES_MAX;
use crate::lvs::choice;
use crate::machine::Effects;
use crate::membership::view::NodeView;
use crate::notice::Notice;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;
use core::net::IpAddr;
use core::time::Duration;

/// Between attempts to remove an address.
const REMOVE_RETRY: Duration = Duration::from_millis(500);
/// For how long a node says that it can't host an address that it failed to add.
const ADD_PENALTY: Duration = Duration::from_secs(5);
/// For how long an interface that came back has to be up before addresses of this node go to it.
const SHARE_AFTER: Duration = Duration::from_secs(1);

/// Where an address is, with the interface.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Absent,
    Adding(String),
    Present(String),
    Removing(String),
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Entry {
    prefix: u8,
    interfaces: Vec<String>,
    kind: Kind,
    /// Still in the configuration.
    configured: bool,
    place: Place,
    /// What the plan that counts says.
    assigned: Option<Assignment>,
    /// The owner in the newest plan seen, for the view.
    owner: Option<Pnn>,
    /// Another interface of this node has fewer addresses: it shall go there.
    crowded: bool,
    /// It is on its way from this interface to another one of this node.
    moving_from: Option<String>,
    /// It was here, and no plan gave it to another node since.
    home: bool,
    /// The lease ended while it was here or on its way: the keeper may have deleted it, or others have it by
    /// now. It has to go, for certain, before it may be taken again.
    forfeited: bool,
    /// No removal before; the last one failed.
    retry_at: Option<Instant>,
    /// Not able to host before; the last addition failed.
    penalty_until: Option<Instant>,
}

impl Entry {
    fn is_settled(&self) -> bool {
        !self.forfeited && matches!(self.place, Place::Absent | Place::Present(_))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Holder {
    own: Pnn,
    entries: BTreeMap<IpAddr, Entry>,
    interfaces: Interfaces,
    node: NodeView,
    /// When the interfaces get equal shares of the addresses.
    share_at: Option<Instant>,
    lease: Option<LeaseId>,
    leaving: bool,
    /// Another node is fit to host addresses.
    has_heirs: bool,
    /// Number of the plan that counts; 0 if none.
    sequence: u64,
    /// A plan must know of this report of ours to count.
    heard_least: u64,
    pub(super) reporter: Reporter,
    /// The view changed.
    pub(super) view_changed: bool,
}

impl Holder {
    pub(super) fn new(own: Pnn) -> Self {
        Self {
            own,
            entries: BTreeMap::new(),
            interfaces: Interfaces::default(),
            node: NodeView::default(),
            share_at: None,
            lease: None,
            leaving: false,
            has_heirs: false,
            sequence: 0,
            heard_least: 1,
            reporter: Reporter::new(),
            view_changed: false,
        }
    }

    /// Another leadership is followed, or none: what was planned before does not count any more; what is
    /// held stays.
    pub(super) fn follow(&mut self, now: Instant, leader: Option<(Pnn, Term)>) {
        self.reporter.follow(now, leader);
        self.forget_plan(now);
    }

    fn forget_plan(&mut self, now: Instant) {
        self.sequence = 0;
        self.heard_least = self.reporter.next_number();
        for entry in self.entries.values_mut() {
            entry.assigned = None;
        }
        self.reporter.force(now);
    }

    pub(super) fn set_node(&mut self, now: Instant, node: NodeView, out: &mut Effects<Effect>) {
        let told = |node: &NodeView| (node.flags, node.is_damped(), node.state.run_state);
        let same = told(&node) == told(&self.node);
        self.node = node;
        if !same {
            self.reporter.changed(now);
            self.settle_all(now, out);
        }
    }

    /// Whether another node is fit to host addresses.
    pub(super) const fn set_heirs(&mut self, has_heirs: bool) {
        self.has_heirs = has_heirs;
    }

    pub(super) fn set_lease(
        &mut self,
        now: Instant,
        alive: Option<LeaseId>,
        out: &mut Effects<Effect>,
    ) {
        let before = mem::replace(&mut self.lease, alive);
        if before == alive {
            return;
        }
        if before.is_some() {
            self.log_drop("the lease ended", out);
            for entry in self.entries.values_mut() {
                entry.forfeited |= entry.place != Place::Absent;
                entry.moving_from = None;
            }
        }
        // Whatever the leader planned before this point may be granted to others meanwhile.
        self.forget_plan(now);
        self.settle_all(now, out);
    }

    fn log_drop(&self, reason: &str, out: &mut Effects<Effect>) {
        if self.holds_any() {
            let reason = reason.to_string();
            out.push(Effect::Log(Notice::AddressesDropped { reason }));
        }
    }

    fn holds_any(&self) -> bool {
        self.entries
            .values()
            .any(|entry| entry.place != Place::Absent)
    }

    pub(super) fn leave(&mut self, now: Instant, out: &mut Effects<Effect>) {
        self.leaving = true;
        self.log_drop("the node leaves", out);
        self.reporter.changed_at_last(now);
        self.settle_all(now, out);
    }

    /// Whether the node leaves and has given everything up.
    pub(super) fn is_gone(&self) -> bool {
        self.leaving && !self.holds_any()
    }

    pub(super) fn set_interface(
        &mut self,
        now: Instant,
        name: &str,
        up: bool,
        out: &mut Effects<Effect>,
    ) {
        let old = self.interfaces.set_up(name, up);
        if old == Some(up) {
            return;
        }
        if let Some(old) = old {
            let word = |up| String::from(if up { "up" } else { "down" });
            out.push(Effect::Log(Notice::InterfaceLink {
                interface: name.to_string(),
                old: word(old),
                new: word(up),
            }));
        }
        if up && old == Some(false) {
            self.share_at = Some(now + SHARE_AFTER);
        }
        self.view_changed = true;
        self.reporter.changed(now);
        self.settle_all(now, out);
    }

    /// Has addresses that are here change to interfaces with fewer of them.
    fn share(&mut self, now: Instant, out: &mut Effects<Effect>) {
        let here = self.entries.iter().filter_map(|(address, entry)| {
            let Place::Present(interface) = &entry.place else {
                return None;
            };
            Some((*address, interface.as_str(), &entry.interfaces[..]))
        });
        for address in self.interfaces.uneven(here) {
            if let Some(entry) = self.entries.get_mut(&address) {
                entry.crowded = true;
            }
            self.settle(now, address, out);
        }
    }

    pub(super) fn configure(
        &mut self,
        now: Instant,
        addresses: Vec<ConfiguredAddress>,
        out: &mut Effects<Effect>,
    ) {
        for entry in self.entries.values_mut() {
            entry.configured = false;
        }
        for new in addresses.into_iter().take(ADDRESSES_MAX) {
            let entry = self.entries.entry(new.address).or_insert(Entry {
                prefix: new.prefix,
                interfaces: Vec::new(),
                kind: new.kind,
                configured: true,
                place: Place::Absent,
                assigned: None,
                owner: None,
                crowded: false,
                moving_from: None,
                home: false,
                forfeited: false,
                retry_at: None,
                penalty_until: None,
            });
            entry.configured = true;
            entry.kind = new.kind;
            entry.interfaces = new.interfaces;
            if entry.place == Place::Absent {
                entry.prefix = new.prefix;
            }
        }
        self.view_changed = true;
        self.reporter.changed(now);
        self.settle_all(now, out);
    }

    /// Tells the neighbours of an address once more, if it is here.
    pub(super) fn announce(&self, address: IpAddr, out: &mut Effects<Effect>) {
        if let Some(entry) = self.entries.get(&address)
            && let Place::Present(interface) = &entry.place
        {
            out.push(Effect::Announce {
                address,
                prefix: entry.prefix,
                interface: interface.clone(),
            });
        }
    }

    /// Whether no plan counts here although the leader has heard enough (after an end of the lease).
    pub(super) const fn lacks_plan(&self, heard: u64) -> bool {
        self.sequence == 0 && heard >= self.heard_least
    }

    /// A plan of the followed leadership.
    pub(super) fn obey(
        &mut self,
        now: Instant,
        sequence: u64,
        heard: u64,
        assignments: &[Assignment],
        out: &mut Effects<Effect>,
    ) {
        if heard < self.heard_least {
            // It does not know this node as it is now.
            self.reporter.force(now);
            return;
        }
        if sequence <= self.sequence {
            return;
        }
        self.sequence = sequence;
        for assignment in assignments {
            let Some(entry) = self.entries.get_mut(&assignment.address) else {
                continue;
            };
            entry.assigned = Some(*assignment);
            entry.home &= assignment.owner.is_none_or(|owner| owner == self.own);
            let mine = entry.place != Place::Absent && assignment.owner == Some(self.own);
            let owner = assignment.owner.filter(|_| assignment.granted || mine);
            self.view_changed |= owner != entry.owner;
            entry.owner = owner;
        }
        self.reporter.changed_slightly(now);
        self.settle_all(now, out);
    }

    /// The kernel carried out an operation, or found the address gone.
    pub(super) fn kernel(
        &mut self,
        now: Instant,
        address: IpAddr,
        present: bool,
        error: Option<String>,
        out: &mut Effects<Effect>,
    ) {
        let stays = self
            .entries
            .get(&address)
            .is_some_and(|entry| entry.moving_from.is_some() && self.can_take(now, entry));
        let Some(entry) = self.entries.get_mut(&address) else {
            return;
        };
        let mut failure = error;
        match (mem::replace(&mut entry.place, Place::Absent), present) {
            (Place::Adding(interface), true) => {
                entry.place = Place::Present(interface.clone());
                entry.home = true;
                if let Some(from) = entry.moving_from.take() {
                    out.push(Effect::Moved {
                        address,
                        from: from.clone(),
                        to: interface.clone(),
                    });
                    let to = interface;
                    out.push(Effect::Log(Notice::AddressMoved { address, from, to }));
                } else {
                    out.push(Effect::Taken(address));
                    out.push(Effect::Log(Notice::AddressTaken { address, interface }));
                }
                self.reporter.changed_slightly(now);
            }
            (Place::Adding(interface), false) => {
                self.interfaces.vacate(&interface);
                entry.forfeited = false;
                entry.penalty_until = Some(now + ADD_PENALTY);
                if entry.moving_from.take().is_some() {
                    out.push(Effect::Released(address));
                    out.push(Effect::Log(Notice::AddressReleased {
                        address,
                        interface: interface.clone(),
                    }));
                }
                failure = failure.or_else(|| Some(String::from("it was not added")));
                self.reporter.changed(now);
            }
            (Place::Removing(interface), true) => {
                entry.place = Place::Present(interface);
                entry.moving_from = None;
                entry.retry_at = Some(now + REMOVE_RETRY);
                failure = failure.or_else(|| Some(String::from("it was not removed")));
            }
            (Place::Removing(interface) | Place::Present(interface), false) => {
                self.interfaces.vacate(&interface);
                entry.forfeited = false;
                entry.retry_at = None;
                if !stays {
                    entry.moving_from = None;
                    out.push(Effect::Released(address));
                    out.push(Effect::Log(Notice::AddressReleased { address, interface }));
                }
                self.reporter.changed(now);
            }
            (place, _) => entry.place = place,
        }
        if let Some(reason) = failure {
            out.push(Effect::Log(Notice::AddressFailed { address, reason }));
        }
        self.view_changed = true;
        self.settle(now, address, out);
    }

    fn settle_all(&mut self, now: Instant, out: &mut Effects<Effect>) {
        let all: Vec<IpAddr> = self.entries.keys().copied().collect();
        for address in all {
            self.settle(now, address, out);
        }
    }

    /// Brings one address closer to where it shall be.
    fn settle(&mut self, now: Instant, address: IpAddr, out: &mut Effects<Effect>) {
        let Some(entry) = self.entries.get(&address) else {
            return;
        };
        let dropped = self.must_drop(entry);
        let parting = self.parting(entry, dropped);
        let order = match &entry.place {
            Place::Absent if !entry.configured => {
                self.entries.remove(&address);
                self.view_changed = true;
                return;
            }
            Place::Absent if self.may_take(now, entry) => {
                let best = self.interfaces.best(&entry.interfaces).cloned();
                best.map(Place::Adding)
            }
            Place::Present(interface)
                if entry.retry_at.is_none_or(|at| at <= now)
                    && (dropped || self.must_move(entry, interface)) =>
            {
                Some(Place::Removing(interface.clone()))
            }
            _ => None,
        };
        let (Some(place), Some(entry)) = (order, self.entries.get_mut(&address)) else {
            return;
        };
        let prefix = entry.prefix;
        match place.clone() {
            Place::Adding(interface) => {
                // Only under a lease are addresses taken.
                let Some(lease) = self.lease else { return };
                self.interfaces.occupy(&interface);
                out.push(Effect::Add {
                    address,
                    prefix,
                    interface,
                    lease,
                });
            }
            Place::Removing(interface) => {
                entry.moving_from = (!dropped).then(|| interface.clone());
                out.push(Effect::Remove {
                    address,
                    prefix,
                    interface,
                    parting,
                });
            }
            Place::Absent | Place::Present(_) => {}
        }
        entry.place = place;
        entry.crowded = false;
        entry.retry_at = None;
        self.view_changed = true;
        self.reporter.changed_slightly(now);
    }

    fn is_barred(&self) -> bool {
        self.node
            .flags
            .intersects(NodeFlags::BANNED | NodeFlags::STOPPED | NodeFlags::DELETED)
    }

    fn may_take(&self, now: Instant, entry: &Entry) -> bool {
        let granted = entry
            .assigned
            .is_some_and(|plan| plan.granted && plan.owner == Some(self.own));
        granted
            && self.lease.is_some()
            && !self.leaving
            && !self.is_barred()
            && entry.penalty_until.is_none_or(|until| until <= now)
    }

    /// Whether it may be taken, and there is an interface for it.
    fn can_take(&self, now: Instant, entry: &Entry) -> bool {
        !entry.forfeited
            && entry.configured
            && self.may_take(now, entry)
            && self.interfaces.any_up(&entry.interfaces)
    }

    fn must_drop(&self, entry: &Entry) -> bool {
        let elsewhere = entry
            .assigned
            .is_some_and(|plan| plan.owner != Some(self.own));
        elsewhere
            || entry.forfeited
            || !entry.configured
            || self.lease.is_none()
            || self.leaving
            || self.is_barred()
    }

    /// How its clients are parted from, should it be removed now.
    fn parting(&self, entry: &Entry, dropped: bool) -> Parting {
        let to_nobody = entry.assigned.is_some_and(|plan| plan.owner.is_none());
        match dropped {
            false => Parting::Stay,
            // It stays on loopback, and whoever receives passes on what belongs to connections of this node.
            true if entry.kind == Kind::Lvs => Parting::Stay,
            true if self.has_heirs && !to_nobody => Parting::HandOver,
            true => Parting::Forsake,
        }
    }

    /// On a dead interface, or one with too many addresses, while another one lives.
    fn must_move(&self, entry: &Entry, interface: &String) -> bool {
        let good = !entry.crowded
            && entry.interfaces.contains(interface)
            && self.interfaces.is_up(interface);
        !good && self.interfaces.any_up(&entry.interfaces)
    }

    /// Sends the report that is due.
    pub(super) fn report(
        &mut self,
        now: Instant,
    ) -> Option<(Pnn, super::message::TakeoverMessage)> {
        let serves = self.node.state.run_state == RunState::Running && !self.leaving;
        let node = &self.node;
        let fit = |kind| match kind {
            Kind::Public => serves && (node.flags.is_ok() || node.is_damped()),
            Kind::Lvs => serves && choice::is_usable(node.flags),
        };
        let (entries, interfaces) = (&self.entries, &self.interfaces);
        self.reporter.due(now, self.sequence, || {
            entries
                .iter()
                .map(|(address, entry)| KnownAddress {
                    address: *address,
                    available: fit(entry.kind)
                        && entry.configured
                        && entry.penalty_until.is_none_or(|until| until <= now)
                        && interfaces.any_up(&entry.interfaces),
                    held: entry.place != Place::Absent,
                    settled: entry.is_settled(),
                    home: entry.home,
                    kind: entry.kind,
                })
                .collect()
        })
    }

    /// Tries again what failed and shares what is uneven, when its time has come.
    pub(super) fn retry(&mut self, now: Instant, out: &mut Effects<Effect>) {
        if self.share_at.is_some_and(|at| at <= now) {
            self.share_at = None;
            self.share(now, out);
        }
        let mut due = Vec::new();
        for (address, entry) in &mut self.entries {
            if entry.penalty_until.is_some_and(|until| until <= now) {
                entry.penalty_until = None;
                self.reporter.changed(now);
                due.push(*address);
            }
            if entry.retry_at.is_some_and(|at| at <= now) {
                entry.retry_at = None;
                due.push(*address);
            }
        }
        for address in due {
            self.settle(now, address, out);
        }
    }

    /// When to call [`Holder::retry`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.entries
            .values()
            .flat_map(|entry| [entry.retry_at, entry.penalty_until])
            .chain([self.share_at])
            .flatten()
            .min()
    }

    pub(super) fn view(&self) -> AddressView {
        let is_shown = |entry: &Entry| entry.configured && entry.kind == Kind::Public;
        let configured = || self.entries.iter().filter(|(_, entry)| is_shown(entry));
        let names: BTreeSet<&str> = configured()
            .flat_map(|(_, entry)| &entry.interfaces)
            .map(String::as_str)
            .collect();
        let addresses = configured()
            .map(|(address, entry)| AddressStatus {
                address: *address,
                prefix: entry.prefix,
                owner: entry.owner,
                active: match &entry.place {
                    Place::Present(interface) | Place::Removing(interface) => {
                        Some(interface.clone())
                    }
                    Place::Absent | Place::Adding(_) => None,
                },
                interfaces: entry.interfaces.clone(),
            })
            .collect();
        AddressView {
            addresses,
            interfaces: self.interfaces.status(&names),
        }
    }
}
