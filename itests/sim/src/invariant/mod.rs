//! What must hold, one file each, with its source.
//!
//! | file | holds | source |
//! |---|---|---|
//! | `address` | no address is answered by two nodes at one instant | design, section 5 |
//! | `leader` | two running nodes never lead at the same time | design, sections 4 and 5; `timing` |
//! | `record` | one dmaster; records never go back; nothing acknowledged is lost without a crash | client protocol, 5.4 and 6.5 |
//! | [`crate::kept`] | transactions are whole, the same on all nodes, and stay once committed | client protocol, 5.8 and 6.5 |
//! | `queue` | no queue grows without bound | `limits` |
//! | [`crate::liveness`] | all is well soon after the last fault | issue, point 11 |

mod address;
mod leader;
mod queue;
pub mod record;

use crate::clock::Micros;
use ctdb_protocol::heartbeat::message::NodeState;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::notice::Notice;
use std::fmt;
use std::net::IpAddr;

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub invariant: &'static str,
    /// How.
    pub detail: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

/// What the invariants remember.
#[derive(Debug, Default)]
pub struct Watch {
    broken: Option<Broken>,
    two_leaders_since: Option<Micros>,
    /// Leaderships begun, in order.
    pub(crate) leaderships: Vec<(Micros, Pnn)>,
    /// Nodes called dead.
    pub(crate) deaths: u64,
    /// When all was well for good.
    pub(crate) well_since: Option<Micros>,
    /// What [`crate::sabotage::Sabotage::StaleFlags`] repeats.
    pub(crate) stale: Option<NodeState>,
}

impl Watch {
    /// The first broken invariant.
    pub const fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    /// An invariant is broken; the first one counts.
    pub fn fail(&mut self, invariant: &'static str, detail: String) {
        self.broken.get_or_insert(Broken { invariant, detail });
    }

    /// Who answers for what at `now`.
    pub fn addresses(&mut self, now: Micros, answering: impl Iterator<Item = (IpAddr, Pnn)>) {
        if let Err(detail) = address::check(answering) {
            self.fail("no address on two nodes", format!("at {now} µs: {detail}"));
        }
    }

    /// A machine's log record.
    pub fn notice(&mut self, now: Micros, pnn: Pnn, notice: &Notice) {
        match notice {
            Notice::BecameLeader { .. } => self.leaderships.push((now, pnn)),
            Notice::NodeDead { .. } => self.deaths += 1,
            _ => {}
        }
    }
}
