//! What the membership machine (node flags, vnnmap, recovery) hears and asks for.

use super::config::Bans;
use super::drift::Lines;
use super::message::{Composition, DbInfo, MembershipMessage, Scope};
use super::view::MembershipView;
use crate::election::standing::Standing;
use crate::flags::{Health, RunState};
use crate::heartbeat::message::{Claim, NodeState};
use crate::id::{DbId, Generation, Pnn};
use crate::notice::Notice;
use crate::record;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What an admin, a script or a client may ask of a node about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// `ctdb disable`.
    Disable,
    /// `ctdb enable`.
    Enable,
    /// `ctdb stop`.
    Stop,
    /// `ctdb continue`.
    Continue,
    /// `ctdb ban`; 0 seconds lift a ban (`ctdb unban`).
    Ban {
        /// How long.
        seconds: u32,
        /// Why, for the log.
        reason: String,
    },
    /// `ctdb recover`: a recovery for this reason.
    Recover {
        /// Why, for the log.
        reason: String,
    },
    /// `ctdb setlmasterrole`.
    LmasterRole(bool),
    /// `ctdb setleaderrole`.
    LeaderRole(bool),
    /// `ctdb event script enable|disable 91.lvs`.
    LvsRole(bool),
}

/// Everything that can happen to the membership.
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
    },
    /// From election.
    Standing(Standing),
    /// From monitor: what it says of this node's services.
    Health(Health),
    /// From the daemon's life: its stage.
    RunState(RunState),
    /// From a client.
    Request(Request),
    /// From records: the databases that are open here.
    Databases(Vec<DbInfo>),
    /// From records: this node, as lmaster, has one dmaster for each of its records of `db`, or keeps calls waiting.
    Ready {
        /// The composition.
        generation: Generation,
        /// The database.
        db: DbId,
        /// No record waits; otherwise this comes once more.
        whole: bool,
    },
    /// From a peer.
    Message {
        /// The sender.
        peer: Pnn,
        /// What it says.
        message: MembershipMessage,
    },
    /// From a client: the rules of bans changed.
    Bans(Bans),
    /// Another nodes file is in force.
    Nodes(Lines),
    /// Another duty was started again: publish the own state and the view once more.
    Retell,
    /// The deadline has come.
    Timeout,
}

/// What the record machines must do about the composition of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recover {
    /// Stop serving the old composition; answer nothing of another generation.
    Prepare(Composition),
    /// Rebuild the directories.
    Rebuild {
        /// The composition.
        generation: Generation,
        /// Nodes whose records count; if this node is not among them it drops its volatile records.
        contributors: Vec<Pnn>,
        /// How much is gone through.
        scope: Scope,
        /// Open what is missing here.
        databases: Vec<DbInfo>,
    },
    /// Serve the database.
    Serve {
        /// The composition.
        generation: Generation,
        /// The database.
        db: DbId,
    },
    /// All databases are served.
    Commit {
        /// The composition.
        generation: Generation,
    },
    /// This node takes no part any more (stopped, banned): serve nothing until the next `Prepare`.
    Suspend,
}

/// Everything that the membership can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send to a peer.
    Send {
        /// The peer.
        peer: Pnn,
        /// The message.
        message: MembershipMessage,
    },
    /// This node's own state changed: tell heartbeat and election.
    Own(NodeState),
    /// Tell every record machine.
    Records(record::io::Input),
    /// The picture changed: publish it to takeover, monitor, clients and console.
    View(MembershipView),
    /// A recovery ended: tell the clients (RECONFIGURE) and the daemon's life.
    Recovered(Generation),
    /// Log.
    Log(Notice),
}
