//! What the LVS machine hears and asks for.

use super::group::Group;
use super::message::{LvsMessage, Mac};
use crate::id::Pnn;
use crate::membership::view::MembershipView;
use crate::notice::Notice;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Everything that can happen to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// From membership: the cluster.
    View(MembershipView),
    /// From the kernel: the address is on this node's loopback, and the node is reached under this on the network of
    /// the clients; `None` if it can't serve.
    Seat(Option<Mac>),
    /// From takeover: this node answers for the address, or does not any more.
    Held(bool),
    /// The admin switched LVS on or off (`event script enable|disable 91.lvs`).
    Enabled(bool),
    /// The group file, read again; `None` without one.
    Group(Option<Group>),
    /// From a peer.
    Message {
        /// The sender.
        peer: Pnn,
        /// What it says.
        message: LvsMessage,
    },
    /// The deadline has come.
    Timeout,
}

/// What this node's kernel shall do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// It belongs to the group: it has the address on its loopback, answers no ARP for it, and passes on what comes to it.
    pub member: bool,
    /// It answers for the address.
    pub receives: bool,
    /// Nodes that keep the connections they have, with where they are reached.
    pub seats: BTreeMap<Pnn, Mac>,
    /// Those of them that new connections go to, in ascending order.
    pub live: Vec<Pnn>,
}

/// Everything that it can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send to a peer.
    Send {
        /// The peer.
        peer: Pnn,
        /// The message.
        message: LvsMessage,
    },
    /// From now on this is wanted of the kernel.
    Apply(Plan),
    /// These nodes of the group belong to another one, and get no connections of this one.
    Foreign(BTreeSet<Pnn>),
    /// Log.
    Log(Notice),
}
