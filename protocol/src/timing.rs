//! The constants of failure detection and leases, and the one formula that ties them together.
//!
//! ```text
//!  holder:  last keepalive that the leader acknowledged was sent at S
//!           traffic of its addresses ends by S + hold (the kernel's gate is never refreshed beyond)
//!  taker:   last proof of the holder received at R >= S
//!           may take at R + hold + drift
//! ```
//! `drift` covers two clocks that run at different speeds and the kernel's timer slack. A leader's own
//! lease rests on the newest keepalives that its side acknowledged in the same way, and what it lends to
//! its followers never outlasts its own.
//!
//! `hold` is longer than `dead_after`, so that the followers of a lost leader find another one before
//! their own leases end.

use crate::settings::Settings;
use crate::tunable::{TunableId, Tunables};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The longest time that any setting may ask for; keeps sums of durations far from overflow.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Failover time that the default timings promise, measured at a client of the address.
pub const PROMISED_FAILOVER: Duration = Duration::from_millis(1_500);

/// Times that the machines work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Between keepalives to one peer.
    pub keepalive_interval: Duration,
    /// Silence after which a peer is lost.
    pub dead_after: Duration,
    /// How long an acknowledged keepalive entitles to answer for addresses.
    pub lease_hold: Duration,
    /// Time-out of the gate in the kernel at one refresh; never beyond the lease.
    pub lease_gate: Duration,
    /// Between refreshes of the gate.
    pub lease_refresh: Duration,
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
    /// Wait between the loss of the leader and the election; zero unless the admin set `leader timeout`.
    pub leader_loss_wait: Duration,
    /// Between messages that tell clients who leads.
    pub leader_broadcast: Duration,
    /// A recovery step that takes longer is begun anew.
    pub recovery_timeout: Duration,
    /// Pause between two recoveries; zero unless the admin set `RerecoveryTimeout`.
    pub rerecovery_pause: Duration,
}

impl Timing {
    /// The default: addresses are served again 1.5 s after the silent death of a node.
    pub const DEFAULT: Self = Self {
        keepalive_interval: Duration::from_millis(100),
        dead_after: Duration::from_millis(700),
        lease_hold: Duration::from_millis(1_150),
        lease_gate: Duration::from_millis(400),
        lease_refresh: Duration::from_millis(100),
        lease_drift: Duration::from_millis(50),
        lock_hold: Duration::from_millis(500),
        lock_retry: Duration::from_millis(100),
        election_stagger: Duration::from_millis(40),
        minority_wait: Duration::from_secs(3),
        leader_loss_wait: Duration::ZERO,
        leader_broadcast: Duration::from_secs(1),
        recovery_timeout: Duration::from_secs(30),
        rerecovery_pause: Duration::ZERO,
    };

    /// `[failover] fast`: 0.8 s, for private networks without jitter.
    pub const FAST: Self = Self {
        keepalive_interval: Duration::from_millis(50),
        dead_after: Duration::from_millis(300),
        lease_hold: Duration::from_millis(550),
        lease_gate: Duration::from_millis(250),
        lease_refresh: Duration::from_millis(50),
        lock_hold: Duration::from_millis(250),
        lock_retry: Duration::from_millis(50),
        ..Self::DEFAULT
    };

    /// Derives the timings: until the admin sets 4.17's tunables ours apply, what he sets counts literally
    /// (`docs/configuration.md` has the same rules as a table).
    pub fn from(tunables: &Tunables, settings: &Settings) -> Self {
        let mut timing = if settings.failover.fast {
            Self::FAST
        } else {
            Self::DEFAULT
        };
        let interval = tunables.explicit(TunableId::KeepaliveInterval);
        let limit = tunables.explicit(TunableId::KeepaliveLimit);
        if interval.is_some() || limit.is_some() {
            // Zero would mean a busy loop; one second is the shortest that the unit can say.
            let seconds = tunables.get(TunableId::KeepaliveInterval).max(1);
            let intervals = tunables.get(TunableId::KeepaliveLimit).saturating_add(1);
            timing.keepalive_interval = seconds_of(seconds);
            timing.dead_after = timing
                .keepalive_interval
                .saturating_mul(intervals)
                .min(LONGEST);
            timing.lease_hold = timing.dead_after + timing.keepalive_interval;
        }
        if let Some(wait) = settings.cluster.leader_timeout {
            timing.leader_loss_wait = wait.min(LONGEST);
        }
        let explicit = |id| tunables.explicit(id).map_or(Duration::ZERO, seconds_of);
        timing.leader_loss_wait += explicit(TunableId::ElectionTimeout);
        timing.rerecovery_pause = explicit(TunableId::RerecoveryTimeout);
        timing
    }

    /// From the last proof of a holder to the moment when another node may take its addresses.
    pub fn clear_after(&self) -> Duration {
        self.lease_hold + self.lease_drift
    }

    /// From the last proof of a node's life until its addresses are taken, with the waits that the admin
    /// asked for.
    pub fn takeover_after(&self) -> Duration {
        self.dead_after.max(self.clear_after()) + self.leader_loss_wait
    }

    /// Whether the admin's values make failover slower than [`PROMISED_FAILOVER`].
    pub fn is_slower_than_promised(&self) -> bool {
        self.takeover_after() > PROMISED_FAILOVER
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A tunable's seconds, within [`LONGEST`].
fn seconds_of(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds)).min(LONGEST)
}

const _: () = {
    // A leader is replaced before its followers' leases end.
    assert!(Timing::DEFAULT.dead_after.as_millis() + 300 < Timing::DEFAULT.lease_hold.as_millis());
    assert!(Timing::FAST.dead_after.as_millis() + 200 < Timing::FAST.lease_hold.as_millis());
    // The keeper frees a stopped leader's lock before the others want it.
    assert!(Timing::DEFAULT.lock_hold.as_millis() < Timing::DEFAULT.dead_after.as_millis());
    assert!(Timing::FAST.lock_hold.as_millis() < Timing::FAST.dead_after.as_millis());
};
