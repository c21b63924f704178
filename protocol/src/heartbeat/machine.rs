//! The heartbeat's state machine.

use super::io::{Effect, Input};
use super::message::{Keepalive, NodeState};
use super::peer::Peer;
use crate::election::electorate::Electorate;
use crate::election::standing::{Mandate, Standing};
use crate::id::{Instance, Pnn, Term};
use crate::machine::{Effects, Machine};
use crate::notice::Notice;
use crate::time::{Instant, TimerTable};
use crate::timing::Timing;
use crate::{election, membership, takeover};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

/// What the heartbeat waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The next round of keepalives.
    Round,
    /// Silence of a peer.
    Silence(Pnn),
    /// The end of this leader's authority.
    Authority,
}

/// See the module.
#[derive(Debug)]
pub struct Heartbeat {
    pub(super) own: Pnn,
    pub(super) timing: Timing,
    pub(super) electorate: Electorate,
    pub(super) peers: BTreeMap<Pnn, Peer>,
    pub(super) standing: Standing,
    highest: Term,
    node: NodeState,
    /// When the present leadership of this node began.
    pub(super) led_since: Instant,
    /// Sent time of the newest ping that the cluster lock's keeper answered.
    pub(super) lock_proven: Instant,
    /// When the newest keepalive of the present leader came: whatever we acknowledge to it extends its
    /// authority from no later point.
    last_ack: Option<Instant>,
    /// The same for leaders before the present one. The start counts: an earlier life may have
    /// acknowledged somebody just before it ended.
    pub(super) old_ack: Instant,
    /// Points told to takeover, so that each is told once.
    pub(super) told_clear: BTreeMap<Pnn, Instant>,
    /// Nodes lost in the present leadership: their leases may be ours, so what is known of older ones
    /// says nothing of them.
    pub(super) lost_followers: BTreeSet<Pnn>,
    lease_until: Instant,
    timers: TimerTable<Timer>,
}

impl Heartbeat {
    /// The heartbeat of node `own`, started at `now`.
    pub fn new(own: Pnn, electorate: Electorate, timing: Timing, now: Instant) -> Self {
        let mut timers = TimerTable::new();
        timers.set(Timer::Round, now);
        Self {
            own,
            timing,
            electorate,
            peers: BTreeMap::new(),
            standing: Standing::Searching,
            highest: Term(0),
            node: NodeState::default(),
            led_since: now,
            lock_proven: Instant::ZERO,
            last_ack: None,
            old_ack: now,
            told_clear: BTreeMap::new(),
            lost_followers: BTreeSet::new(),
            // Nothing is lent; what an earlier heartbeat of this process lent may run to its end.
            lease_until: now,
            timers,
        }
    }

    /// Until when this node may answer for its public addresses, as last told.
    pub const fn lease_until(&self) -> Instant {
        self.lease_until
    }

