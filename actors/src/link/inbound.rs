//! Where packets of peers go.

use super::table::Links;
use crate::post::Post;
use crate::records::DbCounters;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::wire::message::{ClientMessage, ControlMessage, DataMessage, Packet};
use ctdb_protocol::{election, heartbeat, lvs, membership, natgw, record, takeover};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Takes what peers send on behalf of their clients.
pub type ClientInbox = Arc<dyn Fn(Pnn, ClientMessage) + Send + Sync>;

/// Sorts packets to the duties.
#[derive(Clone)]
pub struct Inbound {
    /// The duties.
    pub post: Post,
    /// The clients' side.
    pub clients: ClientInbox,
    /// For the counters.
    pub links: Links,
    /// Counters of databases.
    pub databases: DbCounters,
}

impl Inbound {
    /// Hands on one packet of `peer`; answers why the peer must be cut off, if it must.
    pub fn deliver(&self, peer: Pnn, packet: Packet) -> Result<(), String> {
        self.links.counters.received.fetch_add(1, Ordering::Relaxed);
        match packet {
            Packet::Control(message) => self.control(peer, message),
            Packet::Data(DataMessage::Record(message)) => {
                self.databases.message(&message, Instant::now);
                let slot = self.post.records_of(message.db);
                slot.send(record::io::Input::Message { peer, message });
            }
            Packet::Data(DataMessage::Client(message)) => (self.clients)(peer, message),
            Packet::Hello(_) | Packet::Refused(_) => {
                return Err(String::from("a hello in the middle of a connection"));
            }
        }
        Ok(())
    }

    fn control(&self, peer: Pnn, message: ControlMessage) {
        let post = &self.post;
        match message {
            ControlMessage::Keepalive(keepalive) => {
                post.heartbeat
                    .send(heartbeat::io::Input::Keepalive { peer, keepalive });
            }
            ControlMessage::Goodbye => post.heartbeat.send(heartbeat::io::Input::Goodbye { peer }),
            ControlMessage::Election(message) => {
                post.election
                    .send(election::io::Input::Message { peer, message });
            }
            ControlMessage::Membership(message) => {
                post.membership
                    .send(membership::io::Input::Message { peer, message });
            }
            ControlMessage::Takeover(message) => {
                post.takeover
                    .send(takeover::io::Input::Message { peer, message });
            }
            ControlMessage::Lvs(message) => {
                post.lvs.send(lvs::io::Input::Message { peer, message });
            }
            ControlMessage::Natgw(message) => {
                post.natgw.send(natgw::io::Input::Message { peer, message });
            }
        }
    }
}
