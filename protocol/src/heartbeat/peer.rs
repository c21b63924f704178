//! What the heartbeat knows of one peer.

use super::message::{Claim, NodeState};
use crate::id::{Instance, Pnn, Term};
use crate::time::Instant;

/// A peer whose control link is up.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Its life.
    pub(super) instance: Instance,
    /// When anything was last heard of it.
    pub(super) last_heard: Instant,
    /// Its clock in its newest keepalive, to be echoed; 0 before the first.
    pub(super) newest_us: u64,
    /// Its state and claim in its newest keepalive.
    pub(super) said: Option<(NodeState, Claim)>,
    /// Sent time of our newest keepalive that it acknowledged while following us in the term beside it.
    pub(super) followed: Option<(Term, Instant)>,
    /// When it last acknowledged a leader other than its present one; `None` if never.
    pub(super) old_ack: Option<Instant>,
}

impl Peer {
    pub(super) const fn new(instance: Instance, now: Instant) -> Self {
        Self {
            instance,
            last_heard: now,
            newest_us: 0,
            said: None,
            followed: None,
            old_ack: None,
        }
    }

    /// Whether it follows `leader` in `term`.
    pub(super) fn follows(&self, leader: Pnn, term: Term) -> bool {
        self.said.is_some_and(|(_, claim)| {
            claim
                == Claim {
                    leader: Some(leader),
                    term,
                }
        })
    }
}
