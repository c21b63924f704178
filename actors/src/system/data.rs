//! The data plane: records and clients on arbiters of their own, so that neither delays a keepalive.

use super::BootError;
use crate::context::NodeContext;
use crate::link::inbound::ClientInbox;
use crate::link::table::Links;
use crate::log::notice;
use crate::records::{CallDone, DataOut, Records, Store, StoreConfig, Wiring};
use actix::{Actor, Addr};
use actix_rt::{Arbiter, ArbiterHandle};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::notice::Notice;
use ctdb_protocol::record::machine::RecordMachine;
use ctdb_protocol::timing::Timing;
use ctdb_protocol::tunable::TunableId;
use ctdb_protocol::wire::message::DataMessage;
use std::sync::{Arc, mpsc};

/// Actor of one shard.
pub(super) type Shard = Addr<Records<RecordMachine>>;

/// What the rest of the node needs of the data plane.
pub(super) struct DataPlane {
    /// The first one reads the data lanes and serves the clients too.
    arbiters: Vec<Arbiter>,
    shards: Vec<Shard>,
}

impl DataOut for Links {
    fn send_data(&self, peer: Pnn, message: DataMessage) {
        // A peer that is not connected is lost to membership, which finds the record again.
        let _ = Links::send_data(self, peer, message);
    }
}

/// Starts the arbiters and the shards, which attach the persistent databases that are there.
pub(super) fn start(
    context: &NodeContext,
    timing: Timing,
    call_done: &(impl Fn(CallDone) + Clone + Send + 'static),
) -> DataPlane {
    let count = context.post.records.len();
    let mut plane = DataPlane {
        arbiters: Vec::new(),
        shards: Vec::new(),
    };
    for shard in 0..count {
        let arbiter = Arbiter::new();
        let mut store = Store::new(
            store_config(context, shard, count),
            context.databases.clone(),
        );
        for (name, error) in store.attach_persistent() {
            let reason = error.to_string();
            notice(&context.log, &Notice::DatabaseFailed { name, reason });
        }
        let machine = RecordMachine::new(own(context), timing, context.links.identity.instance.0);
        let wiring = Wiring {
            links: Box::new(context.links.clone()),
            call_done: Box::new(call_done.clone()),
            membership: context.post.membership.clone(),
            log: context.log.clone(),
        };
        let (clock, fatal) = (context.clock, context.fatal.clone());
        let (sender, started) = mpsc::channel();
        arbiter.spawn_fn(move || {
            // The receiver waits for it below.
            let _ = sender.send(Records::new(machine, store, wiring, clock, &fatal).start());
        });
        let actor = started.recv().expect("the arbiter was started above");
        context.post.records[shard].occupy(actor.clone().recipient());
        plane.arbiters.push(arbiter);
        plane.shards.push(actor);
    }
    plane
}

fn own(context: &NodeContext) -> Pnn {
    context.links.identity.own
}

fn store_config(context: &NodeContext, shard: usize, shards: usize) -> StoreConfig {
    let database = &context.settings.database;
    let tunables = context.tunables.read().expect("no panic while held");
    StoreConfig {
        own: own(context),
        volatile_dir: database.volatile_directory.clone().into(),
        persistent_dir: database.persistent_directory.clone().into(),
        hash_size: tunables.get(TunableId::DatabaseHashSize),
        max_dead: tunables.get(TunableId::DatabaseMaxDead),
        mutexes: database.tdb_mutexes,
        shard,
        shards,
    }
}

impl DataPlane {
    pub(super) fn shards(&self) -> &[Shard] {
        &self.shards
    }

    pub(super) fn inbox(&self) -> ClientInbox {
        Arc::new(|_, _| {})
    }
    pub(super) fn arbiter(&self) -> ArbiterHandle {
        self.arbiters[0].handle()
    }
    pub(super) fn listen(&self, _context: &NodeContext) -> Result<(), BootError> {
        Ok(())
    }
}
