//! What the takeover knows of the nodes: the view of the cluster, and who can't be reached.

use crate::election::standing::Standing;
use crate::flags::{NodeFlags, RunState};
use crate::id::{Pnn, Term};
use crate::lvs::choice;
use crate::membership::view::{MembershipView, NodeView};
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Debug)]
pub(crate) struct Cluster {
    own: Pnn,
    view: MembershipView,
    /// Peers that can't be reached, with the point from which on they answer for nothing.
    lost: BTreeMap<Pnn, Instant>,
}

impl Cluster {
    pub(crate) fn new(own: Pnn) -> Self {
        Self {
            own,
            view: MembershipView::default(),
            lost: BTreeMap::new(),
        }
    }

    pub(crate) fn set_view(&mut self, view: MembershipView) {
        self.view = view;
    }

    pub(crate) fn lose(&mut self, peer: Pnn, clear_at: Instant) {
        self.lost.insert(peer, clear_at);
    }

    pub(crate) fn regain(&mut self, peer: Pnn) {
        self.lost.remove(&peer);
    }

    /// A leadership of this node begins. What was told before it may come from the time when another
    /// node led, which perhaps reached the peer until now: such points count no earlier than `clear_at`.
    pub(crate) fn distrust_lost(&mut self, clear_at: Instant) {
        for known in self.lost.values_mut() {
            *known = clear_at.max(*known);
        }
    }

    /// The leader that this node follows, itself perhaps, and its term.
    pub(crate) const fn followed(&self) -> Option<(Pnn, Term)> {
        match self.view.standing {
            Standing::Searching => None,
            Standing::Follower { leader, term } => Some((leader, term)),
            Standing::Leader { term, .. } => Some((self.own, term)),
        }
    }

    /// The term of this node's own leadership.
    pub(crate) const fn leading(&self) -> Option<Term> {
        match self.view.standing {
            Standing::Leader { term, .. } => Some(term),
            Standing::Searching | Standing::Follower { .. } => None,
        }
    }

    fn node(&self, pnn: Pnn) -> Option<&NodeView> {
        self.view.nodes.get(pnn.0 as usize)
    }

    /// This node as it sees itself.
    pub(crate) fn own_node(&self) -> NodeView {
        self.node(self.own).copied().unwrap_or_default()
    }

    /// Number of lines of the node list.
    pub(crate) const fn size(&self) -> usize {
        self.view.nodes.len()
    }

    pub(crate) fn knows(&self, pnn: Pnn) -> bool {
        self.node(pnn).is_some()
    }

    /// All other nodes that are not deleted.
    pub(crate) fn others(&self) -> impl Iterator<Item = Pnn> + '_ {
        (0..self.view.nodes.len() as u32)
            .map(Pnn)
            .zip(&self.view.nodes)
            .filter(|(pnn, node)| *pnn != self.own && !node.flags.contains(NodeFlags::DELETED))
            .map(|(pnn, _)| pnn)
    }

    pub(crate) fn is_connected(&self, pnn: Pnn) -> bool {
        pnn == self.own
            || (!self.lost.contains_key(&pnn)
                && self.node(pnn).is_some_and(|node| {
                    !node
                        .flags
                        .intersects(NodeFlags::DISCONNECTED | NodeFlags::DELETED)
                }))
    }

    /// Whether the node obeys this leader.
    pub(crate) fn follows(&self, pnn: Pnn) -> bool {
        pnn == self.own
            || (self.is_connected(pnn) && self.node(pnn).is_some_and(|node| node.same_leader))
    }

    /// Whether another node that can be reached is fit to host addresses.
    pub(crate) fn others_fit(&self) -> bool {
        let fit = |pnn: Pnn| {
            let node = self.node(pnn).filter(|_| self.is_connected(pnn));
            node.is_some_and(|node| node.flags.is_ok() && node.state.run_state == RunState::Running)
        };
        self.others().any(fit)
    }

    /// Nodes that obey this leader and are fit to host addresses.
    pub(crate) fn fit(&self) -> BTreeSet<Pnn> {
        self.serving(|node| node.flags.is_ok())
    }

    /// Nodes that obey this leader and host what no fit node may.
    pub(super) fn damped(&self) -> BTreeSet<Pnn> {
        self.serving(NodeView::is_damped)
    }

    /// Nodes that obey this leader and could hold an LVS address.
    pub(super) fn usable(&self) -> BTreeSet<Pnn> {
        self.serving(|node| choice::is_usable(node.flags))
    }

    fn serving(&self, is_good: fn(&NodeView) -> bool) -> BTreeSet<Pnn> {
        (0..self.view.nodes.len() as u32)
            .map(Pnn)
            .zip(&self.view.nodes)
            .filter(|(pnn, node)| {
                is_good(node) && node.state.run_state == RunState::Running && self.follows(*pnn)
            })
            .map(|(pnn, _)| pnn)
            .collect()
    }

    /// The node's flags.
    pub(super) fn flags(&self, pnn: Pnn) -> NodeFlags {
        self.node(pnn)
            .map_or(NodeFlags::DISCONNECTED, |node| node.flags)
    }

    /// Peers that have certainly fallen silent.
    pub(crate) fn silent(&self, now: Instant) -> impl Iterator<Item = Pnn> + '_ {
        self.lost
            .iter()
            .filter(move |(_, at)| **at <= now)
            .map(|(pnn, _)| *pnn)
    }

    /// When the next peer has certainly fallen silent.
    pub(crate) fn next_silence(&self, after: Instant) -> Option<Instant> {
        self.lost.values().filter(|at| **at > after).min().copied()
    }
}
