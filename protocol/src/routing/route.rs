//! Rules and routes as far as this daemon makes them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The table that every packet without a rule of its own is routed by.
pub const MAIN: u32 = 254;
/// Metric of fallback routes: others with a lower one are preferred, later ones are not in the way.
pub const FALLBACK_METRIC: u32 = 10;
/// What the kernel makes of an IPv6 route without metric.
const IPV6_METRIC: u32 = 1_024;

/// Packets from an address are routed by a table of their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    /// The source address.
    pub source: IpAddr,
    /// Its place among all rules; lower ones come first.
    pub preference: u32,
    /// The table.
    pub table: u32,
}

/// A unicast route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    /// By whom packets are sent on; none: straight to their destination. First, since routes without one make others'
    /// gateways reachable.
    pub gateway: Option<IpAddr>,
    /// Where to.
    pub network: IpNet,
    /// Through which interface; none: the one that reaches the gateway.
    pub interface: Option<String>,
    /// The table it is in.
    pub table: u32,
    /// Of several routes to a network the one with the lowest metric counts; 0: the family's usual one.
    pub metric: u32,
}

impl Route {
    /// The metric as the kernel has it.
    pub fn kernel_metric(&self) -> u32 {
        match (self.metric, self.network) {
            (0, IpNet::V6(_)) => IPV6_METRIC,
            (metric, _) => metric,
        }
    }

    /// Whether that route of the kernel is this wanted one.
    pub fn is_met_by(&self, present: &Self) -> bool {
        self.gateway == present.gateway
            && self.network == present.network
            && self.table == present.table
            && self.kernel_metric() == present.kernel_metric()
            && (self.interface.is_none() || self.interface == present.interface)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.network)?;
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(interface) = &self.interface {
            write!(f, " dev {interface}")?;
        }
        if self.table != MAIN {
            write!(f, " table {}", self.table)?;
        }
        match self.metric {
            0 => Ok(()),
            metric => write!(f, " metric {metric}"),
        }
    }
}

/// A set of rules and routes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// The rules.
    pub rules: Vec<Rule>,
    /// The routes; of those without a gateway each comes before those that need it.
    pub routes: Vec<Route>,
}

/// Which of the kernel's rules and routes belong to one concern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Rules of a preference that point to tables of a range, and all that is in those tables.
    Policy {
        /// The rules' preference.
        preference: u32,
        /// First table.
        low: u32,
        /// Last table.
        high: u32,
    },
    /// Routes to these networks in the main table with [`FALLBACK_METRIC`].
    Fallback {
        /// The networks.
        networks: Vec<IpNet>,
    },
}

impl Scope {
    /// Whether the rule belongs to it.
    pub fn has_rule(&self, rule: &Rule) -> bool {
        match self {
            Self::Policy {
                preference,
                low,
                high,
            } => rule.preference == *preference && (*low..=*high).contains(&rule.table),
            Self::Fallback { .. } => false,
        }
    }

    /// Whether the route belongs to it.
    pub fn has_route(&self, route: &Route) -> bool {
        match self {
            Self::Policy { low, high, .. } => (*low..=*high).contains(&route.table),
            Self::Fallback { networks } => {
                route.table == MAIN
                    && route.kernel_metric() == FALLBACK_METRIC
                    && networks.contains(&route.network)
            }
        }
    }
}
