//! Links between nodes as `actors/src/link/peer.rs` makes them: of each pair the higher number dials a control
//! and a data connection, both live and die together, and a lost pair is dialled anew.
//!
//! Each lane keeps its order; lanes and links do not wait for each other. A cut direction holds packets back as
//! TCP does; they come after all when it is mended while both ends still have the connection, and meet a reset
//! when one has closed it.

use crate::clock::{MS, Micros, SEC};
use crate::event::{ConnId, Event, Mail, Work};
use crate::node::Life;
use crate::world::World;
use ctdb_protocol::id::{Instance, Pnn};
use ctdb_protocol::wire::hello::Lane;
use ctdb_protocol::wire::message::Packet;
use ctdb_protocol::{heartbeat, record};
use std::collections::{BTreeMap, VecDeque};

/// Between attempts to reach a peer.
const REDIAL: Micros = 200 * MS;
/// An attempt that takes longer has met a silent network.
const DIAL_TIMEOUT: Micros = SEC;
/// TCP gives up what was not acknowledged for so long.
const USER_TIMEOUT: Micros = 5 * SEC;
/// Packets of a handshake, one after the other.
const HANDSHAKE_TRIPS: u64 = 6;
/// Most packets that may wait in one direction of a link.
pub const HELD_MAX: usize = ctdb_protocol::limits::CONTROL_QUEUE_MAX;

/// See the module.
#[derive(Debug)]
pub struct Network {
    nodes: usize,
    /// The connection that `own` uses towards `peer`, at `own * nodes + peer`.
    current: Vec<Option<ConnId>>,
    conns: BTreeMap<ConnId, Conn>,
    made: ConnId,
    /// How many faults cut `from * nodes + to`.
    cuts: Vec<u32>,
    /// A fault makes each packet up to so much slower.
    pub(crate) slow: Micros,
}

/// One pair of lanes. The end of the lower node has index 0.
#[derive(Debug)]
struct Conn {
    ends: [Pnn; 2],
    lives: [u32; 2],
    /// By direction (named after the sending end) and lane.
    lanes: [[LaneState; 2]; 2],
    /// Packets that came before the receiver was ready.
    early: [Vec<(Lane, Box<Packet>)>; 2],
    up: [bool; 2],
    closed: [bool; 2],
    giving_up: [bool; 2],
}

#[derive(Debug, Default)]
struct LaneState {
    last_arrival: Micros,
    held: VecDeque<Box<Packet>>,
}

impl Conn {
    fn end(&self, pnn: Pnn) -> usize {
        usize::from(self.ends[1] == pnn)
    }
}

const fn lane_index(lane: Lane) -> usize {
    match lane {
        Lane::Control => 0,
        Lane::Data => 1,
    }
}

impl Network {
    /// Unconnected nodes.
    pub fn new(nodes: u32) -> Self {
        let nodes = nodes as usize;
        Self {
            nodes,
            current: vec![None; nodes * nodes],
            conns: BTreeMap::new(),
            made: 0,
            cuts: vec![0; nodes * nodes],
            slow: 0,
        }
    }

    fn at(&self, from: Pnn, to: Pnn) -> usize {
        from.0 as usize * self.nodes + to.0 as usize
    }

    /// Whether packets pass from `from` to `to`.
    pub fn carries(&self, from: Pnn, to: Pnn) -> bool {
        self.cuts[self.at(from, to)] == 0
    }

    /// The connection of `own` to `peer`.
    pub fn link(&self, own: Pnn, peer: Pnn) -> Option<ConnId> {
        self.current[self.at(own, peer)]
    }

    /// Cuts a direction once more.
    pub fn cut(&mut self, from: Pnn, to: Pnn) {
        let at = self.at(from, to);
        self.cuts[at] += 1;
    }

    /// The most packets that wait in one direction.
    pub fn held_most(&self) -> usize {
        let lanes = self
            .conns
            .values()
            .flat_map(|conn| conn.lanes.iter().flatten());
        lanes.map(|lane| lane.held.len()).max().unwrap_or(0)
    }
}

impl World {
    fn latency(&mut self) -> Micros {
        let latency = self.bench.options.latency;
        let slow = self.bench.rng.below(self.network.slow + 1);
        latency.base + self.bench.rng.below(latency.jitter + 1) + slow
    }

