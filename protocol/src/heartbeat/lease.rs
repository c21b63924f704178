//! The leader's part of the leases: its authority, and when unreachable nodes have certainly fallen silent.

use super::io::Effect;
use super::machine::{Heartbeat, needs_side};
use crate::election::standing::Standing;
use crate::id::Pnn;
use crate::machine::Effects;
use crate::takeover;
use crate::time::Instant;
use alloc::vec::Vec;
use core::time::Duration;

/// From the loss of a leader, by silence, to its successor: time for a few attempts at the lock.
const SUCCESSION: Duration = Duration::from_millis(400);

impl Heartbeat {
    /// Sent times of our newest keepalives that followers of our present leadership acknowledged.
    pub(super) fn follower_acks(&self) -> impl Iterator<Item = Instant> + '_ {
        let leading = match self.standing {
            Standing::Leader { term, .. } => Some(term),
            Standing::Searching | Standing::Follower { .. } => None,
        };
        self.peers
            .values()
            .filter_map(move |peer| match peer.followed {
                Some((term, acked)) if Some(term) == leading && peer.follows(self.own, term) => {
                    Some(acked)
                }
                Some(_) | None => None,
            })
    }

    /// Until when this node is certainly the only leader: `lease_hold` from the newest keepalive that as
    /// many followers as needed have acknowledged, and no longer than the cluster lock is held.
    pub(super) fn authority(&self, now: Instant) -> Instant {
        let needed = if needs_side(self.standing) {
            self.electorate.followers_needed()
        } else {
            0
        };
        let by_side = if needed == 0 {
            now + self.timing.lease_hold
        } else {
            let mut acks: Vec<Instant> = self.follower_acks().collect();
            acks.sort_unstable_by(|a, b| b.cmp(a));
            acks.get(needed - 1)
                .map_or(Instant::ZERO, |acked| *acked + self.timing.lease_hold)
        };
        if !self.electorate.has_lock() {
            by_side
        } else if needs_side(self.standing) {
            by_side.min(self.lock_proven + self.timing.lease_hold)
        } else {
            // Nobody of the next leader's side need have heard of this one: it must be over by the time
            // the keeper gives the lock up.
            by_side.min(self.lock_proven + self.timing.lock_hold)
        }
    }

    /// When nodes that this leader can't reach have certainly stopped to answer, whoever led them before.
    /// Any of them had ended when ours began. The one that our side followed rested on acknowledgements, of
    /// which our side knows the newest: that point is earlier. It counts only while there was no time for
    /// yet another leadership that nobody of us has heard of (half of the nodes, or one, may lead by the
    /// lock).
    pub(super) fn older_leases_end(&self) -> Option<Instant> {
        let Standing::Leader { term, .. } = self.standing else {
            return None;
        };
        let followers = || {
            self.peers
                .values()
                .filter(|peer| peer.follows(self.own, term))
        };
        let begun = self.led_since + self.timing.clear_after();
        if !self.electorate.is_majority(1 + followers().count()) {
            return Some(begun);
        }
        let acks = followers().filter_map(|peer| peer.old_ack);
        let newest = acks.fold(self.old_ack, Instant::max);
        let leaderless = self.led_since.since(newest);
        if leaderless > self.timing.dead_after + SUCCESSION {
            return Some(begun);
        }
        Some(begun.min(newest + self.timing.clear_after()))
    }

    /// Tells takeover, after a change, when each unreachable node has fallen silent.
    pub(super) fn tell_unreachable(&mut self, out: &mut Effects<Effect>) {
        let Some(end) = self.older_leases_end() else {
            return;
        };
        let departed: Vec<Pnn> = self.electorate.departed().collect();
        for pnn in departed {
            if !self.told_clear.contains_key(&pnn) {
                // It gave everything up before it said goodbye.
                self.tell_clear(pnn, self.led_since, out);
            }
        }
        let lost: Vec<Pnn> = self
            .electorate
            .voters()
            .filter(|pnn| *pnn != self.own && !self.peers.contains_key(pnn))
            .filter(|pnn| !self.lost_followers.contains(pnn))
            .collect();
        for pnn in lost {
            if self.told_clear.get(&pnn).is_none_or(|told| end < *told) {
                self.tell_clear(pnn, end, out);
            }
        }
    }

    pub(super) fn tell_clear(&mut self, peer: Pnn, clear_at: Instant, out: &mut Effects<Effect>) {
        self.told_clear.insert(peer, clear_at);
        out.push(Effect::Takeover(takeover::io::Input::Unreachable {
            peer,
            clear_at,
        }));
    }
}
