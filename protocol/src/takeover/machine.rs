//! The takeover's state machine: one per node, with the part of every node (`holder`) and, while this node
//! leads, the leader's part (`leader`). The two speak in messages even when they are on one node.

use super::cluster::Cluster;
use super::holder::Holder;
use super::io::{Effect, Input, Settings};
use super::leader::Leader;
use super::message::TakeoverMessage;
use super::pace::Pace;
use super::view::AddressView;
use crate::id::{Pnn, Term};
use crate::machine::{Effects, Machine};
use crate::membership::view::MembershipView;
use crate::time::Instant;
use crate::timing::Timing;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// Between views in a burst of changes.
const VIEW_GAP: Duration = Duration::from_millis(10);
/// A client's request is repeated to the leader until it is answered.
const ASK_INTERVAL: Duration = Duration::from_secs(1);
/// Most requests of local clients at a time; who is not answered asks again.
const REQUESTS_MAX: usize = 1_024;
/// A step ends after so many rounds between the two parts of a node; two are needed in practice.
const ROUNDS_MAX: u32 = 8;

/// What a local client wants of the leader.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// Time to ask the leader.
    ask_at: Instant,
    /// One address to be moved; else a run.
    place: Option<(IpAddr, Pnn)>,
}

/// See the module.
#[derive(Debug)]
pub struct Takeover {
    own: Pnn,
    timing: Timing,
    settings: Settings,
    cluster: Cluster,
    holder: Holder,
    leader: Option<Leader>,
    /// A leadership of this node that ended with its lease although the view does not say so yet.
    lapsed: Option<Term>,
    /// Requests of local clients.
    requests: BTreeMap<u64, Wanted>,
    view: AddressView,
    view_pace: Pace,
    leaving: bool,
    left_told: bool,
    /// Time of the last step.
    clock: Instant,
}

impl Takeover {
    /// The takeover of node `own`, which holds nothing yet: the caller has removed what an earlier life
    /// left on the interfaces.
    pub fn new(own: Pnn, timing: Timing, settings: Settings) -> Self {
        Self {
            own,
            timing,
            settings,
            cluster: Cluster::new(own),
            holder: Holder::new(own),
            leader: None,
            lapsed: None,
            requests: BTreeMap::new(),
            view: AddressView::default(),
            view_pace: Pace::new(VIEW_GAP),
            leaving: false,
            left_told: false,
            clock: Instant::ZERO,
        }
    }

    fn set_view(&mut self, now: Instant, view: MembershipView, out: &mut Effects<Effect>) {
        let before = self.cluster.followed();
        self.cluster.set_view(view);
        let followed = self.cluster.followed();
        let leading = self
            .cluster
            .leading()
            .filter(|term| Some(*term) != self.lapsed);
        if leading != self.leader.as_ref().map(Leader::term) {
            self.leader = leading.map(|term| {
                self.cluster.distrust_lost(now + self.timing.clear_after());
                Leader::new(self.own, term, self.leaving, now)
            });
        }
        if followed != before {
            self.holder.follow(now, followed);
            for wanted in self.requests.values_mut() {
                wanted.ask_at = now;
            }
        }
        self.holder.set_heirs(self.cluster.others_fit());
        self.holder.set_node(now, self.cluster.own_node(), out);
        self.cluster_changed(now, out);
    }

    /// A leader's own lease is its authority: without it, once it had the time to get one, others may
    /// lead. It must not plan again when the next leader lends it a lease before the view tells of that. Who is late
    /// himself may get his own lease back, and would lead on with nobody to plan: so election is told.
    fn end_lapsed_leadership(&mut self, now: Instant, out: &mut Effects<Effect>) {
        if let Some(leader) = &self.leader
            && leader.began() + self.timing.lease_hold <= now
        {
            self.lapsed = Some(leader.term());
            self.leader = None;
            out.push(Effect::Lapsed);
        }
    }