    /// Sends a packet on the link of `from` to `to`; without a link it is dropped, as the product does.
    pub(crate) fn send(&mut self, from: Pnn, to: Pnn, lane: Lane, packet: Packet) {
        let Some(id) = self.network.link(from, to) else {
            return;
        };
        let travel = self.latency();
        let (now, passes) = (self.bench.now, self.network.carries(from, to));
        let acknowledged = passes && self.network.carries(to, from);
        let Some(conn) = self.network.conns.get_mut(&id) else {
            return;
        };
        let end = conn.end(from);
        let state = &mut conn.lanes[end][lane_index(lane)];
        let packet = Box::new(packet);
        let mut full = false;
        if passes && state.held.is_empty() {
            state.last_arrival = state.last_arrival.max(now + travel);
            let arrival = state.last_arrival;
            self.bench.at(
                arrival,
                Event::Arrive {
                    conn: id,
                    to,
                    lane,
                    packet,
                },
            );
        } else {
            state.held.push_back(packet);
            full = state.held.len() > HELD_MAX;
        }
        if !acknowledged && !std::mem::replace(&mut conn.giving_up[end], true) {
            self.bench
                .after(USER_TIMEOUT, Event::GiveUp { conn: id, at: from });
        }
        if full {
            self.drop_link(from, to, "its queue is full", REDIAL);
        }
    }

    pub(crate) fn give_up(&mut self, id: ConnId, at: Pnn) {
        let Some(conn) = self.network.conns.get_mut(&id) else {
            return;
        };
        let end = conn.end(at);
        conn.giving_up[end] = false;
        let peer = conn.ends[1 - end];
        let waits = conn.lanes[end].iter().any(|lane| !lane.held.is_empty());
        let unacknowledged = waits || !self.network.carries(peer, at);
        if unacknowledged && self.network.link(at, peer) == Some(id) {
            self.reset(id, at, "connection timed out");
        }
    }

    /// A packet arrives at a host.
    pub(crate) fn arrive(&mut self, id: ConnId, to: Pnn, lane: Lane, packet: Box<Packet>) {
        let Some(conn) = self.network.conns.get_mut(&id) else {
            return;
        };
        let end = conn.end(to);
        let (from, life) = (conn.ends[1 - end], conn.lives[end]);
        if !self.nodes[to.0 as usize].host_is_up() {
            return;
        }
        if conn.closed[end] {
            return self.tell_reset(id, to, from, "connection reset by peer");
        }
        if !conn.up[end] {
            conn.early[end].push((lane, packet));
            return;
        }
        let work = Work::Packet {
            conn: id,
            lane,
            packet,
        };
        self.process_work(to, life, work);
    }

    /// Tells the end at `to` of a connection that it is over, if a packet gets through.
    fn tell_reset(&mut self, conn: ConnId, from: Pnn, to: Pnn, reason: &'static str) {
        if self.network.carries(from, to) {
            let travel = self.latency();
            self.bench.after(
                travel,
                Event::Reset {
                    conn,
                    at: to,
                    reason,
                },
            );
        }
    }

    /// An end learns that the connection is over.
    pub(crate) fn reset(&mut self, id: ConnId, at: Pnn, reason: &'static str) {
        let Some(conn) = self.network.conns.get_mut(&id) else {
            return;
        };
        let end = conn.end(at);
        if conn.closed[end] {
            return;
        }
        let life = conn.lives[end];
        self.process_work(at, life, Work::LinkReset { conn: id, reason });
    }

    pub(crate) fn link_reset(&mut self, own: Pnn, id: ConnId, reason: &'static str) {
        let Some(conn) = self.network.conns.get_mut(&id) else {
            return;
        };
        let end = conn.end(own);
        let peer = conn.ends[1 - end];
        if self.network.link(own, peer) == Some(id) {
            self.bench.census.count("link.reset_by_peer");
            self.drop_link(own, peer, reason, REDIAL / 4);
        } else if let Some(conn) = self.network.conns.get_mut(&id)
            && !std::mem::replace(&mut conn.closed[end], true)
        {
            self.redial(own, peer, REDIAL / 4);
        }
        self.bury(id);
    }

