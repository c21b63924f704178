//! Nodes that are cut off, die, and come back.

use super::{Event, World, ms};
use crate::election::standing::Standing;
use crate::id::Pnn;
use crate::takeover::io::Input;

impl World {
    pub(in super::super) fn is_up(&self, pnn: usize) -> bool {
        self.nodes[pnn].alive && !self.nodes[pnn].cut
    }

    pub(in super::super) fn cut(&mut self, pnn: usize) {
        self.nodes[pnn].cut = true;
        self.cuts += 1;
        let cuts = self.cuts;
        self.at(ms(700), Event::Silence { node: pnn, cuts });
    }

    pub(in super::super) fn kill(&mut self, pnn: usize) {
        self.nodes[pnn].alive = false;
        self.cuts += 1;
        let cuts = self.cuts;
        let after = self.micros(0, 700_000);
        self.at(after, Event::Silence { node: pnn, cuts });
    }

    /// Joins the node to the others again; a dead one starts anew.
    pub(in super::super) fn mend(&mut self, pnn: usize) {
        if self.is_up(pnn) {
            return;
        }
        self.notice_silence(pnn);
        self.cuts += 1;
        self.nodes[pnn].cut = false;
        if !self.nodes[pnn].alive {
            let life = self.nodes[pnn].life + 1;
            self.nodes[pnn] = self.fresh_node(pnn, life);
            self.nodes[pnn].lost = (0..self.nodes.len()).filter(|n| *n != pnn).collect();
            self.start(pnn);
        }
        let after = self.micros(1_000, 50_000);
        self.at(after, Event::Heard(pnn));
    }

    pub(super) fn notice_silence(&mut self, lost: usize) {
        // A short cut, or one in one direction, may be noticed by the leader's side alone.
        let noticed = self.leader.is_none_or(|leader| leader == lost)
            || !self.nodes[lost].alive
            || self.rng.chance(1, 2);
        let clear_at = self.nodes[lost].contact + self.timing.clear_after();
        for pnn in 0..self.nodes.len() {
            if pnn == lost {
                continue;
            }
            if self.nodes[pnn].lost.insert(lost) {
                let peer = Pnn(lost as u32);
                self.feed(pnn, Input::Unreachable { peer, clear_at });
            }
            if noticed && self.nodes[lost].lost.insert(pnn) {
                let peer = Pnn(pnn as u32);
                let clear_at = self.now + self.timing.clear_after();
                self.feed(lost, Input::Unreachable { peer, clear_at });
            }
        }
        if noticed {
            self.nodes[lost].standing = Standing::Searching;
        }
        self.step_down(lost);
        self.spread();
    }

    /// If the node leads, it does no more, and somebody else will.
    pub(super) fn step_down(&mut self, pnn: usize) {
        if self.leader == Some(pnn) {
            self.leader = None;
            let after = self.leaderless + self.micros(0, 200_000);
            self.at(after, Event::Elect);
        }
    }

    /// The keeper of the node's lease finds it ended: it was renewed too late.
    pub(in super::super) fn end_lease(&mut self, pnn: usize) {
        let now = self.now;
        let node = &mut self.nodes[pnn];
        node.lease = None;
        node.lease_until = now;
        self.feed(pnn, Input::Lease { alive: None });
    }

    pub(super) fn notice_return(&mut self, back: usize) {
        if !self.is_up(back) {
            return;
        }
        for pnn in 0..self.nodes.len() {
            if pnn == back || !self.is_up(pnn) {
                continue;
            }
            if self.nodes[pnn].lost.remove(&back) {
                let peer = Pnn(back as u32);
                self.feed(pnn, Input::Reachable { peer });
            }
            if self.nodes[back].lost.remove(&pnn) {
                let peer = Pnn(pnn as u32);
                self.feed(back, Input::Reachable { peer });
            }
        }
        match self.leader {
            Some(leader) if self.is_up(leader) && leader != back => self.follow(back, leader),
            Some(_) => {}
            None => self.at(ms(50), Event::Elect),
        }
        self.spread();
    }
}
