//! The nodes that share an LVS address.

use crate::flags::Capabilities;
use crate::id::Pnn;
use crate::settings::{GroupLine, NodeEntry};
use alloc::collections::BTreeMap;
use serde::{Deserialize, Serialize};

/// What a node may be in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It may lead, and serves.
    Any,
    /// It only serves (`follower-only`, once `slave-only`).
    Follower,
}

/// Its nodes by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group(pub BTreeMap<Pnn, Role>);

impl Group {
    /// The nodes of an `lvs_nodes` file. Lines that name no node of the cluster count for nothing, as in 4.17.
    pub fn listed(lines: &[GroupLine], nodes: &[NodeEntry]) -> Self {
        let node_of = |line: &GroupLine| {
            let is_it = |node: &NodeEntry| !node.deleted && node.address == line.address;
            let pnn = nodes.iter().position(is_it)?;
            let role = if line.follower_only {
                Role::Follower
            } else {
                Role::Any
            };
            Some((Pnn(pnn as u32), role))
        };
        Self(lines.iter().filter_map(node_of).collect())
    }

    /// Without a file: all nodes that announce the LVS capability.
    pub fn announced(nodes: impl IntoIterator<Item = (Pnn, Capabilities)>) -> Self {
        let able = nodes
            .into_iter()
            .filter(|(_, capabilities)| capabilities.contains(Capabilities::LVS));
        Self(able.map(|(pnn, _)| (pnn, Role::Any)).collect())
    }

    /// Those of its nodes that announce LVS now: one that is listed may have it switched off.
    #[must_use]
    pub fn able(&self, capabilities: impl Fn(Pnn) -> Capabilities) -> Self {
        let able = |pnn: &Pnn| capabilities(*pnn).contains(Capabilities::LVS);
        let nodes = self.0.iter().filter(|(pnn, _)| able(pnn));
        Self(nodes.map(|(pnn, role)| (*pnn, *role)).collect())
    }

    /// Whether the node may lead it.
    pub fn may_lead(&self, pnn: Pnn) -> bool {
        self.0.get(&pnn) == Some(&Role::Any)
    }

    /// Whether the node belongs to it.
    pub fn contains(&self, pnn: Pnn) -> bool {
        self.0.contains_key(&pnn)
    }
}