    fn redial(&mut self, own: Pnn, peer: Pnn, wait: Micros) {
        if let Some(process) = self.nodes[own.0 as usize].process.as_mut()
            && own > peer
        {
            process.dialling.remove(&peer);
            self.bench.work(wait, own, process.life, Work::Dial(peer));
        }
    }

    /// `own` closes its link to `peer`.
    pub(crate) fn drop_link(&mut self, own: Pnn, peer: Pnn, reason: &'static str, redial: Micros) {
        let at = self.network.at(own, peer);
        let Some(id) = self.network.current[at].take() else {
            return;
        };
        if let Some(conn) = self.network.conns.get_mut(&id) {
            let end = conn.end(own);
            conn.closed[end] = true;
            for lane in &mut conn.lanes[end] {
                lane.held.clear();
            }
        }
        let down = heartbeat::io::Input::LinkDown {
            peer,
            reason: String::from(reason),
        };
        self.post(own, Mail::Heartbeat(down));
        self.post(own, Mail::Record(record::io::Input::PeerDown { peer }));
        self.tell_reset(id, own, peer, "connection closed by peer");
        self.redial(own, peer, redial);
        self.bury(id);
    }

    /// The worker of `pnn` is gone; with `telling` its kernel says so to the peers.
    pub(crate) fn close_all(&mut self, pnn: Pnn, telling: bool) {
        let mine: Vec<ConnId> = self
            .network
            .conns
            .iter()
            .filter(|(_, conn)| conn.ends.contains(&pnn))
            .map(|(id, _)| *id)
            .collect();
        for id in mine {
            let Some(conn) = self.network.conns.get_mut(&id) else {
                continue;
            };
            let end = conn.end(pnn);
            let peer = conn.ends[1 - end];
            if std::mem::replace(&mut conn.closed[end], true) {
                continue;
            }
            for lane in &mut conn.lanes[end] {
                lane.held.clear();
            }
            let at = self.network.at(pnn, peer);
            self.network.current[at] = None;
            if telling {
                self.tell_reset(id, pnn, peer, "connection closed by peer");
            }
            self.bury(id);
        }
    }

    /// Forgets a connection that is over at both ends.
    fn bury(&mut self, id: ConnId) {
        if self
            .network
            .conns
            .get(&id)
            .is_some_and(|conn| conn.closed == [true; 2])
        {
            self.network.conns.remove(&id);
        }
    }

    /// A direction carries again.
    pub(crate) fn uncut(&mut self, from: Pnn, to: Pnn) {
        let at = self.network.at(from, to);
        self.network.cuts[at] = self.network.cuts[at].saturating_sub(1);
        if self.network.cuts[at] > 0 {
            return;
        }
        let between: Vec<ConnId> = self
            .network
            .conns
            .iter()
            .filter(|(_, conn)| conn.ends.contains(&from) && conn.ends.contains(&to))
            .map(|(id, _)| *id)
            .collect();
        for id in between {
            self.release_held(id, from, to);
        }
    }

    fn release_held(&mut self, id: ConnId, from: Pnn, to: Pnn) {
        let now = self.bench.now;
        for lane in [Lane::Control, Lane::Data] {
            // TCP's next attempt comes some time after the mending.
            let retransmit = self.bench.between(0, 200 * MS) + self.latency();
            let Some(conn) = self.network.conns.get_mut(&id) else {
                return;
            };
            let end = conn.end(from);
            let state = &mut conn.lanes[end][lane_index(lane)];
            while let Some(packet) = state.held.pop_front() {
                state.last_arrival = state.last_arrival.max(now + retransmit);
                let arrival = state.last_arrival;
                self.bench.at(
                    arrival,
                    Event::Arrive {
                        conn: id,
                        to,
                        lane,
                        packet,
                    },
                );
            }
        }
        let Some(conn) = self.network.conns.get(&id) else {
            return;
        };
        if conn.closed[conn.end(from)] {
            // The end of the connection is told by TCP's next attempt, and those become rare.
            let late = self.bench.between(0, 3 * SEC);
            let reason = "connection closed by peer";
            let event = Event::Reset {
                conn: id,
                at: to,
                reason,
            };
            self.bench.after(late, event);
        }
    }

