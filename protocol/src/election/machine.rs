//! The election's state machine.

use super::electorate::Electorate;
use super::io::{Effect, Input, LockResult};
use super::message::ElectionMessage;
use super::standing::{Mandate, Standing};
use crate::flags::{Capabilities, RunState};
use crate::heartbeat::message::{Claim, NodeState};
use crate::id::{Pnn, Term};
use crate::machine::{Effects, Machine};
use crate::notice::Notice;
use crate::rng::Rng;
use crate::time::{Instant, TimerTable};
use crate::timing::Timing;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

/// After a lock helper failed: time to mend what it needs without flooding the log.
const LOCK_ERROR_RETRY: Duration = Duration::from_secs(1);
/// A leader whose side has no node to spare changes its mandate to the lock alone after so long: the nodes
/// that are missing then are not merely slow.
const SIDE_SHRUNK_FOR: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Try to become leader.
    Contend,
    /// The side of this leader has had no node to spare for long.
    Shrunk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lock {
    Free,
    Trying,
    Held,
}

/// See the module.
#[derive(Debug)]
pub struct Election {
    own: Pnn,
    timing: Timing,
    electorate: Electorate,
    rng: Rng,
    node: NodeState,
    standing: Standing,
    highest: Term,
    peers: BTreeMap<Pnn, (NodeState, Claim)>,
    lock: Lock,
    /// Since when this node has neither a leader nor enough peers to become one.
    minority_since: Option<Instant>,
    /// Votes for this node in the term it asks for.
    votes: Option<(Term, BTreeSet<Pnn>)>,
    voted: Term,
    /// No vote before this point: an older leader may still count on this node.
    promise_until: Instant,
    timers: TimerTable<Timer>,
}

impl Election {
    /// The election of node `own`, started at `now`.
    pub fn new(own: Pnn, electorate: Electorate, timing: Timing, seed: u64, now: Instant) -> Self {
        let mut timers = TimerTable::new();
        timers.set(Timer::Contend, now + timing.keepalive_interval);
        Self {
            own,
            timing,
            electorate,
            rng: Rng::new(seed),
            node: NodeState::default(),
            standing: Standing::Searching,
            highest: Term(0),
            peers: BTreeMap::new(),
            lock: Lock::Free,
            minority_since: None,
            votes: None,
            voted: Term(0),
            // An earlier life of this node may have promised itself to somebody.
            promise_until: now + timing.lease_hold,
            timers,
        }
    }

    /// Who leads, as this node sees it.
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    fn eligible(&self) -> bool {
        may_lead(&self.node)
    }

    /// Head start of the nodes before us, so that usually one contends.
    fn stagger(&self) -> Duration {
        let before = self
            .peers
            .iter()
            .filter(|(pnn, (node, _))| **pnn < self.own && may_lead(node));
        self.timing.election_stagger * u32::try_from(before.count()).unwrap_or(u32::MAX)
    }

    fn set_standing(&mut self, standing: Standing, out: &mut Effects<Effect>) {
        self.standing = standing;
        self.votes = None;
        if !standing.is_leader() {
            self.timers.stop(&Timer::Shrunk);
            if self.lock != Lock::Free {
                self.lock = Lock::Free;
                out.push(Effect::ReleaseLock);
            }
        }
        if standing != Standing::Searching {
            self.minority_since = None;
            self.timers.stop(&Timer::Contend);
        }
        out.push(Effect::Standing(standing));
    }

    fn search(&mut self, now: Instant, wait: Duration, reason: &str, out: &mut Effects<Effect>) {
        out.push(Effect::Log(Notice::ElectionStarted {
            reason: reason.to_string(),
        }));
        self.set_standing(Standing::Searching, out);
        self.timers.set(Timer::Contend, now + wait + self.stagger());
        self.follow_best(out);
    }

    fn step_down(&mut self, now: Instant, reason: &str, out: &mut Effects<Effect>) {
        out.push(Effect::Log(Notice::SteppedDown {
            reason: reason.to_string(),
        }));
        // Others go first: whatever made us give up may still be so.
        self.search(now, self.timing.lease_hold, reason, out);
    }