    fn cluster_changed(&mut self, now: Instant, out: &mut Effects<Effect>) {
        if let Some(leader) = &mut self.leader {
            leader.cluster_changed(now, &self.cluster, out);
        }
    }

    fn message(
        &mut self,
        now: Instant,
        peer: Pnn,
        message: TakeoverMessage,
        out: &mut Effects<Effect>,
    ) {
        let followed = self.holder.reporter.leader();
        match message {
            TakeoverMessage::Assign {
                term,
                sequence,
                heard,
                assignments,
            } if followed == Some((peer, term)) => {
                self.holder.obey(now, sequence, heard, &assignments, out);
            }
            TakeoverMessage::Noted { term, number } if followed == Some((peer, term)) => {
                self.holder.reporter.noted(number);
            }
            TakeoverMessage::Report {
                term,
                sequence,
                number,
                addresses,
            } => {
                if let Some(leader) = &mut self.leader
                    && leader.term() == term
                    && self.cluster.knows(peer)
                {
                    leader.accept(now, peer, sequence, number, addresses, out);
                }
            }
            TakeoverMessage::WantRun { request } => {
                if let Some(leader) = &mut self.leader {
                    leader.ask(now, peer, request);
                }
            }
            TakeoverMessage::WantMove {
                request,
                address,
                to,
            } => {
                if let Some(leader) = &mut self.leader {
                    leader.place(now, (peer, request), address, to, &self.cluster);
                }
            }
            TakeoverMessage::RunOver { term } => {
                if followed == Some((peer, term)) {
                    self.publish_at_once(out);
                    out.push(Effect::Reallocated);
                }
            }
            TakeoverMessage::RunDone { request } => self.run_done(request, peer, out),
            // Of a leadership that is not followed (any more).
            TakeoverMessage::Assign { .. } | TakeoverMessage::Noted { .. } => {}
        }
    }

    fn run_done(&mut self, request: u64, leader: Pnn, out: &mut Effects<Effect>) {
        if self.requests.remove(&request).is_some() {
            // Who hears of the end looks where the addresses are.
            self.publish_at_once(out);
            out.push(Effect::RunDone { request, leader });
        }
    }

    /// Asks the leader for the runs that local clients want.
    fn ask(&mut self, now: Instant, out: &mut Effects<Effect>) {
        let leader = self.cluster.followed().map(|(leader, _)| leader);
        for (request, wanted) in &mut self.requests {
            if wanted.ask_at > now {
                continue;
            }
            wanted.ask_at = now + ASK_INTERVAL;
            let request = *request;
            if let Some(leader) = &mut self.leader {
                match wanted.place {
                    None => leader.ask(now, self.own, request),
                    Some((address, to)) => {
                        leader.place(now, (self.own, request), address, to, &self.cluster);
                    }
                }
            } else if let Some(peer) = leader.filter(|peer| *peer != self.own) {
                let message = match wanted.place {
                    None => TakeoverMessage::WantRun { request },
                    Some((address, to)) => TakeoverMessage::WantMove {
                        request,
                        address,
                        to,
                    },
                };
                out.push(Effect::Send { peer, message });
            }
        }
    }

    fn want(&mut self, now: Instant, request: u64, place: Option<(IpAddr, Pnn)>) {
        if self.requests.len() < REQUESTS_MAX {
            let ask_at = now;
            self.requests.insert(request, Wanted { ask_at, place });
        }
    }

    /// Does what has become possible or due.
    fn advance(&mut self, now: Instant, out: &mut Effects<Effect>) {
        self.holder.retry(now, out);
        self.ask(now, out);
        for _ in 0..ROUNDS_MAX {
            let reported = self.report(now, out);
            let planned = self.lead(now, out);
            if !reported && !planned {
                break;
            }
        }
        self.publish(now, out);
        if self.holder.is_gone() && !self.left_told {
            self.left_told = true;
            out.push(Effect::Left);
        }
    }

