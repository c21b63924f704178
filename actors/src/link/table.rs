//! Who this node is on its links, and the lanes that are up.

use super::lane::{LaneError, LaneSender};
use crate::nodes::NodesFile;
use ctdb_protocol::id::{Generation, Instance, Pnn};
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_protocol::wire::hello::{Hello, Lane, MAGIC, Release, VERSION};
use ctdb_protocol::wire::message::{ControlMessage, DataMessage, Packet};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use tokio::sync::watch;

/// What hellos say of this node and are checked against.
#[derive(Debug)]
pub struct Identity {
    /// This node.
    pub own: Pnn,
    /// `[cluster] name`.
    pub cluster: String,
    /// All nodes.
    pub nodes: NodesFile,
    /// This life of the daemon.
    pub instance: Instance,
    /// The composition this node belongs to, kept up to date by membership.
    pub generation: AtomicU32,
    /// What this node is in CTDB's numbers.
    pub release: Release,
    /// Nodes of other releases are accepted (`AllowMixedVersions`).
    pub mixed_releases: AtomicBool,
    /// Why this node must not be in the cluster, once that is known.
    pub misfit: watch::Sender<Option<String>>,
}

impl Identity {
    /// Checks a peer's release. If it is another one, and the peer is in a cluster while this node is in none
    /// yet, then this node is the one too many.
    pub(super) fn check_release(&self, hello: &Hello) -> Result<(), String> {
        if self.mixed_releases.load(Ordering::Relaxed) {
            return Ok(());
        }
        let checked = hello.check_release(self.release);
        if let Err(reason) = &checked {
            let own = self.generation.load(Ordering::Relaxed);
            let none = Generation::INVALID.number;
            let joins = own <= none && hello.generation > none;
            if joins {
                let reason = format!("node {}: {reason}", hello.pnn);
                self.misfit.send_replace(Some(reason));
            }
        }
        checked
    }

    /// Our hello to `peer` on `lane`.
    pub fn hello(&self, peer: Pnn, lane: Lane) -> Hello {
        Hello {
            magic: MAGIC,
            version: VERSION,
            release: self.release,
            features: 0,
            lane,
            cluster: self.cluster.clone(),
            pnn: self.own,
            peer,
            instance: self.instance,
            generation: self.generation.load(Ordering::Relaxed),
            key_proof: Bytes::default(),
        }
    }
}

/// Packets sent and received, for `ctdb statistics`.
#[derive(Debug, Default)]
pub struct LinkCounters {
    /// To other nodes.
    pub sent: AtomicU64,
    /// From other nodes.
    pub received: AtomicU64,
}

/// All lanes that are up. Cheap to clone; sending never waits.
#[derive(Clone, Debug)]
pub struct Links {
    /// Who we are.
    pub identity: Arc<Identity>,
    /// Traffic.
    pub counters: Arc<LinkCounters>,
    lanes: Arc<RwLock<BTreeMap<(Pnn, Lane), LaneSender>>>,
}

impl Links {
    /// No lane is up.
    pub fn new(identity: Arc<Identity>) -> Self {
        Self {
            identity,
            counters: Arc::default(),
            lanes: Arc::default(),
        }
    }

    /// Notes that a lane is up.
    pub fn insert(&self, peer: Pnn, lane: Lane, sender: LaneSender) {
        self.lanes
            .write()
            .expect("no panic while held")
            .insert((peer, lane), sender);
    }

    /// Forgets both lanes of a peer and closes them.
    pub fn close(&self, peer: Pnn) {
        let mut lanes = self.lanes.write().expect("no panic while held");
        for lane in [Lane::Control, Lane::Data] {
            if let Some(sender) = lanes.remove(&(peer, lane)) {
                sender.close();
            }
        }
    }

    /// Peers whose data lane is up.
    pub fn connected(&self) -> Vec<Pnn> {
        let lanes = self.lanes.read().expect("no panic while held");
        lanes
            .keys()
            .filter(|(_, lane)| *lane == Lane::Data)
            .map(|(peer, _)| *peer)
            .collect()
    }

    /// Sends on the control lane; a peer that is not connected does not get it.
    pub fn send_control(&self, peer: Pnn, message: ControlMessage) {
        self.send(peer, Lane::Control, &Packet::Control(message));
    }

    /// Sends on the data lane; answers whether the peer was connected.
    pub fn send_data(&self, peer: Pnn, message: DataMessage) -> bool {
        self.send(peer, Lane::Data, &Packet::Data(message))
    }

    fn send(&self, peer: Pnn, lane: Lane, packet: &Packet) -> bool {
        let result = {
            let lanes = self.lanes.read().expect("no panic while held");
            let Some(sender) = lanes.get(&(peer, lane)) else {
                return false;
            };
            self.counters.sent.fetch_add(1, Ordering::Relaxed);
            sender.send(packet)
        };
        match result {
            Ok(()) => true,
            Err(LaneError::Closed) => false,
            // Its reader ends with the closed socket and tells the rest.
            Err(LaneError::Full(_)) => {
                self.close(peer);
                false
            }
        }
    }
}
