//! What the heartbeat machine hears and asks for.

use super::message::{Keepalive, NodeState};
use crate::election;
use crate::election::standing::Standing;
use crate::id::{Instance, Pnn};
use crate::membership;
use crate::notice::Notice;
use crate::takeover;
use crate::time::Instant;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Everything that can happen to the heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// The control link to a peer is up and its hello was accepted.
    LinkUp {
        /// The peer.
        peer: Pnn,
        /// Its life.
        instance: Instance,
    },
    /// The control link to a peer is gone.
    LinkDown {
        /// The peer.
        peer: Pnn,
        /// Why, for the log.
        reason: String,
    },
    /// A peer leaves in order: it holds no address any more.
    Goodbye {
        /// The peer.
        peer: Pnn,
    },
    /// From a peer.
    Keepalive {
        /// The sender.
        peer: Pnn,
        /// What it says.
        keepalive: Keepalive,
    },
    /// From membership: this node's own state.
    Own(NodeState),
    /// From election.
    Standing(Standing),
    /// From the cluster lock: its keeper answered what was sent at this point.
    LockProven(Instant),
    /// The nodes file changed: these are in it and not deleted.
    Nodes(Vec<Pnn>),
    /// Another duty was started again: tell it the peers once more.
    Retell,
    /// The deadline has come.
    Timeout,
}

/// Everything that the heartbeat can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send to a peer, before anything else that waits for it.
    Send {
        /// The peer.
        peer: Pnn,
        /// The message.
        keepalive: Keepalive,
    },
    /// Close the link to a silent peer.
    CloseLink {
        /// The peer.
        peer: Pnn,
        /// Why, for the log.
        reason: String,
    },
    /// This node may answer for its public addresses until then.
    LeaseUntil(Instant),
    /// Tell election.
    Election(election::io::Input),
    /// Tell membership.
    Membership(membership::io::Input),
    /// Tell takeover.
    Takeover(takeover::io::Input),
    /// Log.
    Log(Notice),
}
