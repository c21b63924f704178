//! The membership machine: ties the own flags, the table of nodes, the participant and the coordinator.
//!
//! ```text
//!  input ──► hear ──► own state, table, participant ──► consider (leader only) ──► orders ─┐
//!              ▲                                                                          │
//!              └──────────────────── loopback: orders to and answers of this node ◄───────┘
//! ```
//! The leader recovers when the nodes fit to be members, or the vnnmap planned for them, differ from the
//! composition in force, when a member is not in that composition, or when somebody asked. A change of
//! leader alone is none of these, so the new leader adopts the composition silently.
//!
//! Generations: a leader takes the next number above all that it has heard of, and a nonce, so that neither
//! two sides of a split cluster nor a leader that restarts give two compositions one name.

mod lead;

use super::config::Config;
use super::contributors::Answer;
use super::drift::Drift;
use super::flags::OwnFlags;
use super::io::{Effect, Input, Request};
use super::leader::Recovery;
use super::member::{Member, NUMBER_MAX};
use super::message::{Composition, MembershipMessage};
use super::nodes::{NO_CLAIM, NodeTable};
use super::view::{MembershipView, RecoveryMode};
use crate::election::standing::Standing;
use crate::flags::{Capabilities, NodeFlags, RunState};
use crate::heartbeat::message::{Claim, NodeState};
use crate::id::{DbId, Generation, Pnn, Term};
use crate::limits;
use crate::machine::{Effects, Machine};
use crate::notice::{Notice, ShownFlags};
use crate::record;
use crate::rng::Rng;
use crate::time::{Instant, TimerTable};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Nodes that are about to take part were waited for long enough.
    Settle,
    /// The step of the recovery takes too long.
    Step,
    /// By now every member must have said that it serves the new composition.
    Confirm,
}

/// See the module's text.
#[derive(Clone, Debug)]
pub struct Membership {
    config: Config,
    standing: Standing,
    flags: OwnFlags,
    run_state: RunState,
    capabilities: Capabilities,
    nodes: NodeTable,
    drift: Drift,
    member: Member,
    recovery: Option<Recovery>,
    /// Somebody wants a recovery, for this reason.
    wanted: Option<String>,
    /// Since when a recovery waits for nodes that are about to take part.
    waiting_since: Option<Instant>,
    /// Members that got `Commit` but whose keepalives do not show it yet.
    unconfirmed: BTreeSet<Pnn>,
    /// Unanswered `Prepare`s in a row, with the time of the last.
    strikes: BTreeMap<Pnn, (u32, Instant)>,
    /// A `Prepare` that overtook the news of its sender's leadership.
    early: Option<(Pnn, MembershipMessage)>,
    /// Messages of this node to itself.
    loopback: VecDeque<MembershipMessage>,
    timers: TimerTable<Timer>,
    published_own: Option<NodeState>,
    rng: Rng,
    /// Peers whose links were lost and have not come back.
    lost: BTreeSet<Pnn>,
    /// Why this node wants a recovery, until one begins: a leader may step down before it hears of it.
    wish: Option<String>,
    /// The present leader was told of the wish.
    wish_told: bool,
    published: Option<MembershipView>,
}

