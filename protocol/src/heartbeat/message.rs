//! The keepalive: small, frequent, and the acknowledgement of the peer's last one.

use crate::flags::{Capabilities, NodeFlags, RunState};
use crate::id::{Generation, Pnn, Term};
use serde::{Deserialize, Serialize};

/// What a node says of itself; it alone decides this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// Its own flags, never [`NodeFlags::DISCONNECTED`].
    pub flags: NodeFlags,
    /// [`NodeFlags::UNHEALTHY`] only because its health flaps: its checks pass.
    pub damped: bool,
    /// Its stage of life.
    pub run_state: RunState,
    /// Its roles.
    pub capabilities: Capabilities,
    /// The composition in which its databases were last completely recovered.
    pub committed: Generation,
    /// Digest of the nodes file in force there; 0 while it is not known.
    pub nodes_file: u64,
}

/// Whom a node follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The leader, itself perhaps.
    pub leader: Option<Pnn>,
    /// The number of that leadership, or the highest seen.
    pub term: Term,
}

/// Sent to every connected peer each keepalive interval and at once when the sender's state changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keepalive {
    /// When it was sent, in microseconds of the sender's clock.
    pub sent_at_us: u64,
    /// `sent_at_us` of the receiver's newest keepalive that the sender has seen; 0 if none. This is the
    /// acknowledgement that leases are built on.
    pub echo_us: u64,
    /// The sender's state.
    pub node: NodeState,
    /// Whom the sender follows.
    pub claim: Claim,
    /// From a leader to its follower: for how long its authority lasts, in milliseconds; else 0.
    pub authority_left_ms: u32,
    /// How long ago the sender last acknowledged a leader other than the present one, in milliseconds;
    /// `u32::MAX` if never.
    pub old_ack_age_ms: u32,
}
