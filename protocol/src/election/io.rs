//! What the election machine hears and asks for.

use super::message::ElectionMessage;
use super::standing::Standing;
use crate::heartbeat::message::{Claim, NodeState};
use crate::id::Pnn;
use crate::notice::Notice;
use crate::time::Instant;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// How an attempt to take the cluster lock ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockResult {
    /// This node holds it now.
    Held,
    /// Another node holds it.
    Contended,
    /// The helper could not tell.
    Failed(String),
}

/// Everything that can happen to the election.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// From heartbeat: a peer is connected, or its state or claim changed.
    Peer {
        /// The peer.
        peer: Pnn,
        /// Its state.
        node: NodeState,
        /// Whom it follows.
        claim: Claim,
    },
    /// From heartbeat: a peer is lost.
    PeerDown {
        /// The peer.
        peer: Pnn,
        /// It said goodbye: it counts no more until it comes back.
        departed: bool,
        /// When it was last heard.
        last_heard: Instant,
    },
    /// From heartbeat: not enough nodes acknowledge this leader any more.
    AuthorityLost {
        /// Why, for the log.
        reason: String,
    },
    /// The nodes file changed: these are in it and not deleted.
    Nodes(Vec<Pnn>),
    /// From membership: this node's own state.
    Own(NodeState),
    /// From a peer.
    Message {
        /// The sender.
        peer: Pnn,
        /// What it says.
        message: ElectionMessage,
    },
    /// From the cluster lock: the end of an attempt.
    Lock(LockResult),
    /// From the cluster lock: it was held and is lost.
    LockLost {
        /// Why, for the log.
        reason: String,
    },
    /// The deadline has come.
    Timeout,
}

/// Everything that the election can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send to a peer.
    Send {
        /// The peer.
        peer: Pnn,
        /// The message.
        message: ElectionMessage,
    },
    /// Try to take the cluster lock; the end comes as [`Input::Lock`].
    TakeLock,
    /// Give the cluster lock up, or end the attempt.
    ReleaseLock,
    /// The standing changed: tell heartbeat, membership, takeover and the clients.
    Standing(Standing),
    /// Log.
    Log(Notice),
}
