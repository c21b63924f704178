//! Public addresses between leader and nodes. Both messages carry the whole state, so a lost or repeated
//! one does no harm.

use super::io::Kind;
use crate::id::{Pnn, Term};
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// One address in the leader's plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The address.
    pub address: IpAddr,
    /// The node that shall have it.
    pub owner: Option<Pnn>,
    /// Nobody else can answer for it any more: the owner may take it now.
    pub granted: bool,
}

/// One address that a node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct KnownAddress {
    /// The address.
    pub address: IpAddr,
    /// The node could host it now (an interface is up).
    pub available: bool,
    /// The node holds it, or is not yet sure that it has given it up.
    pub held: bool,
    /// No change of it is under way on the node, and if it is held, it was never out of its lease.
    pub settled: bool,
    /// The node had it last, as far as it knows: no leader has told it since then that another one shall
    /// have it. Held or not (a lease can end): it should go on living there.
    pub home: bool,
    /// What it is for.
    pub kind: Kind,
}

/// Between the takeover machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TakeoverMessage {
    /// Leader → nodes: the plan.
    Assign {
        /// The leadership that planned it.
        term: Term,
        /// Grows with each plan of this leadership, and with each grant.
        sequence: u64,
        /// Number of the receiver's newest report that this plan knows of; 0 if none. A receiver whose
        /// lease was interrupted obeys no plan that is older than its lease.
        heard: u64,
        /// All public addresses of the cluster.
        assignments: Vec<Assignment>,
    },
    /// Node → leader: what I have, after having obeyed plan `sequence` as far as giving up goes.
    Report {
        /// Leadership of the plan.
        term: Term,
        /// The newest plan seen; 0 if none, or none that still counts.
        sequence: u64,
        /// Number of this report, from 1 in each life of the node.
        number: u64,
        /// All addresses of my configuration.
        addresses: Vec<KnownAddress>,
    },
    /// Leader → node: I know your report.
    Noted {
        /// Leadership of the report.
        term: Term,
        /// Its number.
        number: u64,
    },
    /// Anyone → leader: plan anew (`ctdb ipreallocate`); answered by [`TakeoverMessage::RunDone`].
    WantRun {
        /// Number of the request at the sender.
        request: u64,
    },
    /// Leader → asker: the run is over.
    RunDone {
        /// Number of the request.
        request: u64,
    },
    /// Anyone → leader: this address shall be on that node (`ctdb moveip`); answered by
    /// [`TakeoverMessage::RunDone`].
    WantMove {
        /// Number of the request at the sender.
        request: u64,
        /// The address.
        address: IpAddr,
        /// The node.
        to: Pnn,
    },
    /// Leader → all nodes: a run is over, whether it moved addresses or not.
    RunOver {
        /// The leadership.
        term: Term,
    },
}