impl Machine for Membership {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, now: Instant, input: Input, fx: &mut Effects<Effect>) {
        self.hear(now, input, fx);
        loop {
            while let Some(message) = self.loopback.pop_front() {
                self.message(now, self.config.own, message, fx);
            }
            self.refresh_own(fx);
            // Only now: an order still in the loopback would look like a composition not in force.
            self.consider(now, fx);
            if self.loopback.is_empty() {
                break;
            }
        }
        self.publish(fx);
    }

    fn deadline(&self) -> Option<Instant> {
        let ban = self.flags.current_ban().map(|ban| ban.until);
        [self.timers.next(), ban, self.drift.deadline()]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Membership {
    /// A node that has heard of nobody yet. The first step, whatever its input, publishes its state.
    ///
    /// # Panics
    ///
    /// If `config.own` is not in the nodes file: there is no such node.
    pub fn new(config: Config) -> Self {
        assert!((config.own.0 as usize) < config.nodes.len());
        Self {
            standing: Standing::Searching,
            flags: OwnFlags::new(&config),
            run_state: RunState::Init,
            capabilities: config.capabilities,
            nodes: NodeTable::new(&config.nodes),
            drift: Drift::new(config.nodes.clone()),
            member: Member::new(config.own),
            recovery: None,
            wanted: None,
            waiting_since: None,
            unconfirmed: BTreeSet::new(),
            strikes: BTreeMap::new(),
            early: None,
            loopback: VecDeque::new(),
            timers: TimerTable::new(),
            published_own: None,
            published: None,
            lost: BTreeSet::new(),
            wish: None,
            wish_told: false,
            rng: Rng::new(config.seed),
            config,
        }
    }

    fn hear(&mut self, now: Instant, input: Input, fx: &mut Effects<Effect>) {
        match input {
            Input::Peer { peer, node, claim } => self.peer(now, peer, node, claim, fx),
            Input::PeerDown { peer } => self.peer_down(peer, fx),
            Input::Standing(standing) => self.set_standing(now, standing, fx),
            Input::Health(health) => self.flags.set_health(health),
            Input::RunState(state) => self.run_state = state,
            Input::Request(request) => self.request(now, request, fx),
            Input::Databases(databases) => self.member.set_databases(databases),
            Input::Ready {
                generation,
                db,
                whole,
            } => self.local_ready(generation, db, whole, fx),
            Input::Message { peer, message } => {
                if peer != self.config.own && self.nodes.is_known(peer) {
                    self.message(now, peer, message, fx);
                } else {
                    refuse(peer, "a membership message of no peer", fx);
                }
            }
            Input::Bans(bans) => self.config.bans = bans,
            Input::Nodes(lines) => {
                self.nodes.reload(&lines);
                let news = self.drift.replace(now, lines);
                log(news, fx);
            }
            Input::Retell => {
                self.published_own = None;
                self.published = None;
            }
            Input::Timeout => self.timeout(now, fx),
        }
        self.tell_lines(now, fx);
        self.tell_wish(fx);
    }

    /// Sends the nodes file to peers whose file has differed for a while.
    fn tell_lines(&mut self, now: Instant, fx: &mut Effects<Effect>) {
        for peer in self.drift.take_due(now) {
            let message = MembershipMessage::NodesFile(self.drift.lines());
            fx.push(Effect::Send { peer, message });
        }
    }

    /// A record that was on its way between two members is lost with their link though both live; only a
    /// recovery finds it, by going through what was under way. The leader sees no more than its own links, so
    /// the two ends ask for it, when the link is lost and when it is back (calls that could not be sent are
    /// sent again then).
    fn link_changed(&mut self, peer: Pnn) {
        let members = &self.member.composition().members;
        if members.contains(&peer) && members.contains(&self.config.own) {
            self.wish_for_recovery("a link between two members was lost or came back".into());
        }
    }

    fn wish_for_recovery(&mut self, reason: String) {
        self.wish = Some(reason);
        self.wish_told = false;
    }

    /// Tells the leader, as soon as there is one within reach, and every further one until a recovery begins.
    fn tell_wish(&mut self, fx: &mut Effects<Effect>) {
        let own = self.config.own;
        let Some(leader) = self.standing.leader(own) else {
            return;
        };
        if self.wish_told || !(leader == own || self.nodes.is_connected(leader)) {
            return;
        }
        let Some(reason) = self.wish.clone() else {
            return;
        };
        self.wish_told = true;
        self.send(leader, MembershipMessage::WantRecovery { reason }, fx);
        // Who is no member will not see the recovery begin.
        if !self.member.composition().members.contains(&own) {
            self.wish = None;
        }
    }

    /// Publishes the picture if it changed.
    fn publish(&mut self, fx: &mut Effects<Effect>) {
        let view = self.view();
        if self.published.as_ref() != Some(&view) {
            self.published = Some(view.clone());
            fx.push(Effect::View(view));
        }
    }

    fn view(&self) -> MembershipView {
        let (recovery_began, recovery_ended) = self.member.times();
        MembershipView {
            own: self.config.own,
            standing: self.standing,
            nodes: self.nodes.view(self.claim()),
            composition: self.member.composition().clone(),
            mode: self.member.mode(),
            committed: self.member.committed(),
            recovery_began,
            recovery_ended,
            ban: self.flags.current_ban().cloned(),
            ban_count: self.flags.ban_count(),
        }
    }

    // ---- what is known of the nodes

    fn peer(
        &mut self,
        now: Instant,
        peer: Pnn,
        node: NodeState,
        claim: Claim,
        fx: &mut Effects<Effect>,
    ) {
        if peer == self.config.own || !self.nodes.is_known(peer) {
            return refuse(peer, "a keepalive of no peer", fx);
        }
        if !self.nodes.is_connected(peer) {
            self.link_changed(peer);
        }
        self.lost.remove(&peer);
        let old = self.nodes.heard(peer, node, claim);
        log_flags(peer, old, self.nodes.flags(peer), fx);
        self.member.saw(node.committed);
        if node.committed == self.member.in_force() {
            self.unconfirmed.remove(&peer);
        }
        if node.nodes_file != 0 {
            let news = self.drift.hear(now, peer, node.nodes_file);
            log(news, fx);
        }
    }

    fn peer_down(&mut self, peer: Pnn, fx: &mut Effects<Effect>) {
        if peer == self.config.own || !self.nodes.is_known(peer) {
            return;
        }
        self.link_changed(peer);
        self.lost.insert(peer);
        self.drift.lose(peer);
        let old = self.nodes.lost(peer);
        log_flags(peer, old, self.nodes.flags(peer), fx);
        self.strikes.remove(&peer);
        fx.push(Effect::Records(record::io::Input::PeerDown { peer }));
    }

    /// This node's claim, as its peers hear it.
    fn claim(&self) -> Claim {
        match self.standing {
            Standing::Searching => NO_CLAIM,
            standing => standing.claim(self.config.own, Term(0)),
        }
    }

    fn set_standing(&mut self, now: Instant, standing: Standing, fx: &mut Effects<Effect>) {
        let before = self.claim();
        self.standing = standing;
        if self.claim() == before {
            return;
        }
        self.abort("the leadership changed", fx);
        self.wanted = None;
        self.waiting_since = None;
        self.unconfirmed.clear();
        self.strikes.clear();
        self.wish_told = false;
        self.timers = TimerTable::new();
        if let Some((peer, message)) = self.early.take() {
            self.message(now, peer, message, fx);
        }
    }

    // ---- this node's own state

    fn own_state(&self) -> NodeState {
        NodeState {
            flags: self.flags.get(),
            damped: self.flags.is_damped(),
            run_state: self.run_state,
            capabilities: self.capabilities,
            committed: self.member.in_force(),
            nodes_file: self.drift.digest(),
        }
    }

    /// Suspends or resumes the participant as the flags say and tells of a changed own state.
    fn refresh_own(&mut self, fx: &mut Effects<Effect>) {
        if self.flags.get().is_inactive() {
            self.member.suspend(fx);
        } else {
            self.member.resume();
        }
        let own = self.own_state();
        let old = self.nodes.heard(self.config.own, own, self.claim());
        if self.published_own == Some(own) {
            return;
        }
        if self.published_own.is_some() {
            log_flags(self.config.own, old, own.flags, fx);
        }
        self.published_own = Some(own);
        fx.push(Effect::Own(own));
    }

    fn request(&mut self, now: Instant, request: Request, fx: &mut Effects<Effect>) {
        match request {
            Request::Disable => self.flags.set(NodeFlags::DISABLED, true),
            Request::Enable => self.flags.set(NodeFlags::DISABLED, false),
            Request::Stop => self.flags.set(NodeFlags::STOPPED, true),
            Request::Continue => self.flags.set(NodeFlags::STOPPED, false),
            Request::Ban { seconds, reason } => self.ban(now, seconds, reason, fx),
            Request::Recover { reason } => {
                self.member.damage();
                self.wish_for_recovery(reason);
            }
            Request::LmasterRole(on) => self.capabilities.set(Capabilities::LMASTER, on),
            Request::LeaderRole(on) => self.capabilities.set(Capabilities::LEADER, on),
            Request::LvsRole(on) => self.capabilities.set(Capabilities::LVS, on),
        }
    }

    fn ban(&mut self, now: Instant, seconds: u32, reason: String, fx: &mut Effects<Effect>) {
        let node = self.config.own;
        if seconds == 0 {
            if self.flags.unban() {
                fx.push(Effect::Log(Notice::Unbanned { node }));
            }
        } else if self.config.bans.enabled {
            self.flags.ban(now, seconds, reason.clone());
            fx.push(Effect::Log(Notice::Banned {
                node,
                seconds,
                reason,
            }));
        }
    }

    // ---- messages

    fn send(&mut self, peer: Pnn, message: MembershipMessage, fx: &mut Effects<Effect>) {
        if peer == self.config.own {
            self.loopback.push_back(message);
        } else {
            fx.push(Effect::Send { peer, message });
        }
    }

    fn message(
        &mut self,
        now: Instant,
        peer: Pnn,
        message: MembershipMessage,
        fx: &mut Effects<Effect>,
    ) {
        match message {
            MembershipMessage::Prepared {
                generation,
                committed,
                prepared,
                rebuilt_with,
                intact,
                databases,
            } => {
                let answer = Answer {
                    committed,
                    prepared,
                    rebuilt_with,
                    intact,
                    databases,
                };
                self.prepared(now, peer, generation, answer, fx);
            }
            MembershipMessage::Ready {
                generation,
                db,
                whole,
            } => self.ready(now, peer, generation, (db, whole), fx),
            MembershipMessage::WantRecovery { reason } => {
                if self.standing == Standing::Searching {
                    // It follows a leadership of this node that is not known here yet, or a past one.
                    self.wish_for_recovery(reason);
                } else if self.standing.is_leader() && !self.is_preparing() {
                    self.wanted = Some(reason);
                }
            }
            MembershipMessage::NodesFile(lines) if lines.len() > limits::NODES_MAX => {
                refuse(peer, "a nodes file of impossible length", fx);
            }
            MembershipMessage::NodesFile(lines) => {
                let news = self.drift.compare(peer, &lines);
                log(news, fx);
            }
            order => self.obey(now, peer, order, fx),
        }
    }

    /// Carries out an order of the leader that this node follows.
    fn obey(
        &mut self,
        now: Instant,
        peer: Pnn,
        order: MembershipMessage,
        fx: &mut Effects<Effect>,
    ) {
        let claim = self.claim();
        if matches!(&order, MembershipMessage::Prepare { term, .. } if *term > claim.term) {
            self.early = Some((peer, order));
            return;
        }
        if claim.leader != Some(peer) {
            return;
        }
        match order {
            MembershipMessage::Prepare {
                term, composition, ..
            } => {
                if let Some(error) = self.fault(&composition) {
                    refuse(peer, error, fx);
                } else if term == claim.term && !self.flags.get().is_inactive() {
                    let generation = composition.generation;
                    let answer = self.member.prepare(now, term, composition, fx);
                    self.fulfil_wish(generation);
                    self.send(peer, answer, fx);
                }
            }
            MembershipMessage::Rebuild {
                generation,
                newest,
                contributors,
                scope,
                databases,
            } => {
                if self.member.suffices(&scope, &contributors) {
                    self.fulfil_wish(generation);
                } else {
                    self.wish_for_recovery("one of everything was asked for".into());
                }
                let what = (scope, databases);
                self.member
                    .rebuild(generation, newest, contributors, what, fx);
            }
            MembershipMessage::Serve { generation, db } => self.member.serve(generation, db, fx),
            MembershipMessage::Commit { generation } => self.member.commit(now, generation, fx),
            MembershipMessage::Ban { seconds, reason } => self.ban(now, seconds, reason, fx),
            _ => {}
        }
    }

    /// The records are gone through in this composition, so that what was wished for before comes true.
    fn fulfil_wish(&mut self, generation: Generation) {
        let is_active = self.member.mode() == RecoveryMode::Active;
        if is_active && self.member.composition().generation == generation {
            self.wish = None;
        }
    }

    /// What is wrong with a composition that a peer sent.
    fn fault(&self, composition: &Composition) -> Option<&'static str> {
        let known = |pnn: &Pnn| self.nodes.is_known(*pnn);
        let number = composition.generation.number;
        if number <= Generation::INVALID.number || number > NUMBER_MAX {
            Some("an impossible generation")
        } else if !composition.members.contains(&self.config.own) {
            Some("a composition without this node")
        } else if !composition.members.iter().all(known) {
            Some("a composition with unknown members")
        } else if composition.vnnmap.is_empty() || composition.vnnmap.len() > limits::NODES_MAX {
            Some("a vnnmap of impossible size")
        } else if !composition
            .vnnmap
            .iter()
            .all(|pnn| composition.members.contains(pnn))
        {
            Some("a vnnmap with an lmaster that is no member")
        } else {
            None
        }
    }

    fn local_ready(
        &mut self,
        generation: Generation,
        db: DbId,
        whole: bool,
        fx: &mut Effects<Effect>,
    ) {
        if generation != self.member.composition().generation {
            return;
        }
        if let Some(leader) = self.standing.leader(self.config.own) {
            let ready = MembershipMessage::Ready {
                generation,
                db,
                whole,
            };
            self.send(leader, ready, fx);
        }
    }
}

fn log(news: impl IntoIterator<Item = Notice>, fx: &mut Effects<Effect>) {
    for notice in news {
        fx.push(Effect::Log(notice));
    }
}

fn log_flags(node: Pnn, old: NodeFlags, new: NodeFlags, fx: &mut Effects<Effect>) {
    if old != new {
        let (old, new) = (ShownFlags(old), ShownFlags(new));
        fx.push(Effect::Log(Notice::FlagsChanged { node, old, new }));
    }
}

fn refuse(peer: Pnn, reason: &str, fx: &mut Effects<Effect>) {
    fx.push(Effect::Log(Notice::BadPeer {
        peer: alloc::format!("node {peer}"),
        reason: reason.into(),
    }));
}