    /// Peers that are connected and have told their state.
    pub fn connected(&self) -> impl Iterator<Item = Pnn> + '_ {
        self.peers
            .iter()
            .filter(|(_, peer)| peer.said.is_some())
            .map(|(pnn, _)| *pnn)
    }

    fn link_up(&mut self, now: Instant, pnn: Pnn, instance: Instance, out: &mut Effects<Effect>) {
        if self
            .peers
            .get(&pnn)
            .is_some_and(|peer| peer.instance != instance)
        {
            self.lose(now, pnn, "it was started again", false, out);
        }
        self.peers.insert(pnn, Peer::new(instance, now));
        self.timers
            .set(Timer::Silence(pnn), now + self.timing.dead_after);
        self.send(now, pnn, out);
    }

    fn lose(
        &mut self,
        now: Instant,
        pnn: Pnn,
        why: &str,
        departed: bool,
        out: &mut Effects<Effect>,
    ) {
        let Some(peer) = self.peers.remove(&pnn) else {
            return;
        };
        self.timers.stop(&Timer::Silence(pnn));
        if departed {
            self.electorate.depart(pnn);
        }
        let last_heard = peer.last_heard;
        let connected = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        out.push(Effect::Log(Notice::NodeDead {
            peer: pnn,
            reason: why.to_string(),
            connected,
        }));
        out.push(Effect::Election(election::io::Input::PeerDown {
            peer: pnn,
            departed,
            last_heard,
        }));
        out.push(Effect::Membership(membership::io::Input::PeerDown {
            peer: pnn,
        }));
        let clear_at = if departed {
            now
        } else {
            last_heard + self.timing.clear_after()
        };
        if self.standing.is_leader() {
            self.lost_followers.insert(pnn);
        }
        // It may live on a lease of an older leadership that heard of it later than this node did.
        let older = self.older_leases_end().filter(|_| !departed);
        let clear_at = older.map_or(clear_at, |older| clear_at.max(older));
        self.tell_clear(pnn, clear_at, out);
        self.refresh_authority(now, out);
    }

    fn heard(&mut self, now: Instant, pnn: Pnn, said: &Keepalive, out: &mut Effects<Effect>) {
        let Some(peer) = self.peers.get_mut(&pnn) else {
            return;
        };
        peer.last_heard = now;
        peer.newest_us = said.sent_at_us;
        peer.old_ack = (said.old_ack_age_ms != u32::MAX)
            .then(|| now - Duration::from_millis(said.old_ack_age_ms.into()));
        let acked = Instant::from_micros(said.echo_us);
        // An echo from the future is a fault of the peer's; it acknowledges nothing.
        let acknowledges = said.echo_us != 0 && acked <= now;
        let follows_us = said.claim.leader == Some(self.own);
        if acknowledges && follows_us {
            peer.followed = Some((said.claim.term, acked));
        }
        if self.standing.leader(self.own) == Some(pnn) {
            self.last_ack = Some(now);
        }
        let first = peer.said.is_none();
        let news = peer.said != Some((said.node, said.claim));
        peer.said = Some((said.node, said.claim));
        self.highest = self.highest.max(said.claim.term);
        self.timers
            .set(Timer::Silence(pnn), now + self.timing.dead_after);
        if first {
            self.electorate.arrive(pnn);
            self.told_clear.remove(&pnn);
            self.lost_followers.remove(&pnn);
            out.push(Effect::Takeover(takeover::io::Input::Reachable {
                peer: pnn,
            }));
        }
        if news {
            let (node, claim) = (said.node, said.claim);
            out.push(Effect::Election(election::io::Input::Peer {
                peer: pnn,
                node,
                claim,
            }));
            out.push(Effect::Membership(membership::io::Input::Peer {
                peer: pnn,
                node,
                claim,
            }));
        }
        if acknowledges {
            self.borrow_lease(pnn, said, acked, out);
        }
        if follows_us {
            self.refresh_authority(now, out);
            self.tell_unreachable(out);
        }
    }

    /// Who is not in the nodes file any more must not be connected; the admin's tool saw to that a moment ago.
    fn nodes_changed(&mut self, now: Instant, nodes: &[Pnn], out: &mut Effects<Effect>) {
        self.electorate.reconfigure(nodes.iter().copied());
        let strangers = self.peers.keys().filter(|pnn| !nodes.contains(pnn));
        for peer in strangers.copied().collect::<Vec<_>>() {
            let reason = String::from("it was taken out of the nodes file");
            self.lose(now, peer, &reason, false, out);
            out.push(Effect::CloseLink { peer, reason });
        }
        self.refresh_authority(now, out);
    }

    fn retell(&self, out: &mut Effects<Effect>) {
        for peer in self.electorate.departed() {
            out.push(Effect::Election(election::io::Input::PeerDown {
                peer,
                departed: true,
                last_heard: Instant::ZERO,
            }));
        }
        for (peer, known) in &self.peers {
            let (peer, Some((node, claim))) = (*peer, known.said) else {
                continue;
            };
            out.push(Effect::Election(election::io::Input::Peer {
                peer,
                node,
                claim,
            }));
            out.push(Effect::Membership(membership::io::Input::Peer {
                peer,
                node,
                claim,
            }));
        }
    }

    /// A follower's lease: see the module.
    fn borrow_lease(
        &mut self,
        pnn: Pnn,
        said: &Keepalive,
        acked: Instant,
        out: &mut Effects<Effect>,
    ) {
        let Standing::Follower { leader, term } = self.standing else {
            return;
        };
        if pnn != leader || said.claim != self.standing.claim(self.own, term) {
            return;
        }
        let left = Duration::from_millis(said.authority_left_ms.into());
        self.extend_lease(acked + left.min(self.timing.lease_hold), out);
    }

    pub(super) fn extend_lease(&mut self, until: Instant, out: &mut Effects<Effect>) {
        if until > self.lease_until {
            self.lease_until = until;
            out.push(Effect::LeaseUntil(until));
        }
    }

    fn refresh_authority(&mut self, now: Instant, out: &mut Effects<Effect>) {
        if !self.standing.is_leader() {
            return;
        }
        let until = self.authority(now);
        self.extend_lease(until, out);
        // A new leader's followers have not acknowledged it yet.
        let grace = self.led_since + self.timing.lease_hold;
        self.timers.set(Timer::Authority, until.max(grace));
    }

    fn check_authority(&mut self, now: Instant, out: &mut Effects<Effect>) {
        self.refresh_authority(now, out);
        if self.standing.is_leader() && self.timers.next_of(&Timer::Authority) <= Some(now) {
            self.timers.stop(&Timer::Authority);
            let reason = self.authority_reason(now);
            out.push(Effect::Election(election::io::Input::AuthorityLost {
                reason,
            }));
        }
    }

    fn authority_reason(&self, now: Instant) -> String {
        if self.electorate.has_lock() && self.lock_proven + self.timing.lock_hold <= now {
            String::from("the cluster lock's keeper does not answer")
        } else {
            format!("only {} nodes follow", self.follower_acks().count())
        }
    }

    fn set_standing(&mut self, now: Instant, standing: Standing, out: &mut Effects<Effect>) {
        if standing == self.standing {
            return;
        }
        let same_lead = self.standing.leader(self.own) == standing.leader(self.own);
        if !same_lead && let Some(acked) = self.last_ack.take() {
            self.old_ack = self.old_ack.max(acked);
        }
        if !same_lead && let Standing::Follower { leader, .. } = standing {
            // The first keepalive that follows it acknowledges what came of it before.
            self.last_ack = self.peers.get(&leader).map(|peer| peer.last_heard);
        }
        if standing.is_leader() && !self.standing.is_leader() {
            self.led_since = now;
            self.lost_followers.clear();
        }
        if !standing.is_leader() {
            self.timers.stop(&Timer::Authority);
            if self.standing.is_leader() {
                // What it lent rested on acknowledgements of others; they may be out of reach by now.
                self.old_ack = now;
            }
            if self.standing.is_leader() && !needs_side(self.standing) {
                // It rested on the cluster lock, and that is perhaps another node's already.
                self.lease_until = now;
                out.push(Effect::LeaseUntil(now));
            }
        }
        if let Standing::Follower { term, .. } | Standing::Leader { term, .. } = standing {
            self.highest = self.highest.max(term);
        }
        self.standing = standing;
        self.told_clear.clear();
        self.refresh_authority(now, out);
        self.tell_unreachable(out);
        self.round(now, out);
    }

    fn send(&mut self, now: Instant, pnn: Pnn, out: &mut Effects<Effect>) {
        let Some(peer) = self.peers.get(&pnn) else {
            return;
        };
        let authority_left = match self.standing {
            Standing::Leader { term, .. } if peer.follows(self.own, term) => {
                self.authority(now).since(now)
            }
            _ => Duration::ZERO,
        };
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX - 1);
        let keepalive = Keepalive {
            sent_at_us: now.as_micros().max(1),
            echo_us: peer.newest_us,
            node: self.node,
            claim: self.standing.claim(self.own, self.highest),
            authority_left_ms: millis(authority_left),
            old_ack_age_ms: millis(now.since(self.old_ack)),
        };
        out.push(Effect::Send {
            peer: pnn,
            keepalive,
        });
    }

    fn round(&mut self, now: Instant, out: &mut Effects<Effect>) {
        let peers: alloc::vec::Vec<Pnn> = self.peers.keys().copied().collect();
        for pnn in peers {
            self.send(now, pnn, out);
        }
        self.timers
            .set(Timer::Round, now + self.timing.keepalive_interval);
    }

    /// This process was not run for a while: what peers sent meanwhile still waits to be read, so their
    /// silence proves nothing yet. (Leases need no such care: they count from what we sent.)
    fn forgive_own_pause(&mut self, now: Instant) {
        let late = self
            .timers
            .next()
            .map_or(Duration::ZERO, |due| now.since(due));
        let grace = self.timing.keepalive_interval * 2;
        if late < grace {
            return;
        }
        for pnn in self.peers.keys() {
            let silence = Timer::Silence(*pnn);
            if self
                .timers
                .next_of(&silence)
                .is_some_and(|at| at < now + grace)
            {
                self.timers.set(silence, now + grace);
            }
        }
    }

    fn timeout(&mut self, now: Instant, out: &mut Effects<Effect>) {
        self.forgive_own_pause(now);
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Round => {
                    self.check_authority(now, out);
                    self.round(now, out);
                }
                Timer::Authority => {
                    self.timers.set(Timer::Authority, now);
                    self.check_authority(now, out);
                }
                Timer::Silence(pnn) => {
                    let silent = self
                        .peers
                        .get(&pnn)
                        .map_or(Duration::ZERO, |p| now.since(p.last_heard));
                    let reason = format!(
                        "dead count reached for node: silent for {} ms",
                        silent.as_millis()
                    );
                    out.push(Effect::CloseLink {
                        peer: pnn,
                        reason: reason.clone(),
                    });
                    self.lose(now, pnn, &reason, false, out);
                }
            }
        }
    }
}