    /// The connected peer that leads with the highest term, if it is worth following.
    fn best_leader(&self) -> Option<(Pnn, Term)> {
        let leads = self
            .peers
            .iter()
            .filter(|(pnn, (_, claim))| claim.leader == Some(**pnn));
        let (pnn, term) = leads
            .map(|(pnn, (_, claim))| (*pnn, claim.term))
            .max_by_key(|(pnn, term)| (*term, *pnn))?;
        let better = match self.standing {
            Standing::Searching => true,
            Standing::Follower { term: followed, .. } => term > followed,
            Standing::Leader { term: led, .. } => term > led || (term == led && pnn < self.own),
        };
        better.then_some((pnn, term))
    }

    fn follow_best(&mut self, out: &mut Effects<Effect>) {
        let Some((leader, term)) = self.best_leader() else {
            return;
        };
        if self.standing.is_leader() {
            let reason = format!("node {leader} leads with a newer mandate");
            out.push(Effect::Log(Notice::SteppedDown { reason }));
        }
        out.push(Effect::Log(Notice::LeaderIs { leader, term }));
        self.set_standing(Standing::Follower { leader, term }, out);
    }

    fn peer(
        &mut self,
        now: Instant,
        pnn: Pnn,
        node: NodeState,
        claim: Claim,
        out: &mut Effects<Effect>,
    ) {
        self.electorate.arrive(pnn);
        self.highest = self.highest.max(claim.term);
        let before = self.peers.insert(pnn, (node, claim));
        if let Standing::Follower { leader, term } = self.standing
            && leader == pnn
            && claim != self.standing.claim(self.own, term)
        {
            if claim.leader == Some(pnn) {
                self.set_standing(
                    Standing::Follower {
                        leader,
                        term: claim.term,
                    },
                    out,
                );
            } else {
                self.lost_leader(now, pnn, "it does not lead any more", out);
            }
        }
        self.follow_best(out);
        match self.standing {
            Standing::Searching if before.is_none() => {
                // One more may be enough to lead.
                let at = now + self.stagger();
                if self
                    .timers
                    .next_of(&Timer::Contend)
                    .is_none_or(|set| at < set)
                {
                    self.timers.set(Timer::Contend, at);
                }
            }
            Standing::Leader { .. } => self.weigh_mandate(now, out),
            Standing::Searching | Standing::Follower { .. } => {}
        }
    }

    fn peer_down(
        &mut self,
        now: Instant,
        pnn: Pnn,
        last_heard: Instant,
        out: &mut Effects<Effect>,
    ) {
        self.peers.remove(&pnn);
        if let Some((_, votes)) = &mut self.votes {
            votes.remove(&pnn);
        }
        match self.standing {
            Standing::Follower { leader, .. } if leader == pnn => {
                self.promise_until = last_heard + self.timing.lease_hold;
                self.lost_leader(now, pnn, "the link to it is gone", out);
            }
            Standing::Leader { .. } => self.weigh_mandate(now, out),
            Standing::Searching | Standing::Follower { .. } => {}
        }
    }

    fn lost_leader(&mut self, now: Instant, leader: Pnn, why: &str, out: &mut Effects<Effect>) {
        out.push(Effect::Log(Notice::LeaderLost {
            leader,
            reason: why.to_string(),
        }));
        self.search(now, self.timing.leader_loss_wait, "the leader is lost", out);
    }

    /// A leader with nodes to spare rests on its side; one that could not lose another node rests, after a
    /// while, on the cluster lock alone, so that the last node of a cluster serves without a break.
    fn weigh_mandate(&mut self, now: Instant, out: &mut Effects<Effect>) {
        let Standing::Leader { term, mandate } = self.standing else {
            return;
        };
        let spare = self.peers.len() > self.electorate.followers_needed();
        match mandate {
            Mandate::LockAlone if spare => {
                self.set_standing(
                    Standing::Leader {
                        term,
                        mandate: Mandate::Side,
                    },
                    out,
                );
            }
            Mandate::Side if spare => self.timers.stop(&Timer::Shrunk),
            Mandate::Side if self.electorate.has_lock() => {
                self.timers
                    .set_if_unset(Timer::Shrunk, now + SIDE_SHRUNK_FOR);
            }
            Mandate::Side | Mandate::LockAlone => {}
        }
    }

