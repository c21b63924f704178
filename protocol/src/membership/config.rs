//! What the membership machine is told once.

use super::drift::Lines;
use crate::flags::Capabilities;
use crate::id::Pnn;
use crate::timing::Timing;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Rules of bans, changeable at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bans {
    /// Bans are carried out (tunable `EnableBans`).
    pub enabled: bool,
    /// Length of a ban that the leader orders (tunable `RecoveryBanPeriod`), in seconds.
    pub period_s: u32,
    /// A node's failures older than this are forgiven (tunable `RecoveryGracePeriod`).
    pub grace: Duration,
}

impl Default for Bans {
    fn default() -> Self {
        Self {
            enabled: true,
            period_s: 300,
            grace: Duration::from_secs(120),
        }
    }
}

/// Settings of one membership machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// This node; must be below the length of `nodes`.
    pub own: Pnn,
    /// The nodes file.
    pub nodes: Lines,
    /// Roles of this node at its start.
    pub capabilities: Capabilities,
    /// Start with [`crate::flags::NodeFlags::STOPPED`].
    pub start_stopped: bool,
    /// Start with [`crate::flags::NodeFlags::DISABLED`].
    pub start_disabled: bool,
    /// The constants of the cluster.
    pub timing: Timing,
    /// Who is banned, and for how long.
    pub bans: Bans,
    /// Seed of the generations; another one in each life of the node.
    pub seed: u64,
}

impl Config {
    /// The defaults for node `own` of a cluster of `nodes` nodes whose addresses do not matter.
    pub fn new(own: Pnn, nodes: usize, seed: u64) -> Self {
        Self {
            own,
            nodes: alloc::vec![Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)); nodes],
            capabilities: Capabilities::default(),
            start_stopped: false,
            start_disabled: false,
            timing: Timing::DEFAULT,
            bans: Bans::default(),
            seed,
        }
    }
}