impl Machine for Heartbeat {
    type Input = Input;
    type Effect = Effect;

    fn step(&mut self, now: Instant, input: Input, effects: &mut Effects<Effect>) {
        match input {
            Input::LinkUp { peer, instance } => self.link_up(now, peer, instance, effects),
            Input::LinkDown { peer, reason } => self.lose(now, peer, &reason, false, effects),
            Input::Goodbye { peer } => self.lose(now, peer, "it shuts down", true, effects),
            Input::Keepalive { peer, keepalive } => self.heard(now, peer, &keepalive, effects),
            Input::Own(node) if node == self.node => {}
            Input::Own(node) => {
                self.node = node;
                self.round(now, effects);
            }
            Input::Standing(standing) => self.set_standing(now, standing, effects),
            Input::LockProven(sent) => {
                self.lock_proven = self.lock_proven.max(sent);
                self.refresh_authority(now, effects);
            }
            Input::Nodes(nodes) => self.nodes_changed(now, &nodes, effects),
            Input::Retell => self.retell(effects),
            Input::Timeout => self.timeout(now, effects),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }
}

/// Whether a mandate needs followers.
pub(super) const fn needs_side(standing: Standing) -> bool {
    matches!(
        standing,
        Standing::Leader {
            mandate: Mandate::Side,
            ..
        }
    )
}
