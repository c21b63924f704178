//! The heart of the client side: what sessions, peers, records and the console share.
//!
//! It is no actor but a shared object with short locks, so that a message goes from the socket it came in
//! to the sockets it goes out by without passing through anybody's mailbox. Lock order: registry before
//! outbox; nothing else is held while these are taken.

use super::broadcast;
use super::calls::Calls;
use super::controls::transactions::Committing;
use super::databases::Databases;
use super::outbox::Outbox;
use super::packet::{MessageView, envelope};
use super::pushes::Pushes;
use super::registry::Registry;
use super::remote::PendingControls;
use super::seqnum::Seqnums;
use super::statistics::Counters;
use super::tickles::Tickles;
use super::traverse::Traverses;
use crate::context::NodeContext;
use ctdb_protocol::client::packet::TunnelFlags;
use ctdb_protocol::client::srvid_message::NotifyData;
use ctdb_protocol::client::{Envelope, Reply, Tunnel, pnn};
use ctdb_protocol::flags::NodeFlags;
use ctdb_protocol::id::{ClientId, Pnn, SrvId};
use ctdb_protocol::membership::view::NodeView;
use ctdb_protocol::tunable::TunableId;
use ctdb_protocol::wire::message::{ClientMessage, DataMessage};
use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Capacity that the buffer for outgoing packets may keep, in bytes.
const KEPT_BYTES: usize = 1 << 20;

