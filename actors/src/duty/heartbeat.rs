//! Heartbeat: carries keepalives to the links and leases to the kernel.

use super::actor::Carry;
use crate::addresses::AddressKernel;
use crate::link::peer::{CloseLink, PeerLink};
use crate::link::table::Links;
use crate::log::notice;
use crate::post::Post;
use actix::Addr;
use ctdb_protocol::heartbeat::io::{Effect, Input};
use ctdb_protocol::heartbeat::machine::Heartbeat;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::time::Instant;
use ctdb_protocol::wire::message::ControlMessage;
use ctdb_protocol::{election, natgw, takeover};
use slog::Logger;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The link actors of the control arbiter by peer.
pub type PeerLinks = Rc<RefCell<BTreeMap<Pnn, Addr<PeerLink>>>>;
/// The kernel's side of public addresses, shared by heartbeat (leases) and takeover.
pub type SharedKernel = Rc<RefCell<Box<dyn AddressKernel>>>;

/// What the next heartbeat has to know of this one, should it die. Cheap to clone.
#[derive(Clone, Default)]
pub struct HeartbeatMemory {
    /// Nodes that said goodbye and were not heard since: they must go on not to count.
    departed: Rc<RefCell<BTreeSet<Pnn>>>,
    /// Until when this node may answer for its addresses.
    lease_until: Rc<Cell<Instant>>,
}

impl HeartbeatMemory {
    /// Whether a node left in order.
    pub fn departed(&self, peer: Pnn) -> bool {
        self.departed.borrow().contains(&peer)
    }

    /// The end of the last lease.
    pub fn lease_until(&self) -> Instant {
        self.lease_until.get()
    }

    fn note(&self, input: &election::io::Input) {
        let mut all = self.departed.borrow_mut();
        match input {
            election::io::Input::PeerDown { peer, departed, .. } if *departed => {
                all.insert(*peer);
            }
            election::io::Input::Peer { peer, .. } => {
                all.remove(peer);
            }
            _ => {}
        }
    }
}

/// What the NAT gateway hears of what takeover hears: who can be reached, as both wait for the silence of others.
fn for_natgw(input: &takeover::io::Input) -> Option<natgw::io::Input> {
    match *input {
        takeover::io::Input::Unreachable { peer, clear_at } => {
            Some(natgw::io::Input::Unreachable { peer, clear_at })
        }
        takeover::io::Input::Reachable { peer } => Some(natgw::io::Input::Reachable { peer }),
        _ => None,
    }
}

/// See the module.
pub struct HeartbeatCarry {
    /// Where keepalives go.
    pub links: Links,
    /// Who closes links.
    pub peers: PeerLinks,
    /// The other duties.
    pub post: Post,
    /// Leases.
    pub kernel: SharedKernel,
    /// For the next heartbeat.
    pub memory: HeartbeatMemory,
    /// Log.
    pub log: Logger,
}

impl Carry<Heartbeat> for HeartbeatCarry {
    fn carry(&mut self, effect: Effect, _: &mut Vec<Input>) {
        match effect {
            Effect::Send { peer, keepalive } => {
                self.links
                    .send_control(peer, ControlMessage::Keepalive(keepalive));
            }
            Effect::CloseLink { peer, reason } => {
                if let Some(link) = self.peers.borrow().get(&peer) {
                    // A link whose mailbox is full is being closed already.
                    let _ = link.try_send(CloseLink { reason });
                }
            }
            Effect::LeaseUntil(until) => {
                self.memory.lease_until.set(until);
                self.kernel.borrow().lease_until(until);
            }
            Effect::Election(input) => {
                self.memory.note(&input);
                self.post.election.send(input);
            }
            Effect::Membership(input) => self.post.membership.send(input),
            Effect::Takeover(input) => {
                if let Some(input) = for_natgw(&input) {
                    self.post.natgw.send(input);
                }
                self.post.takeover.send(input);
            }
            Effect::Log(record) => notice(&self.log, &record),
        }
    }
}