    // ---- dialling

    pub(crate) fn dial(&mut self, own: Pnn, peer: Pnn) {
        if self.network.link(own, peer).is_some() {
            return;
        }
        let Some(process) = self.nodes[own.0 as usize].process.as_mut() else {
            return;
        };
        if !process.dialling.insert(peer) {
            return;
        }
        let life = process.life;
        let target = &self.nodes[peer.0 as usize];
        let path = self.network.carries(own, peer) && self.network.carries(peer, own);
        let silent = !path || !target.host_is_up() || target.life == Life::Paused;
        let refused = target.life == Life::Dead;
        let (wait, answered) = if silent {
            (DIAL_TIMEOUT, false)
        } else {
            let trips = if refused { 2 } else { HANDSHAKE_TRIPS };
            let wait = (0..trips).map(|_| self.latency()).sum();
            if wait > DIAL_TIMEOUT {
                (DIAL_TIMEOUT, false)
            } else {
                (wait, !refused)
            }
        };
        self.bench
            .work(wait, own, life, Work::Dialled { peer, answered });
    }

    pub(crate) fn dialled(&mut self, own: Pnn, peer: Pnn, answered: bool) {
        let path = self.network.carries(own, peer) && self.network.carries(peer, own);
        let mine = self.nodes[own.0 as usize]
            .process
            .as_ref()
            .map(|process| process.life);
        let theirs = self.nodes[peer.0 as usize]
            .process
            .as_ref()
            .map(|process| process.life);
        let running = self.nodes[peer.0 as usize].life == Life::Running;
        let (true, Some(mine), Some(theirs)) = (answered && path && running, mine, theirs) else {
            return self.redial(own, peer, REDIAL);
        };
        self.network.made += 1;
        let id = self.network.made;
        let conn = Conn {
            ends: [peer, own],
            lives: [theirs, mine],
            lanes: Default::default(),
            early: Default::default(),
            up: [false; 2],
            closed: [false; 2],
            giving_up: [false; 2],
        };
        self.network.conns.insert(id, conn);
        let (first, second) = (self.latency(), self.latency());
        self.bench.work(first, peer, theirs, Work::LinkUp(id));
        self.bench.work(second / 2, own, mine, Work::LinkUp(id));
    }

    pub(crate) fn link_up(&mut self, own: Pnn, id: ConnId) {
        let Some(conn) = self.network.conns.get(&id) else {
            return;
        };
        let end = conn.end(own);
        let peer = conn.ends[1 - end];
        if conn.closed[end] {
            return;
        }
        if self.network.link(own, peer).is_some() {
            self.bench.census.count("link.connected_anew");
            self.drop_link(own, peer, "it connected anew", REDIAL);
        }
        if let Some(process) = self.nodes[own.0 as usize].process.as_mut() {
            process.dialling.remove(&peer);
        }
        let at = self.network.at(own, peer);
        self.network.current[at] = Some(id);
        let Some(conn) = self.network.conns.get_mut(&id) else {
            return;
        };
        conn.up[end] = true;
        let (early, life) = (std::mem::take(&mut conn.early[end]), conn.lives[1 - end]);
        let instance = Instance(u64::from(peer.0) << 32 | u64::from(life));
        self.post(
            own,
            Mail::Heartbeat(heartbeat::io::Input::LinkUp { peer, instance }),
        );
        for (lane, packet) in early {
            self.read_packet(own, id, lane, *packet);
        }
    }

    /// Both lanes of a pair die of a reset on one of them.
    pub(crate) fn break_link(&mut self, one: Pnn, other: Pnn) {
        if let Some(id) = self.network.link(one, other) {
            self.reset(id, one, "connection reset");
            self.reset(id, other, "connection reset");
        }
    }

    /// The peer at the other end of a connection, if `own` still uses it.
    pub(crate) fn peer_of(&self, own: Pnn, id: ConnId) -> Option<Pnn> {
        let conn = self.network.conns.get(&id)?;
        let peer = conn.ends[1 - conn.end(own)];
        (self.network.link(own, peer) == Some(id)).then_some(peer)
    }
}
