//! What the machine hears and asks for.

use super::group::Group;
use super::message::NatgwMessage;
use super::view::NatgwView;
use crate::id::Pnn;
use crate::membership::view::MembershipView;
use crate::notice::Notice;
use crate::takeover::io::LeaseId;
use crate::time::Instant;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// The part of a node in its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The group.
    pub group: Group,
    /// The gateway's address; none: this node is never the gateway.
    pub address: Option<IpAddr>,
}

/// Everything that can happen to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// The file was read, or the script switched off (`None`): this node takes no part then.
    Configure(Option<Part>),
    /// From membership.
    View(MembershipView),
    /// From heartbeat, as for takeover.
    Unreachable {
        /// The peer.
        peer: Pnn,
        /// End of its leases.
        clear_at: Instant,
    },
    /// From heartbeat.
    Reachable {
        /// The peer.
        peer: Pnn,
    },
    /// From the lease keeper, as for takeover.
    Lease {
        /// The lease that allows to hold an address.
        alive: Option<LeaseId>,
    },
    /// From a peer.
    Message {
        /// The sender.
        peer: Pnn,
        /// What it says.
        message: NatgwMessage,
    },
    /// The nodes file has changed: private addresses by number, none for deleted nodes.
    Nodes(Vec<Option<IpAddr>>),
    /// The interface to the outside has a link, or has none any more.
    Link(bool),
    /// The kernel carried out an [`Effect::Add`] or [`Effect::Remove`].
    Kernel {
        /// The address that it was about.
        address: IpAddr,
        /// The address is on its interface now.
        present: bool,
        /// What went wrong, if anything.
        error: Option<String>,
    },
    /// The node is going down in order.
    Leave,
    /// The deadline has come.
    Timeout,
}

/// What a node does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Nothing.
    #[default]
    None,
    /// It is the gateway and does not have the address yet: what the others send already must not leave untranslated.
    Waiting,
    /// It translates, and has the routes of the gateway.
    Gateway,
    /// It sends to the gateway, which has this private address.
    Follower(IpAddr),
}

impl Role {
    /// It reaches the outside, if the gateway does.
    pub const fn has_way_out(self) -> bool {
        matches!(self, Self::Gateway | Self::Follower(_))
    }
}

/// Everything that it can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send to a peer.
    Send {
        /// The peer.
        peer: Pnn,
        /// The message.
        message: NatgwMessage,
    },
    /// Put this address, the gateway's, on its interface; answer with [`Input::Kernel`].
    Add(IpAddr, LeaseId),
    /// Take it away; answer with [`Input::Kernel`].
    Remove(IpAddr),
    /// Have routes and translation like this.
    Role(Role),
    /// Publish.
    View(NatgwView),
    /// The address is given up after [`Input::Leave`].
    Left,
    /// Log.
    Log(Notice),
}
