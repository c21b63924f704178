//! Links: they delay, keep the order, and lose or hold back what is under way when they are cut.

use super::node::Node;
use super::{Event, World};
use crate::id::Pnn;
use crate::takeover::io::Input;
use crate::takeover::message::TakeoverMessage;
use core::time::Duration;

pub(super) struct Packet {
    from: usize,
    to: usize,
    lives: (u64, u64),
    cuts: u64,
    late: bool,
    message: TakeoverMessage,
}

impl World {
    pub(super) fn linked(&self, a: usize, b: usize) -> bool {
        let up = |n: &Node| n.alive && !n.cut;
        up(&self.nodes[a]) && up(&self.nodes[b])
    }

    pub(super) fn send(&mut self, from: usize, to: usize, message: TakeoverMessage) {
        assert_ne!(from, to, "a message to itself");
        let lives = (self.nodes[from].life, self.nodes[to].life);
        let cuts = self.cuts;
        if !self.linked(from, to) && self.rng.chance(1, 2) {
            return;
        }
        let mut at = self.now + self.micros(50, self.lag_us);
        let last = self.links.entry((from, to)).or_insert(at);
        at = at.max(*last + Duration::from_micros(1));
        *last = at;
        let after = at.since(self.now);
        let packet = Packet {
            from,
            to,
            lives,
            cuts,
            late: false,
            message,
        };
        self.at(after, Event::Deliver(packet));
    }

    pub(super) fn deliver(&mut self, packet: Packet) {
        let (from, to) = (packet.from, packet.to);
        if packet.lives != (self.nodes[from].life, self.nodes[to].life) {
            return;
        }
        let broken = packet.cuts != self.cuts || !self.linked(from, to);
        if !broken || packet.late {
            let (peer, message) = (Pnn(from as u32), packet.message);
            self.feed(to, Input::Message { peer, message });
        } else if self.rng.chance(1, 2) {
            // Not lost with the connection but stuck in it for a while.
            let after = self.micros(0, 3_000_000);
            let late = true;
            self.at(after, Event::Deliver(Packet { late, ..packet }));
        }
    }
}
