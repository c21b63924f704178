//! The cluster as one node sees it: what clients, the console and takeover read.

use super::message::Composition;
use crate::election::standing::Standing;
use crate::flags::{Capabilities, NodeFlags};
use crate::heartbeat::message::NodeState;
use crate::id::{Generation, Pnn};
use crate::lvs::group::Group;
use crate::time::Instant;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Whether records are being recovered (numbers of `GET_RECMODE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecoveryMode {
    /// Serving.
    Normal = 0,
    /// Recovering, or never recovered.
    #[default]
    Active = 1,
}

/// One node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its flags, with [`NodeFlags::DISCONNECTED`] as this node sees it.
    pub flags: NodeFlags,
    /// What it last said of itself.
    pub state: NodeState,
    /// It follows the leader that this node follows.
    pub same_leader: bool,
}

impl NodeView {
    /// Whether nothing but the damping of its health keeps it from hosting addresses.
    pub fn is_damped(&self) -> bool {
        self.state.damped && self.flags == NodeFlags::UNHEALTHY
    }
}

/// A ban that has not run its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanView {
    /// Its end.
    pub until: Instant,
    /// Why the node was banned.
    pub reason: String,
}

/// The cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipView {
    /// This node.
    pub own: Pnn,
    /// Who leads.
    pub standing: Standing,
    /// All nodes by number, deleted ones too.
    pub nodes: Vec<NodeView>,
    /// The composition in force, or being prepared.
    pub composition: Composition,
    /// Whether it is served.
    pub mode: RecoveryMode,
    /// The composition last completely recovered, or [`Generation::INVALID`].
    pub committed: Generation,
    /// When the last recovery began here.
    pub recovery_began: Option<Instant>,
    /// When the last recovery ended here.
    pub recovery_ended: Option<Instant>,
    /// This node's ban.
    pub ban: Option<BanView>,
    /// How often this node was banned.
    pub ban_count: u32,
}

impl MembershipView {
    /// The nodes that announce the LVS capability. What a node last said counts while it is away, too.
    pub fn lvs_group(&self) -> Group {
        let nodes = (0..).map(Pnn).zip(&self.nodes);
        let live = nodes.filter(|(_, node)| !node.flags.contains(NodeFlags::DELETED));
        Group::announced(live.map(|(pnn, node)| (pnn, node.state.capabilities)))
    }

    /// What a node announces; nothing while it is not known.
    pub fn capabilities(&self, pnn: Pnn) -> Capabilities {
        let node = self.nodes.get(pnn.0 as usize);
        node.map_or_else(Capabilities::empty, |node| node.state.capabilities)
    }
}
