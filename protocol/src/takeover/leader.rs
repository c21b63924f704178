//! The leader's part of takeover: it plans from the nodes' reports and grants each address as soon as
//! nobody else can answer for it.
//!
//! Invariants:
//! * nothing is granted that another node reported as held, or was granted before and has not given up in
//!   knowledge of a later plan;
//! * a node that has not reported in this term may hold anything, until it has certainly fallen silent.
//!
//! What a node reported in this term stays true when the node can't be reached: it takes nothing but by a
//! grant of this leadership (other leaderships are kept apart by the leases).

mod grants;
mod plan;
mod runs;

use super::cluster::Cluster;
use super::io::{Effect, Kind, Settings};
use super::message::{Assignment, KnownAddress, TakeoverMessage};
use super::pace::Pace;
use crate::id::{Pnn, Term};
use crate::limits::ADDRESSES_MAX;
use crate::machine::Effects;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use runs::{Asker, Run};

/// Changes within this time make one plan.
const PLAN_GAP: Duration = Duration::from_millis(5);
/// Grants within this time make one message.
const PUBLISH_GAP: Duration = Duration::from_millis(2);
/// A new leader waits so long for the reports of connected nodes before it plans without them. It could grant
/// nothing earlier: who has not reported may hold anything.
const REPORTS_WAIT: Duration = Duration::from_secs(1);
/// Nodes that have not confirmed the newest plan get it again.
const NUDGE_INTERVAL: Duration = Duration::from_secs(1);

/// One address in the plan.
#[derive(Debug, Default)]
struct Slot {
    owner: Option<Pnn>,
    granted: bool,
    /// Number of the plan that gave it to the owner.
    since: u64,
    /// Former owners to which it was granted, with the plan that withdrew it: they may hold it until they
    /// report otherwise in knowledge of that plan.
    suspects: BTreeMap<Pnn, u64>,
}

/// What a node said in this term.
#[derive(Debug, Default)]
struct Reported {
    sequence: u64,
    /// Number of the report; 0 once the node was lost, as its next life counts anew.
    number: u64,
    addresses: BTreeMap<IpAddr, KnownAddress>,
}

/// See the module.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts")]
pub(super) struct Leader {
    own: Pnn,
    term: Term,
    began: Instant,
    /// Of the last plan that was sent.
    sequence: u64,
    slots: BTreeMap<IpAddr, Slot>,
    reports: BTreeMap<Pnn, Reported>,
    /// Nodes that reported an address as held.
    held: BTreeMap<IpAddr, BTreeSet<Pnn>>,
    /// Nodes that were certainly silent once in this term.
    cleared: BTreeSet<Pnn>,
    /// Addresses with an owner that may not take them yet.
    waiting: BTreeSet<IpAddr>,
    /// Addresses that nobody can host, as logged.
    unhosted: BTreeSet<IpAddr>,
    /// Fit nodes at the last look.
    fit: BTreeSet<Pnn>,
    /// Nodes that host what no fit node may, at the last look.
    damped: BTreeSet<Pnn>,
    /// Nodes that could hold an LVS address, if there is one.
    usable: BTreeSet<Pnn>,
    /// A node reported an LVS address.
    has_lvs: bool,
    /// Nodes that reported without knowing a plan: they get the present one, once it knows of their reports.
    lacking: BTreeSet<Pnn>,
    /// Connected nodes were asked for their reports.
    prompted: bool,
    /// The first plan was made.
    planned: bool,
    /// The plan differs from what was sent.
    unsent: bool,
    plan_pace: Pace,
    publish_pace: Pace,
    nudge_at: Instant,
    /// Why the next plan is made.
    reason: Option<String>,
    run: Option<Run>,
    /// A plan was made whose end the nodes do not know.
    untold: bool,
    askers: Vec<Asker>,
    /// Requests of this node's clients that are over.
    done: Vec<u64>,
    /// This node leaves: nothing waits for company.
    hurried: bool,
}

impl Leader {
    pub(super) fn new(own: Pnn, term: Term, hurried: bool, now: Instant) -> Self {
        let mut plan_pace = Pace::new(PLAN_GAP);
        plan_pace.want(now);
        Self {
            own,
            term,
            began: now,
            sequence: 0,
            slots: BTreeMap::new(),
            reports: BTreeMap::new(),
            held: BTreeMap::new(),
            cleared: BTreeSet::new(),
            waiting: BTreeSet::new(),
            unhosted: BTreeSet::new(),
            fit: BTreeSet::new(),
            damped: BTreeSet::new(),
            usable: BTreeSet::new(),
            has_lvs: false,
            lacking: BTreeSet::new(),
            prompted: false,
            planned: false,
            unsent: false,
            plan_pace,
            publish_pace: Pace::new(PUBLISH_GAP),
            nudge_at: now + NUDGE_INTERVAL,
            reason: None,
            run: None,
            untold: false,
            askers: Vec::new(),
            done: Vec::new(),
            hurried,
        }
    }

