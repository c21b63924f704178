//! Leaderships, and what the nodes are told of them.

use super::{Event, World};
use crate::election::standing::{Mandate, Standing};
use crate::flags::{NodeFlags, RunState};
use crate::heartbeat::message::NodeState;
use crate::id::{Pnn, Term};
use crate::membership::view::{MembershipView, NodeView};
use crate::takeover::io::Input;
use alloc::vec::Vec;

impl World {
    pub(super) fn follows(&self, pnn: usize, leader: usize) -> bool {
        let term = Term(self.term);
        match self.nodes[pnn].standing {
            Standing::Leader { term: of, .. } => pnn == leader && of == term,
            Standing::Follower {
                leader: who,
                term: of,
            } => who.0 as usize == leader && of == term,
            Standing::Searching => false,
        }
    }

    /// Gives the node its view of the present.
    pub(super) fn show(&mut self, pnn: usize) {
        let view = self.view_of(pnn);
        self.nodes[pnn].seen = view.standing;
        self.feed(pnn, Input::View(view));
    }

    fn view_of(&self, pnn: usize) -> MembershipView {
        let own = Pnn(pnn as u32);
        let mine = self.nodes[pnn].standing;
        let key = |standing: Standing, pnn: usize| standing.claim(Pnn(pnn as u32), Term(0));
        let nodes = (0..self.nodes.len())
            .map(|other| {
                let node = &self.nodes[other];
                let mut flags = node.flags;
                flags.set(
                    NodeFlags::DISCONNECTED,
                    self.nodes[pnn].lost.contains(&other),
                );
                NodeView {
                    flags,
                    state: NodeState {
                        flags: node.flags,
                        damped: node.damped,
                        run_state: RunState::Running,
                        ..NodeState::default()
                    },
                    same_leader: mine != Standing::Searching
                        && key(mine, pnn) == key(node.standing, other),
                }
            })
            .collect();
        MembershipView {
            own,
            standing: mine,
            nodes,
            ..MembershipView::default()
        }
    }

    /// Everybody hears of a change, sooner or later.
    pub(in super::super) fn spread(&mut self) {
        for pnn in 0..self.nodes.len() {
            let after = self.micros(0, 10_000);
            self.at(after, Event::View(pnn));
        }
    }

    pub(in super::super) fn set_flags(&mut self, pnn: usize, flags: NodeFlags) {
        self.nodes[pnn].flags = flags;
        self.spread();
    }

    pub(super) fn follow(&mut self, pnn: usize, leader: usize) {
        let term = Term(self.term);
        self.nodes[pnn].standing = if pnn == leader {
            let mandate = Mandate::Side;
            Standing::Leader { term, mandate }
        } else {
            let leader = Pnn(leader as u32);
            Standing::Follower { leader, term }
        };
    }

    /// A new leadership of some node that is up.
    pub(in super::super) fn elect(&mut self) {
        let up: Vec<usize> = (0..self.nodes.len()).filter(|n| self.is_up(*n)).collect();
        if up.is_empty() {
            self.leader = None;
            return;
        }
        let leader = up[self.rng.below(up.len() as u64) as usize];
        self.term += 1;
        self.leader = Some(leader);
        for pnn in up {
            self.follow(pnn, leader);
        }
        // Older leaderships lent until now at most.
        let clear_at = self.now + self.timing.clear_after();
        let view_first = self.rng.chance(1, 2);
        if view_first {
            self.show(leader);
        }
        let lost: Vec<usize> = self.nodes[leader].lost.iter().copied().collect();
        for lost in lost {
            let peer = Pnn(lost as u32);
            self.feed(leader, Input::Unreachable { peer, clear_at });
        }
        self.spread();
    }
}
