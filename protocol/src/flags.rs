//! Node flags, run states and capabilities, with the numbers that clients see
//! (client-protocol.md section 9, ctdb-features.md section 4).

use bitflags::bitflags;
use core::fmt;
use serde::{Deserialize, Serialize};

bitflags! {
    /// State of a node. A node alone decides its own flags, except [`NodeFlags::DISCONNECTED`], which
    /// every node decides about its peers.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct NodeFlags: u32 {
        /// Not reachable over the private network.
        const DISCONNECTED = 0x01;
        /// A health check failed, or none has passed yet.
        const UNHEALTHY = 0x02;
        /// Disabled by the admin: serves records, hosts no addresses.
        const DISABLED = 0x04;
        /// Out of the cluster for a time because it misbehaved.
        const BANNED = 0x08;
        /// Commented out in the nodes file; keeps its number.
        const DELETED = 0x10;
        /// Out of the cluster by the admin's wish.
        const STOPPED = 0x20;
    }
}

impl NodeFlags {
    /// Flags of a node that takes no part in databases.
    pub const INACTIVE: Self = Self::DISCONNECTED
        .union(Self::DELETED)
        .union(Self::BANNED)
        .union(Self::STOPPED);
    /// Flags of a node that is not fit to host addresses though it may be active.
    pub const UNFIT: Self = Self::UNHEALTHY.union(Self::DISABLED);

    /// Whether the node takes no part in databases.
    pub const fn is_inactive(self) -> bool {
        self.intersects(Self::INACTIVE)
    }

    /// Whether the node may host public addresses as far as its flags go.
    pub const fn is_ok(self) -> bool {
        self.is_empty()
    }
}

/// What its checks say of a node's services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// They are fit.
    Fit,
    /// The checks pass, but the node is held back since its health flaps: only what no other node may host is its work.
    Damped,
    /// They are not fit, or were not checked yet.
    Unfit,
}

/// Stage of a daemon's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u32)]
pub enum RunState {
    /// Not known (a peer that has not told yet).
    #[default]
    Unknown = 0,
    /// Reading its configuration, running the `init` event.
    Init = 1,
    /// Clients may connect; running the `setup` event.
    Setup = 2,
    /// Waiting for its first recovery.
    FirstRecovery = 3,
    /// Running the `startup` event.
    Startup = 4,
    /// In service: only now may it host addresses.
    Running = 5,
    /// Handing over and ending.
    Shutdown = 6,
}

impl RunState {
    /// All of them, by number.
    pub const ALL: [Self; 7] = [
        Self::Unknown,
        Self::Init,
        Self::Setup,
        Self::FirstRecovery,
        Self::Startup,
        Self::Running,
        Self::Shutdown,
    ];

    /// The name that `ctdb runstate` prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Init => "INIT",
            Self::Setup => "SETUP",
            Self::FirstRecovery => "FIRST_RECOVERY",
            Self::Startup => "STARTUP",
            Self::Running => "RUNNING",
            Self::Shutdown => "SHUTDOWN",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

bitflags! {
    /// What a node may be used for. The low 16 bits are roles, the high ones features of 4.17.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct Capabilities: u32 {
        /// May be leader (the seed's RECMASTER).
        const LEADER = 0x1;
        /// May be lmaster of records.
        const LMASTER = 0x2;
        /// Takes part in LVS.
        const LVS = 0x4;
        /// May be a NAT gateway.
        const NATGW = 0x8;
        /// Reported by 4.17 as a feature.
        const PARALLEL_RECOVERY = 0x1_0000;
        /// Reported by 4.17 as a feature.
        const FRAGMENTED_CONTROLS = 0x2_0000;
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::LEADER | Self::LMASTER | Self::PARALLEL_RECOVERY | Self::FRAGMENTED_CONTROLS
    }
}