    pub(super) const fn term(&self) -> Term {
        self.term
    }

    /// When this leadership became known here.
    pub(super) const fn began(&self) -> Instant {
        self.began
    }

    /// The view or the reachability of nodes changed.
    pub(super) fn cluster_changed(
        &mut self,
        now: Instant,
        cluster: &Cluster,
        out: &mut Effects<Effect>,
    ) {
        let fit = cluster.fit();
        if self.fit.difference(&fit).next().is_some() {
            self.want_plan(now, "a node can't host addresses any more");
        } else if fit != self.fit {
            self.want_plan_soon(now, "a node can host addresses now");
        }
        let damped = cluster.damped();
        if self
            .damped
            .difference(&damped)
            .any(|pnn| !fit.contains(pnn))
        {
            self.want_plan(now, "a damped node can't host addresses any more");
        } else if damped.difference(&self.damped).next().is_some() {
            self.want_plan_soon(now, "a damped node can host what no other node may");
        }
        self.fit = fit;
        self.damped = damped;
        if self.has_lvs {
            let usable = cluster.usable();
            if self.usable.difference(&usable).next().is_some() {
                self.want_plan(now, "a node can't hold the LVS address any more");
            }
            self.usable = usable;
        }
        if !self.planned {
            self.plan_pace.want(now);
        }
        for (pnn, reported) in &mut self.reports {
            if *pnn != self.own && !cluster.is_connected(*pnn) {
                reported.number = 0;
            }
        }
        self.clear_silent(now, cluster);
        self.prompt_unknown(cluster, out);
    }

    /// Asks for the reports that are missing: of nodes that came back within the term, and of those that
    /// followed this leader before it knew of its leadership itself.
    fn prompt_unknown(&mut self, cluster: &Cluster, out: &mut Effects<Effect>) {
        let first = !core::mem::replace(&mut self.prompted, true);
        for pnn in cluster.others() {
            let follows = cluster.follows(pnn) || (first && cluster.is_connected(pnn));
            if follows && self.heard_of(pnn) == 0 {
                out.push(self.send_to(pnn, 0, Vec::new()));
            }
        }
    }

    pub(super) fn want_plan(&mut self, now: Instant, reason: &str) {
        self.reason.get_or_insert_with(|| String::from(reason));
        self.plan_pace.want(now);
    }

    fn want_plan_soon(&mut self, now: Instant, reason: &str) {
        self.reason.get_or_insert_with(|| String::from(reason));
        self.plan_pace.want_soon(now);
    }

