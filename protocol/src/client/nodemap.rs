//! The nodes of the cluster and their flags: `GET_NODEMAP`, `GET_NODES_FILE`.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, fixed_payload, put_items, put_len};
use super::error::WireError;
use super::sockaddr::SockAddr;

pub use crate::flags::NodeFlags;

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
