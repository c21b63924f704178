//! The constants of failure detection and leases, and the one formula that ties them together.
//!
//! ```text
//!  holder:  last keepalive that the leader acknowledged was sent at S
//!           gate refreshed until S + hold, traffic ends by S + hold + gate
//!  taker:   last proof of the holder received at R >= S
//!           may take at R + hold + gate + drift
//! ```
//! `drift` covers two clocks that run at different speeds and the kernel's timer slack. A leader's own
//! lease rests on the newest keepalives that its side acknowledged in the same way, and what it lends to
//! its followers never outlasts its own.

use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Times that the machines work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Between keepalives to one peer.
    pub keepalive_interval: Duration,
    /// Silence after which a peer is lost.
    pub dead_after: Duration,
    /// How long an acknowledged keepalive entitles to answer for addresses.
    pub lease_hold: Duration,
    /// Time-out of the gate in the kernel, refreshed while the lease lasts.
    pub lease_gate: Duration,
    /// Allowance for clocks and timers.
    pub lease_drift: Duration,
    /// The lock keeper frees the cluster lock when the daemon has not pinged it for so long.
    pub lock_hold: Duration,
    /// Between attempts to take a contended cluster lock.
    pub lock_retry: Duration,
    /// Head start of each node over the next one in an election.
    pub election_stagger: Duration,
    /// How long the smaller side waits before it asks for the cluster lock.
    pub minority_wait: Duration,
    /// Between messages that tell clients who leads.
    pub leader_broadcast: Duration,
    /// A recovery step that takes longer is begun anew.
    pub recovery_timeout: Duration,
}

impl Timing {
    /// The default: addresses are served again 1.5 s after the silent death of a node.
    pub const DEFAULT: Self = Self {
        keepalive_interval: Duration::from_millis(100),
        dead_after: Duration::from_millis(700),
        lease_hold: Duration::from_millis(800),
        lease_gate: Duration::from_millis(400),
        lease_drift: Duration::from_millis(30),
        lock_hold: Duration::from_millis(500),
        lock_retry: Duration::from_millis(100),
        election_stagger: Duration::from_millis(40),
        minority_wait: Duration::from_secs(3),
        leader_broadcast: Duration::from_secs(1),
        recovery_timeout: Duration::from_secs(30),
    };

    /// `[failover] fast`: 0.8 s, for private networks without jitter.
    pub const FAST: Self = Self {
        keepalive_interval: Duration::from_millis(50),
        dead_after: Duration::from_millis(300),
        lease_hold: Duration::from_millis(300),
        lease_gate: Duration::from_millis(250),
        lock_hold: Duration::from_millis(250),
        lock_retry: Duration::from_millis(50),
        ..Self::DEFAULT
    };

    /// From the last proof of a holder to the moment when another node may take its addresses.
    pub fn clear_after(&self) -> Duration {
        self.lease_hold + self.lease_gate + self.lease_drift
    }

    /// From taking the cluster lock to the moment when nobody of an older leadership answers any more.
    pub fn clear_after_lock(&self) -> Duration {
        self.lock_hold + self.lease_gate + self.lease_drift
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}