thread_local! {
    /// Packets on their way out are built here.
    static PACKET: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// See the module.
pub(super) struct Router {
    pub(super) context: NodeContext,
    pub(super) own: Pnn,
    pub(super) counters: Counters,
    pub(super) calls: Calls,
    pub(super) pending: PendingControls,
    pub(super) traverses: Traverses,
    pub(super) tickles: Arc<Tickles>,
    pub(super) runs: broadcast::Runs,
    pub(super) databases: OnceLock<Databases>,
    pub(super) committing: Committing,
    pub(super) pushes: Pushes,
    pub(super) seqnums: Seqnums,
    registry: RwLock<Registry>,
    last_client: AtomicU32,
    /// Length of this node's last ban, in seconds.
    pub(super) ban_seconds: AtomicU32,
    last_request: AtomicU64,
}

impl Router {
    pub(super) fn new(context: NodeContext) -> Self {
        let own = context.links.identity.own;
        // Another life of this node must not use the same numbers.
        let first_request = context.links.identity.instance.0;
        Self {
            context,
            own,
            counters: Counters::default(),
            calls: Calls::default(),
            pending: PendingControls::default(),
            traverses: Traverses::default(),
            tickles: Arc::default(),
            runs: broadcast::Runs::default(),
            databases: OnceLock::new(),
            committing: Committing::default(),
            pushes: Pushes::default(),
            seqnums: Seqnums::default(),
            registry: RwLock::default(),
            last_client: AtomicU32::new(0),
            ban_seconds: AtomicU32::new(0),
            last_request: AtomicU64::new(first_request),
        }
    }

    pub(super) fn registry(&self) -> RwLockReadGuard<'_, Registry> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn registry_mut(&self) -> RwLockWriteGuard<'_, Registry> {
        self.registry
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a request to a peer, never 0.
    pub(super) fn next_request(&self) -> u64 {
        let last = self.last_request.fetch_add(1, Ordering::Relaxed);
        last.wrapping_add(1).max(1)
    }

    pub(super) fn tunable(&self, id: TunableId) -> u32 {
        let tunables = self.context.tunables.read();
        tunables.unwrap_or_else(PoisonError::into_inner).get(id)
    }

    /// This node as membership sees it.
    pub(super) fn own_view(&self) -> NodeView {
        let view = self.context.board.view();
        let own = view.nodes.get(self.own.0 as usize);
        own.copied().unwrap_or_default()
    }

    /// Whether this node is out of the cluster by its own flags.
    pub(super) fn is_inactive(&self) -> bool {
        let flags = self.own_view().flags - NodeFlags::DISCONNECTED;
        flags.is_inactive()
    }

    /// The envelope of a packet to a client.
    pub(super) fn envelope(&self, reqid: u32) -> Envelope {
        let generation = &self.context.links.identity.generation;
        envelope(self.own.0, generation.load(Ordering::Relaxed), reqid)
    }

    /// An id for a new client: never 0, never one in use.
    pub(super) fn next_client(&self) -> ClientId {
        loop {
            let number = self
                .last_client
                .fetch_add(1, Ordering::Relaxed)
                .wrapping_add(1);
            let client = ClientId(number);
            if number != 0 && !self.registry().is_connected(client) {
                return client;
            }
        }
    }

    /// Sends a packet to a client.
    pub(super) fn reply(&self, outbox: &Outbox, reqid: u32, reply: &Reply) {
        with_packet(|packet| {
            reply.emit(self.envelope(reqid), packet);
            self.send(outbox, packet);
        });
    }

    fn send(&self, outbox: &Outbox, packet: &[u8]) {
        self.counters.client_sent.fetch_add(1, Ordering::Relaxed);
        outbox.send(packet);
    }

    /// Brings a message to a node, or to several.
    pub(super) fn route_message(&self, destination: u32, message: MessageView<'_>) {
        self.route(
            destination,
            || self.deliver(message),
            || ClientMessage::Message {
                srvid: SrvId(message.srvid),
                data: message.data.into(),
            },
        );
    }

    /// Does `here` if this node is meant, and sends what `there` makes to each other node that is.
    /// Answers whether the node was reached; always true for broadcasts.
    pub(super) fn route(
        &self,
        destination: u32,
        here: impl FnOnce(),
        there: impl Fn() -> ClientMessage,
    ) -> bool {
        match destination {
            pnn::CURRENT => here(),
            own if own == self.own.0 => here(),
            pnn::BROADCAST_ALL | pnn::BROADCAST_CONNECTED => {
                here();
                for peer in self.context.links.connected() {
                    self.send_peer(peer, there());
                }
            }
            pnn::BROADCAST_ACTIVE => {
                let view = self.context.board.view();
                if view.composition.vnnmap.contains(&self.own) {
                    here();
                }
                for peer in self.context.links.connected() {
                    if view.composition.vnnmap.contains(&peer) {
                        self.send_peer(peer, there());
                    }
                }
            }
            other => return self.send_peer(Pnn(other), there()),
        }
        true
    }

    /// Sends to a peer; answers whether it is connected.
    pub(super) fn send_peer(&self, peer: Pnn, message: ClientMessage) -> bool {
        self.context
            .links
            .send_data(peer, DataMessage::Client(message))
    }

    /// Brings a message to all clients of this node that registered for it, and to the daemon itself.
    pub(super) fn deliver(&self, message: MessageView<'_>) {
        if broadcast::is_for_daemon(message.srvid) {
            broadcast::hear(self, message);
        }
        self.push_records(message.srvid, message.data);
        let registry = self.registry();
        if !registry.has_receivers(message.srvid) {
            return;
        }
        let generation = &self.context.links.identity.generation;
        with_packet(|packet| {
            message.emit(self.own.0, generation.load(Ordering::Relaxed), packet);
            registry.receivers(message.srvid, |outbox| self.send(outbox, packet));
        });
    }

    /// Brings a tunnel packet to a node.
    pub(super) fn route_tunnel(&self, destination: u32, reqid: u32, tunnel: &Tunnel) {
        if pnn::is_broadcast(destination) {
            return;
        }
        self.route(
            destination,
            || self.deliver_tunnel(self.own, reqid, tunnel.clone()),
            || ClientMessage::Tunnel {
                tunnel: tunnel.tunnel_id,
                flags: tunnel.flags.bits(),
                reqid,
                from: self.own,
                data: tunnel.data.as_slice().into(),
            },
        );
    }

    /// Brings a tunnel packet to the client that has the tunnel; the source says where answers go.
    fn deliver_tunnel(&self, from: Pnn, reqid: u32, tunnel: Tunnel) {
        let outbox = self.registry().tunnel(tunnel.tunnel_id).cloned();
        let Some(outbox) = outbox else {
            return;
        };
        let envelope = Envelope {
            destnode: self.own.0,
            srcnode: from.0,
            ..self.envelope(reqid)
        };
        with_packet(|packet| {
            Reply::Tunnel(tunnel).emit(envelope, packet);
            self.send(&outbox, packet);
        });
    }

    /// Takes what a peer sent on behalf of its clients.
    pub(super) fn from_peer(self: &std::sync::Arc<Self>, peer: Pnn, message: ClientMessage) {
        self.counters.node_message(&message);
        match message {
            ClientMessage::Message { srvid, data } => {
                let srvid = srvid.0;
                self.deliver(MessageView { srvid, data: &data });
            }
            ClientMessage::Control {
                request,
                opcode,
                srvid,
                flags,
                data,
            } => {
                self.serve_peer(peer, request, opcode, (srvid, flags), &data);
            }
            ClientMessage::ControlReply {
                request,
                status,
                data,
                error,
            } => {
                self.pending.complete(peer, request, status, data, error);
            }
            ClientMessage::Attach { name, kind } => self.attach_for_peer(name, kind),
            ClientMessage::TraverseStart {
                request,
                db,
                with_empty,
            } => {
                self.traverse_for_peer(peer, request, db, with_empty);
            }
            ClientMessage::TraverseRecords {
                request,
                records,
                done,
            } => {
                self.traverses.records(peer, request, records, done);
            }
            ClientMessage::TraverseStop { request } => self.traverses.stop(peer, request),
            ClientMessage::Tunnel {
                tunnel,
                flags,
                reqid,
                from,
                data,
            } => {
                let flags = TunnelFlags::from_bits_retain(flags);
                let tunnel = Tunnel {
                    tunnel_id: tunnel,
                    flags,
                    data: data.0,
                };
                self.deliver_tunnel(from, reqid, tunnel);
            }
        }
    }

    /// Forgets a client that is gone and says so to whoever asked.
    pub(super) fn disconnect(&self, client: ClientId) {
        self.context.locks.client_gone(client);
        let notices = self.registry_mut().disconnect(client);
        for NotifyData { srvid, data } in notices {
            self.route_message(pnn::BROADCAST_CONNECTED, MessageView { srvid, data: &data });
        }
        self.forget_calls(client);

        self.forget_connections(client);
    }
}

/// Gives `work` an empty buffer for one packet.
fn with_packet(work: impl FnOnce(&mut Vec<u8>)) {
    PACKET.with_borrow_mut(|packet| {
        packet.clear();
        work(packet);
        packet.shrink_to(KEPT_BYTES);
    });
}
