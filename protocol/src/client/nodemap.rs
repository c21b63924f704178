//! The nodes of the cluster and their flags: `GET_NODEMAP`, `GET_NODES_FILE`.

use alloc::vec::Vec;

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, fixed_payload, put_items, put_len};
use super::error::WireError;
use super::sockaddr::SockAddr;

bitflags! {
    /// State of a node as all nodes see it. Bits without a name are kept.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    pub struct NodeFlags: u32 {
        /// Not reachable.
        const DISCONNECTED = 0x01;
        /// Its monitoring failed.
        const UNHEALTHY = 0x02;
        /// Disabled by the admin.
        const DISABLED = 0x04;
        /// Banned for a time.
        const BANNED = 0x08;
        /// Commented out in the nodes file; keeps its number.
        const DELETED = 0x10;
        /// Stopped by the admin.
        const STOPPED = 0x20;
        /// Takes no part in databases and recovery: clients of such a node refuse to start.
        const INACTIVE = 0x39;
    }
}

impl NodeFlags {
    /// Takes part in databases and recovery.
    pub fn is_active(self) -> bool {
        !self.intersects(Self::INACTIVE)
    }
}

impl Payload for NodeFlags {
    const NAME: &'static str = "node flags";
    const MIN_SIZE: usize = 4;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        cursor.u32().map(Self::from_bits_retain)
    }
    fn emit(&self, out: &mut Vec<u8>) {
        self.bits().emit(out);
    }
}

/// One node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its number: the line in the nodes file, from 0.
    pub pnn: u32,
    /// Its state.
    pub flags: NodeFlags,
    /// Its private address; the real daemon puts the port of the node links here.
    pub addr: SockAddr,
}

fixed_payload!(Node, "node", 36, [pnn: u32; flags: NodeFlags; addr: SockAddr]);

/// All nodes, in order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeMap {
    /// The nodes.
    pub nodes: Vec<Node>,
}

impl Payload for NodeMap {
    const NAME: &'static str = "node map";
    const MIN_SIZE: usize = 4;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let count = cursor.count()?;
        Ok(Self {
            nodes: cursor.list(count)?,
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        put_len(out, self.nodes.len());
        put_items(out, &self.nodes);
    }
}

/// A change of one node's flags: `MODIFY_FLAGS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeFlagChange {
    /// Whose.
    pub pnn: u32,
    /// After the change.
    pub new: NodeFlags,
    /// Before it.
    pub old: NodeFlags,
}

fixed_payload!(NodeFlagChange, "node flag change", 12, [
    pnn: u32; new: NodeFlags; old: NodeFlags;
]);
