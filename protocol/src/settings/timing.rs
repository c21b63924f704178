//! The timings of failure detection and leases, derived from tunables and settings in one place.
//!
//! Invariant: no value is longer than [`LONGEST`], and no interval is zero.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Settings;
use crate::tunable::{TunableId, Tunables};

/// The longest time that any setting may ask for; keeps sums of durations far from overflow.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Failover time that the default timings promise, measured at a client of the address.
pub const PROMISED_FAILOVER: Duration = Duration::from_millis(1500);

/// The timings of failure detection and leases.
///
/// Until the admin sets 4.17's tunables, ours apply; what he sets counts literally. A takeover
/// waits for `lease_hold + lease_gate + lease_drift` after the last proof of the old holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Between two keepalives to a node.
    pub keepalive_interval: Duration,
    /// Silence after which a node counts as lost.
    pub dead_after: Duration,
    /// A node refreshes its address lease for so long after its last acknowledged keepalive.
    pub lease_hold: Duration,
    /// Life of one refresh of the traffic gate.
    pub lease_gate: Duration,
    /// Allowance for the drift between two nodes' clocks while a lease is waited out.
    pub lease_drift: Duration,
    /// Between two refreshes of the traffic gate.
    pub lease_refresh: Duration,
    /// Between two broadcasts of the leader.
    pub leader_broadcast: Duration,
    /// Without a leader broadcast for so long, an election starts even if the leader answers.
    pub leader_timeout: Duration,
    /// Wait between the loss of the leader and the election; zero unless the admin set it.
    pub leader_loss_wait: Duration,
    /// Quiet that ends an election without cluster lock; `None` leaves it to the election.
    pub election_timeout: Option<Duration>,
    /// Pause between two recoveries; zero unless the admin set it.
    pub rerecovery_pause: Duration,
}

impl Timing {
    /// Derives the timings; see `docs/configuration.md` for the same rules as a table.
    pub fn from(tunables: &Tunables, settings: &Settings) -> Self {
        let mut timing = if settings.failover.fast {
            Self::fast()
        } else {
            Self::promised()
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
            timing.lease_hold = timing.dead_after;
        }
        if let Some(wait) = settings.cluster.leader_timeout {
            timing.leader_timeout = wait.min(LONGEST);
            timing.leader_loss_wait = timing.leader_timeout;
        }
        timing.election_timeout = tunables
            .explicit(TunableId::ElectionTimeout)
            .map(seconds_of);
        timing.rerecovery_pause = tunables
            .explicit(TunableId::RerecoveryTimeout)
            .map_or(Duration::ZERO, seconds_of);
        timing
    }

    /// Longest time from a node's last proof of life until its addresses may be taken, plus the
    /// waits that the admin asked for.
    pub fn takeover_after(&self) -> Duration {
        self.dead_after
            .max(self.lease_hold + self.lease_gate + self.lease_drift)
            + self.leader_loss_wait
            + self.election_timeout.unwrap_or(Duration::ZERO)
    }

    /// Did the admin's values make failover slower than [`PROMISED_FAILOVER`]?
    pub fn is_slower_than_promised(&self) -> bool {
        self.takeover_after() > PROMISED_FAILOVER
    }

    fn promised() -> Self {
        Self {
            keepalive_interval: Duration::from_millis(100),
            dead_after: Duration::from_millis(700),
            lease_hold: Duration::from_millis(800),
            lease_gate: Duration::from_millis(400),
            lease_drift: Duration::from_millis(30),
            lease_refresh: Duration::from_millis(100),
            leader_broadcast: Duration::from_secs(1),
            leader_timeout: Duration::from_secs(5),
            leader_loss_wait: Duration::ZERO,
            election_timeout: None,
            rerecovery_pause: Duration::ZERO,
        }
    }

    fn fast() -> Self {
        Self {
            keepalive_interval: Duration::from_millis(50),
            dead_after: Duration::from_millis(300),
            lease_hold: Duration::from_millis(300),
            lease_gate: Duration::from_millis(250),
            lease_refresh: Duration::from_millis(50),
            ..Self::promised()
        }
    }
}

/// A tunable's seconds, within [`LONGEST`].
fn seconds_of(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds)).min(LONGEST)
}