    fn shrunk(&mut self, out: &mut Effects<Effect>) {
        if let Standing::Leader { term, .. } = self.standing {
            self.set_standing(
                Standing::Leader {
                    term,
                    mandate: Mandate::LockAlone,
                },
                out,
            );
        }
    }

    /// What a leadership begun now would rest on, if one is possible.
    fn possible_mandate(&mut self, now: Instant, out: &mut Effects<Effect>) -> Option<Mandate> {
        let connected = self.peers.len();
        if connected >= self.electorate.followers_needed() {
            self.minority_since = None;
            return Some(Mandate::Side);
        }
        if self.minority_since.is_none() {
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            out.push(Effect::Log(Notice::MinoritySide {
                connected: count(connected + 1),
                nodes: count(self.electorate.size()),
            }));
        }
        let since = *self.minority_since.get_or_insert(now);
        let waited = now.since(since) >= self.timing.minority_wait;
        (self.electorate.has_lock() && waited).then_some(Mandate::LockAlone)
    }

    fn contend(&mut self, now: Instant, out: &mut Effects<Effect>) {
        if self.standing != Standing::Searching || self.lock != Lock::Free {
            return;
        }
        let jitter = self.timing.lock_retry / 4 * self.rng.below(4) as u32;
        self.timers
            .set(Timer::Contend, now + self.timing.lock_retry + jitter);
        if !self.eligible() {
            return;
        }
        let Some(mandate) = self.possible_mandate(now, out) else {
            return;
        };
        if self.electorate.has_lock() {
            self.lock = Lock::Trying;
            self.timers.stop(&Timer::Contend);
            out.push(Effect::Log(Notice::LockWanted {}));
            out.push(Effect::TakeLock);
        } else {
            self.ask_for_votes(now, mandate, out);
        }
    }

    fn ask_for_votes(&mut self, now: Instant, mandate: Mandate, out: &mut Effects<Effect>) {
        if now < self.promise_until && self.electorate.size() > 1 {
            self.timers
                .set(Timer::Contend, self.promise_until + self.stagger());
            return;
        }
        let term = Term(self.highest.max(self.voted).0 + 1);
        self.highest = term;
        self.voted = term;
        self.votes = Some((term, BTreeSet::new()));
        for pnn in self.peers.keys() {
            out.push(Effect::Send {
                peer: *pnn,
                message: ElectionMessage::VoteRequest { term },
            });
        }
        // Two candidates that split the votes must not meet again at once.
        let wait = Duration::from_millis(100 + self.rng.below(150));
        self.timers.set(Timer::Contend, now + wait);
        self.count_votes(mandate, out);
    }

    fn count_votes(&mut self, mandate: Mandate, out: &mut Effects<Effect>) {
        let enough =
            |(_, votes): &(Term, BTreeSet<Pnn>)| votes.len() >= self.electorate.followers_needed();
        if let Some((term, _)) = self.votes.clone().filter(enough) {
            self.lead(term, mandate, out);
        }
    }

    fn lead(&mut self, term: Term, mandate: Mandate, out: &mut Effects<Effect>) {
        self.highest = term;
        out.push(Effect::Log(Notice::BecameLeader {
            pnn: self.own,
            term,
        }));
        self.set_standing(Standing::Leader { term, mandate }, out);
    }