    /// A node's report; the own one too.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        peer: Pnn,
        sequence: u64,
        number: u64,
        addresses: Vec<KnownAddress>,
        out: &mut Effects<Effect>,
    ) {
        if number <= self.heard_of(peer) {
            // Overtaken on the way; a lost node counts as never heard.
            return;
        }
        // It lives (again): that it was silent once says nothing of what it is granted from now on.
        let back = self.cleared.remove(&peer);
        let first = back || !self.reports.contains_key(&peer);
        let old = self.reports.remove(&peer).unwrap_or_default();
        let new: BTreeMap<IpAddr, KnownAddress> = addresses
            .into_iter()
            .take(ADDRESSES_MAX)
            .map(|known| (known.address, known))
            .collect();
        self.has_lvs |= new.values().any(|known| known.kind == Kind::Lvs);
        self.index_held(peer, &old.addresses, &new);
        if first {
            self.want_plan_soon(now, "a node reported its addresses");
        } else {
            self.compare(now, &old.addresses, &new);
        }
        if !self.planned {
            self.plan_pace.want(now);
        }
        self.reports.insert(
            peer,
            Reported {
                sequence,
                number,
                addresses: new,
            },
        );
        if peer != self.own {
            let term = self.term;
            out.push(Effect::Send {
                peer,
                message: TakeoverMessage::Noted { term, number },
            });
            if sequence == 0 {
                self.lacking.insert(peer);
            }
        }
    }

    fn index_held(
        &mut self,
        peer: Pnn,
        old: &BTreeMap<IpAddr, KnownAddress>,
        new: &BTreeMap<IpAddr, KnownAddress>,
    ) {
        let held = |known: &BTreeMap<IpAddr, KnownAddress>, address: &IpAddr| {
            known.get(address).is_some_and(|known| known.held)
        };
        for address in old.keys().filter(|address| held(old, address)) {
            if !held(new, address) {
                self.forget_held(*address, peer);
            }
        }
        for address in new.keys().filter(|address| held(new, address)) {
            self.held.entry(*address).or_default().insert(peer);
        }
    }

    fn forget_held(&mut self, address: IpAddr, peer: Pnn) {
        if let Some(holders) = self.held.get_mut(&address) {
            holders.remove(&peer);
            if holders.is_empty() {
                self.held.remove(&address);
            }
        }
    }

    /// Plans anew if what the node can host changed.
    fn compare(
        &mut self,
        now: Instant,
        old: &BTreeMap<IpAddr, KnownAddress>,
        new: &BTreeMap<IpAddr, KnownAddress>,
    ) {
        let able = |known: &BTreeMap<IpAddr, KnownAddress>, address: &IpAddr| {
            known.get(address).is_some_and(|known| known.available)
        };
        if old.keys().any(|a| able(old, a) && !able(new, a)) {
            self.want_plan(now, "a node can't host some addresses any more");
        } else if new.keys().any(|a| able(new, a) && !able(old, a)) || !old.keys().eq(new.keys()) {
            self.want_plan_soon(now, "a node can host more addresses now");
        }
    }

    /// Everything that can be done now. Returns the plan for this node itself when there is a new one.
    pub(super) fn advance(
        &mut self,
        now: Instant,
        cluster: &Cluster,
        settings: Settings,
        out: &mut Effects<Effect>,
    ) -> Option<Vec<Assignment>> {
        self.clear_silent(now, cluster);
        if settings.failover_disabled {
            self.untold |= self.plan_pace.take(now);
            self.nudge_at = self.nudge_at.max(now + NUDGE_INTERVAL);
            self.supply(out);
            self.finish_all(cluster, out);
            return None;
        }
        if self.hurried && self.plan_pace.deadline().is_some() {
            self.plan_pace.want_at(now);
        }
        self.plan_if_due(now, cluster, settings, out);
        self.grant(cluster);
        if self.unsent && self.hurried {
            self.publish_pace.want_at(now);
        } else if self.unsent {
            self.publish_pace.want(now);
        }
        let plan = (self.publish_pace.take(now) && self.unsent).then(|| self.publish(cluster, out));
        self.supply(out);
        if now >= self.nudge_at {
            self.nudge(now, cluster, out);
        }
        self.finish_runs(now, cluster, out);
        plan
    }

    /// From now on nothing waits for company.
    pub(super) const fn hurry(&mut self) {
        self.hurried = true;
    }

    /// Number of the node's newest report.
    pub(super) fn heard_of(&self, pnn: Pnn) -> u64 {
        self.reports.get(&pnn).map_or(0, |reported| reported.number)
    }

    /// Takes the requests of this node's clients that are over.
    pub(super) fn take_done(&mut self) -> Vec<u64> {
        core::mem::take(&mut self.done)
    }

    pub(super) const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The plan as messages carry it.
    pub(super) fn assignments(&self) -> Vec<Assignment> {
        self.slots
            .iter()
            .map(|(address, slot)| Assignment {
                address: *address,
                owner: slot.owner,
                granted: slot.granted,
            })
            .collect()
    }

    fn send_to(&self, peer: Pnn, heard: u64, assignments: Vec<Assignment>) -> Effect {
        let message = TakeoverMessage::Assign {
            term: self.term,
            sequence: self.sequence,
            heard,
            assignments,
        };
        Effect::Send { peer, message }
    }

    /// Sends the plan to those who lack it. Not one that is about to change: it may take from a node what it
    /// just reported to hold.
    fn supply(&mut self, out: &mut Effects<Effect>) {
        if self.sequence == 0 || self.unsent || self.plan_pace.deadline().is_some() {
            return;
        }
        for pnn in core::mem::take(&mut self.lacking) {
            let number = self.heard_of(pnn);
            if number > 0 {
                out.push(self.send_to(pnn, number, self.assignments()));
            }
        }
    }

    fn publish(&mut self, cluster: &Cluster, out: &mut Effects<Effect>) -> Vec<Assignment> {
        self.unsent = false;
        self.sequence += 1;
        self.lacking.clear();
        let plan = self.assignments();
        for (pnn, reported) in &self.reports {
            if *pnn != self.own && cluster.is_connected(*pnn) {
                out.push(self.send_to(*pnn, reported.number, plan.clone()));
            }
        }
        plan
    }

    fn nudge(&mut self, now: Instant, cluster: &Cluster, out: &mut Effects<Effect>) {
        self.nudge_at = now + NUDGE_INTERVAL;
        let plan = self.assignments();
        for pnn in cluster.others().filter(|pnn| cluster.follows(*pnn)) {
            let (sequence, number) = self
                .reports
                .get(&pnn)
                .map_or((0, 0), |reported| (reported.sequence, reported.number));
            if number == 0 {
                out.push(self.send_to(pnn, 0, Vec::new()));
            } else if sequence < self.sequence {
                out.push(self.send_to(pnn, number, plan.clone()));
            }
        }
    }

    pub(super) fn deadline(&self, cluster: &Cluster, now: Instant) -> Option<Instant> {
        [
            self.plan_pace.deadline(),
            self.publish_pace.deadline(),
            Some(self.nudge_at),
            cluster.next_silence(now),
            self.askers.iter().map(|asker| asker.until).min(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