    fn report(&mut self, now: Instant, out: &mut Effects<Effect>) -> bool {
        let Some((peer, message)) = self.holder.report(now) else {
            return false;
        };
        if peer != self.own {
            out.push(Effect::Send { peer, message });
            return false;
        }
        if let TakeoverMessage::Report { number, .. } = message {
            self.message(now, peer, message, out);
            self.holder.reporter.noted(number);
        }
        true
    }

    fn lead(&mut self, now: Instant, out: &mut Effects<Effect>) -> bool {
        let Some(leader) = &mut self.leader else {
            return false;
        };
        let news = leader.advance(now, &self.cluster, self.settings, out);
        let done: Vec<u64> = leader.take_done();
        let (sequence, heard) = (leader.sequence(), leader.heard_of(self.own));
        let lacks_plan = sequence > 0 && self.holder.lacks_plan(heard);
        let plan = news.or_else(|| lacks_plan.then(|| leader.assignments()));
        let planned = plan.is_some();
        if let Some(plan) = plan {
            self.holder.obey(now, sequence, heard, &plan, out);
        }
        for request in done {
            self.run_done(request, self.own, out);
        }
        planned
    }

    fn publish(&mut self, now: Instant, out: &mut Effects<Effect>) {
        if core::mem::take(&mut self.holder.view_changed) {
            self.view_pace.want(now);
        }
        if self.view_pace.take(now) {
            self.publish_at_once(out);
        }
    }

    fn publish_at_once(&mut self, out: &mut Effects<Effect>) {
        let view = self.holder.view();
        if view != self.view {
            self.view = view.clone();
            out.push(Effect::View(view));
        }
    }
}

impl Machine for Takeover {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, now: Instant, input: Input, effects: &mut Effects<Effect>) {
        self.clock = now;
        match input {
            Input::View(view) => self.set_view(now, view, effects),
            Input::Unreachable { peer, clear_at } => {
                self.cluster.lose(peer, clear_at);
                self.holder.set_heirs(self.cluster.others_fit());
                self.cluster_changed(now, effects);
            }
            Input::Reachable { peer } => {
                self.cluster.regain(peer);
                self.holder.set_heirs(self.cluster.others_fit());
                self.cluster_changed(now, effects);
                if self.holder.reporter.leader().map(|(leader, _)| leader) == Some(peer) {
                    self.holder.reporter.force(now);
                }
            }
            Input::Lease { alive } => {
                self.holder.set_lease(now, alive, effects);
                if alive.is_none() {
                    self.end_lapsed_leadership(now, effects);
                }
            }
            Input::Interface { name, up } => {
                self.holder.set_interface(now, &name, up, effects);
            }
            Input::Configure(addresses) => {
                effects.push(Effect::Prepare(addresses.clone()));
                self.holder.configure(now, addresses, effects);
            }
            Input::Settings(settings) => {
                self.settings = settings;
                if let Some(leader) = &mut self.leader {
                    leader.want_plan(now, "a tunable was changed");
                }
            }
            Input::Message { peer, message } => self.message(now, peer, message, effects),
            Input::Kernel {
                address,
                present,
                error,
            } => self.holder.kernel(now, address, present, error, effects),
            Input::WantRun { request } => self.want(now, request, None),
            Input::WantMove {
                request,
                address,
                to,
            } => self.want(now, request, Some((address, to))),
            Input::Announce { address } => self.holder.announce(address, effects),
            Input::Leave => {
                self.leaving = true;
                self.holder.leave(now, effects);
                if let Some(leader) = &mut self.leader {
                    leader.hurry();
                }
            }
            Input::Timeout => {}
        }
        self.advance(now, effects);
    }

    fn deadline(&self) -> Option<Instant> {
        let leader = self.leader.as_ref();
        [
            self.holder.deadline(),
            self.holder.reporter.deadline(),
            leader.and_then(|leader| leader.deadline(&self.cluster, self.clock)),
            self.requests.values().map(|wanted| wanted.ask_at).min(),
            self.view_pace.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
