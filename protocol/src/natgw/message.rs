//! What the machines of different nodes tell each other.

use crate::id::Term;
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NatgwMessage {
    /// To all: who the sender is in all this.
    Group {
        /// The private addresses of its group, none if it has no NAT gateway.
        members: Vec<IpAddr>,
        /// Its interface to the outside has a link.
        linked: bool,
    },
    /// To the cluster's leader: I want to hold the address. Repeated until it is granted or not wanted any more.
    Want {
        /// The leadership that is asked.
        term: Term,
        /// The lease under which it would be held.
        lease: u64,
        /// The address.
        address: IpAddr,
    },
    /// From the leader: which gateway's address do you hold?
    Ask {
        /// The leadership that asks.
        term: Term,
        /// Number of the question in this leadership.
        number: u64,
    },
    /// To the leader: this one. Also sent when it was given up.
    Held {
        /// The leadership that asked.
        term: Term,
        /// Number of the newest question that was heard.
        number: u64,
        /// On an interface, or on its way there or away.
        address: Option<IpAddr>,
    },
    /// From the leader: nobody else holds the address.
    Grant {
        /// The leadership that grants.
        term: Term,
        /// The lease for which it was wanted.
        lease: u64,
        /// The address.
        address: IpAddr,
    },
}
