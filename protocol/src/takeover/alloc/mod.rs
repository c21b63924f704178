//! Planners for the public addresses: who shall host which address.
//!
//! Three algorithms, chosen by the tunable `IPAllocAlgorithm`, with the rules of CTDB 4.17, so that
//! a cluster that changes over to this daemon finds its addresses where they were:
//!
//! | number | [`Algorithm`] | in a sentence |
//! |---|---|---|
//! | 0 | `Deterministic` | the i-th address belongs to node i mod N; the present holder counts for nothing |
//! | 1 | `Nondeterministic` | keep what works, even out the number of addresses by node |
//! | 2 | `Lcp2` | keep what works, spread the addresses of each subnet over the nodes |
//!
//! ```text
//!             Input ──► Work (list order, who is able, who holds)
//!                         │ un-assign holders that are no longer able
//!        ┌────────────────┼──────────────────┐
//!  deterministic   nondeterministic         lcp2 ──► Holdings, Offers over a PrefixTree
//!        │                │                several ──► a table of costs
//!        └────────────────┼──────────────────┘
//!                         ▼
//!                        Plan
//! ```
//!
//! Invariants: every address of the input is in the plan; an address is only given to a node of
//! its `able` set; the plan depends on the input alone. Ties fall by list order: addresses by
//! falling 128-bit value (see [`distance`]), nodes by rising pnn.
//!
//! One difference from CTDB, on purpose: it adds up LCP2 costs in 32 bits, which overflow at
//! about 800 addresses on one node; here they have 64.

mod deterministic;
pub mod distance;
mod holdings;
mod lcp2;
#[cfg(test)]
mod naive;
mod nondeterministic;
mod offers;
mod prefix_tree;
mod several;
#[cfg(test)]
mod tests;
mod work;

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::Pnn;
use work::Work;

/// How addresses are placed: the tunable `IPAllocAlgorithm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// By position in the list; moves addresses back and forth on every change of a node.
    Deterministic,
    /// By number of addresses on a node; the result depends on history.
    Nondeterministic,
    /// By the longest common prefixes of the addresses on a node; the default.
    #[default]
    Lcp2,
}

impl Algorithm {
    /// The meaning of a value of `IPAllocAlgorithm`; numbers other than 0 and 1 mean LCP2.
    pub fn from_tunable(value: u32) -> Self {
        match value {
            0 => Self::Deterministic,
            1 => Self::Nondeterministic,
            _ => Self::Lcp2,
        }
    }
}

/// What the planner knows of one public address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressState {
    /// The node that says of itself that it hosts the address. What nodes say of each other is
    /// hearsay and does not belong here.
    pub current: Option<Pnn>,
    /// The nodes that may host it now: active and healthy, the address configured there and not
    /// marked for deletion, one of its interfaces up. Of an address that none of these may host: the nodes whose health
    /// is damped and that fulfil the rest.
    pub able: BTreeSet<Pnn>,
}

/// Everything a plan depends on.
///
/// Time and memory grow with addresses times nodes; the caller bounds both. Pnns that are not
/// below `nodes` are ignored wherever they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Number of lines of the node list, deleted and dead nodes included.
    pub nodes: u32,
    /// All public addresses that some connected node knows.
    pub addresses: BTreeMap<IpAddr, AddressState>,
    /// Tunable `NoIPFailback`: addresses that have a home stay there. The deterministic algorithm
    /// ignores it, as its whole idea is to fail back.
    pub no_ip_failback: bool,
    /// Tunable `NoIPTakeover`: no node gets an address that it does not hold already.
    pub no_ip_takeover: bool,
    /// Nodes to which LCP2 may move addresses although they hold some already.
    pub force_rebalance: BTreeSet<Pnn>,
    /// The file `home_nodes`: where the deterministic algorithm puts these addresses first.
    pub home_nodes: BTreeMap<IpAddr, Pnn>,
}

/// The node of each address; `None` for one that nobody can host.
pub type Plan = BTreeMap<IpAddr, Option<Pnn>>;

/// Places every address of `input`.
///
/// ```
/// use ctdb_protocol::{id::Pnn, takeover::alloc::{plan, AddressState, Algorithm, Input}};
///
/// let address = "10.0.0.1".parse().expect("an address");
/// let state = AddressState { current: None, able: [Pnn(1)].into() };
/// let input = Input { nodes: 2, addresses: [(address, state)].into(), ..Input::default() };
/// assert_eq!(plan(Algorithm::Lcp2, &input)[&address], Some(Pnn(1)));
/// ```
pub fn plan(algorithm: Algorithm, input: &Input) -> Plan {
    let mut work = Work::new(input);
    match algorithm {
        Algorithm::Deterministic => deterministic::place(&mut work, &input.home_nodes),
        Algorithm::Nondeterministic => nondeterministic::place(&mut work, input.no_ip_failback),
        Algorithm::Lcp2 => {
            let place = if work.is_one_network() {
                lcp2::place
            } else {
                several::place
            };
            place(&mut work, input.no_ip_failback, &input.force_rebalance);
        }
    }
    work.into_plan()
}
