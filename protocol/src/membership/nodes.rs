//! What this node knows of all nodes.
//!
//! Invariant: the own entry is a copy of the own state; every other entry has
//! [`NodeFlags::DISCONNECTED`] exactly while the peer is not connected.

use super::drift::Lines;
use super::view::NodeView;
use super::vnnmap::SlotNode;
use crate::flags::{Capabilities, NodeFlags, RunState};
use crate::heartbeat::message::{Claim, NodeState};
use crate::id::{Generation, Pnn, Term};
use alloc::vec::Vec;

/// One node.
#[derive(Clone, Copy, Debug)]
struct Entry {
    flags: NodeFlags,
    state: NodeState,
    claim: Claim,
}

impl Entry {
    /// A node that nothing was heard of.
    fn unheard(deleted: bool) -> Self {
        Self {
            flags: if deleted {
                NodeFlags::DELETED | NodeFlags::DISCONNECTED
            } else {
                NodeFlags::DISCONNECTED | NodeFlags::UNHEALTHY
            },
            state: NodeState {
                committed: Generation::INVALID,
                ..NodeState::default()
            },
            claim: Claim::default(),
        }
    }
}

/// A node that is about to take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Arriving {
    /// It has nothing to lose.
    Newcomer,
    /// A recovery without it drops its records.
    Holder,
}

/// All nodes of the nodes file.
#[derive(Clone, Debug)]
pub(super) struct NodeTable {
    entries: Vec<Entry>,
}

impl NodeTable {
    /// Nobody was heard of yet.
    pub(super) fn new(lines: &Lines) -> Self {
        Self {
            entries: deleted(lines).map(Entry::unheard).collect(),
        }
    }

    /// Takes a changed nodes file over: nodes are appended, commented out or back again; numbers stay.
    pub(super) fn reload(&mut self, lines: &Lines) {
        for (entry, deleted) in self.entries.iter_mut().zip(deleted(lines)) {
            if entry.flags.contains(NodeFlags::DELETED) != deleted {
                *entry = Entry::unheard(deleted);
            }
        }
        let fresh = deleted(lines).skip(self.entries.len());
        self.entries.extend(fresh.map(Entry::unheard));
    }

    fn all(&self) -> impl Iterator<Item = (Pnn, &Entry)> {
        (0..).map(Pnn).zip(&self.entries)
    }

    /// Whether `pnn` is in the nodes file and not commented out.
    pub(super) fn is_known(&self, pnn: Pnn) -> bool {
        self.entries
            .get(pnn.0 as usize)
            .is_some_and(|entry| !entry.flags.contains(NodeFlags::DELETED))
    }

    /// Flags of `pnn`; those of a deleted node if it does not exist.
    pub(super) fn flags(&self, pnn: Pnn) -> NodeFlags {
        self.entries
            .get(pnn.0 as usize)
            .map_or(NodeFlags::DELETED, |entry| entry.flags)
    }

    /// The composition that `pnn` says it serves.
    pub(super) fn is_connected(&self, pnn: Pnn) -> bool {
        !self.flags(pnn).contains(NodeFlags::DISCONNECTED)
    }

    /// The composition that a node last committed.
    pub(super) fn committed(&self, pnn: Pnn) -> Generation {
        self.entries
            .get(pnn.0 as usize)
            .map_or(Generation::INVALID, |entry| entry.state.committed)
    }

    /// The node says this of itself; returns its old flags.
    pub(super) fn heard(&mut self, pnn: Pnn, state: NodeState, claim: Claim) -> NodeFlags {
        let entry = &mut self.entries[pnn.0 as usize];
        let old = entry.flags;
        entry.flags = state.flags - NodeFlags::DISCONNECTED;
        entry.state = state;
        entry.claim = claim;
        old
    }

    /// The peer is lost; returns its old flags. What it said of itself else is kept, as 4.17 does.
    pub(super) fn lost(&mut self, pnn: Pnn) -> NodeFlags {
        let entry = &mut self.entries[pnn.0 as usize];
        let old = entry.flags;
        entry.flags |= NodeFlags::DISCONNECTED | NodeFlags::UNHEALTHY;
        entry.state.committed = Generation::INVALID;
        entry.claim = Claim::default();
        old
    }

    /// Nodes fit to be members under `leader`, ascending.
    pub(super) fn fit(&self, leader: Claim) -> Vec<Pnn> {
        self.all()
            .filter(|(_, entry)| is_fit(entry, leader))
            .map(|(pnn, _)| pnn)
            .collect()
    }

    /// Connected nodes that are not fit yet but may soon be: whether there are any, and whether one of
    /// them may hold records of the composition of `members`.
    pub(super) fn arriving(&self, leader: Claim, members: &[Pnn]) -> Option<Arriving> {
        let arriving = self.all().filter(|(_, entry)| {
            !entry.flags.is_inactive()
                && entry.state.run_state < RunState::Shutdown
                && !is_fit(entry, leader)
        });
        arriving
            .map(|(pnn, entry)| {
                if members.contains(&pnn) || entry.state.committed != Generation::INVALID {
                    Arriving::Holder
                } else {
                    Arriving::Newcomer
                }
            })
            .max()
    }

    /// What the plan of the vnnmap needs to know.
    pub(super) fn slots(&self) -> Vec<SlotNode> {
        let slot = |entry: &Entry| SlotNode {
            deleted: entry.flags.contains(NodeFlags::DELETED),
            lmaster: entry.state.capabilities.contains(Capabilities::LMASTER),
        };
        self.entries.iter().map(slot).collect()
    }

    /// Whether `pnn` follows the leader of `claim` in its term.
    pub(super) fn follows(&self, pnn: Pnn, claim: Claim) -> bool {
        self.entries
            .get(pnn.0 as usize)
            .is_some_and(|entry| entry.claim == claim && claim.leader.is_some())
    }

    /// The entries as they are published.
    pub(super) fn view(&self, followed: Claim) -> Vec<NodeView> {
        self.all()
            .map(|(pnn, entry)| NodeView {
                flags: entry.flags,
                state: entry.state,
                same_leader: self.follows(pnn, followed),
            })
            .collect()
    }
}

/// For each line, whether it is commented out.
fn deleted(lines: &Lines) -> impl Iterator<Item = bool> {
    lines.iter().map(Option::is_none)
}

fn is_fit(entry: &Entry, leader: Claim) -> bool {
    !entry.flags.is_inactive()
        && entry.state.run_state >= RunState::FirstRecovery
        && entry.state.run_state < RunState::Shutdown
        && entry.claim == leader
}

/// The claim of nobody: no leader, no term.
pub(super) const NO_CLAIM: Claim = Claim {
    leader: None,
    term: Term(0),
};