    fn message(
        &mut self,
        now: Instant,
        pnn: Pnn,
        message: ElectionMessage,
        out: &mut Effects<Effect>,
    ) {
        if self.electorate.has_lock() || !self.peers.contains_key(&pnn) {
            return;
        }
        match message {
            ElectionMessage::VoteRequest { term } => {
                let free = self.standing == Standing::Searching && now >= self.promise_until;
                if free && term > self.voted && term > self.highest {
                    self.voted = term;
                    self.highest = term;
                    self.votes = None;
                    self.timers
                        .set(Timer::Contend, now + self.timing.lease_hold);
                    out.push(Effect::Send {
                        peer: pnn,
                        message: ElectionMessage::VoteGrant { term },
                    });
                }
            }
            ElectionMessage::VoteGrant { term } => {
                if let Some((asked, votes)) = &mut self.votes
                    && *asked == term
                {
                    votes.insert(pnn);
                    self.count_votes(Mandate::Side, out);
                }
            }
        }
    }

    fn lock_result(&mut self, now: Instant, result: LockResult, out: &mut Effects<Effect>) {
        if self.lock != Lock::Trying {
            // The attempt was given up meanwhile; the lock was released with it.
            return;
        }
        self.lock = Lock::Free;
        let jitter = self.timing.lock_retry / 4 * self.rng.below(4) as u32;
        match result {
            LockResult::Held => self.lock_held(now, out),
            LockResult::Contended => {
                out.push(Effect::Log(Notice::LockContended {}));
                self.timers
                    .set(Timer::Contend, now + self.timing.lock_retry + jitter);
            }
            LockResult::Failed(reason) => {
                out.push(Effect::Log(Notice::LockError { reason }));
                self.timers
                    .set(Timer::Contend, now + LOCK_ERROR_RETRY + jitter);
            }
        }
    }

    fn lock_held(&mut self, now: Instant, out: &mut Effects<Effect>) {
        let mandate = self
            .eligible()
            .then(|| self.possible_mandate(now, out))
            .flatten();
        let Some(mandate) = mandate else {
            self.timers
                .set(Timer::Contend, now + self.timing.lock_retry);
            out.push(Effect::ReleaseLock);
            return;
        };
        self.lock = Lock::Held;
        out.push(Effect::Log(Notice::LockTaken { pnn: self.own }));
        self.lead(Term(self.highest.0 + 1), mandate, out);
        self.weigh_mandate(now, out);
    }

    fn own(&mut self, now: Instant, node: NodeState, out: &mut Effects<Effect>) {
        self.node = node;
        if self.standing.is_leader() && !self.eligible() {
            self.step_down(now, "this node may not lead any more", out);
        }
    }

    fn lock_lost(&mut self, now: Instant, reason: String, out: &mut Effects<Effect>) {
        if self.lock != Lock::Held {
            return;
        }
        self.lock = Lock::Free;
        out.push(Effect::Log(Notice::LockLost { reason }));
        self.step_down(now, "the cluster lock is lost", out);
    }
}

/// Whether a node may lead: it has the role, is active and is not on its way out.
fn may_lead(node: &NodeState) -> bool {
    node.capabilities.contains(Capabilities::LEADER)
        && !node.flags.is_inactive()
        && node.run_state != RunState::Shutdown
}

impl Machine for Election {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, now: Instant, input: Input, effects: &mut Effects<Effect>) {
        match input {
            Input::Peer { peer, node, claim } => self.peer(now, peer, node, claim, effects),
            Input::PeerDown {
                peer,
                departed,
                last_heard,
            } => {
                if departed {
                    self.electorate.depart(peer);
                }
                self.peer_down(now, peer, last_heard, effects);
            }
            Input::AuthorityLost { reason } => {
                if self.standing.is_leader() {
                    self.step_down(now, &reason, effects);
                }
            }
            Input::Nodes(nodes) => self.electorate.reconfigure(nodes),
            Input::Own(node) => self.own(now, node, effects),
            Input::Message { peer, message } => self.message(now, peer, message, effects),
            Input::Lock(result) => self.lock_result(now, result, effects),
            Input::LockLost { reason } => self.lock_lost(now, reason, effects),
            Input::Timeout => {
                while let Some(timer) = self.timers.pop_due(now) {
                    match timer {
                        Timer::Contend => self.contend(now, effects),
                        Timer::Shrunk => self.shrunk(effects),
                    }
                }
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }
}
