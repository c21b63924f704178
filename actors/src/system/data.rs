//! The data plane: records and clients on arbiters of their own, so that neither delays a keepalive.

use super::BootError;
use crate::context::NodeContext;
use crate::link::inbound::ClientInbox;
use crate::link::table::Links;
use crate::local::{self, ControlHandle, Databases, LocalHandle, LocalRecords};
use crate::log::notice;
use crate::realtime;
use crate::records::{DataOut, HealthBook, Records, Store, StoreConfig, Wiring};
use actix::Actor;
use actix_rt::{Arbiter, ArbiterHandle};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::notice::Notice;
use ctdb_protocol::record::machine::RecordMachine;
use ctdb_protocol::timing::Timing;
use ctdb_protocol::tunable::TunableId;
use ctdb_protocol::wire::message::DataMessage;
use std::path::Path;
use std::sync::mpsc;

/// What the rest of the node needs of the data plane.
pub(super) struct DataPlane {
    /// The first one reads the data lanes and serves the clients too.
    arbiters: Vec<Arbiter>,
    local: LocalHandle,
}

impl DataOut for Links {
    fn send_data(&self, peer: Pnn, message: DataMessage) {
        // A peer that is not connected is lost to membership, which finds the record again.
        let _ = Links::send_data(self, peer, message);
    }
}

/// Starts the arbiters and the shards, which attach the persistent databases that are there.
pub(super) fn start(context: &NodeContext, timing: Timing) -> DataPlane {
    let local = local::prepare(context.clone());
    let health = open_health(context);
    let count = context.post.records.len();
    let (mut arbiters, mut shards) = (Vec::new(), Vec::new());
    for shard in 0..count {
        let arbiter = Arbiter::new();
        if context.settings.startup.realtime_scheduling {
            arbiter.spawn_fn(|| {
                realtime::request();
            });
        }
        let store = open_store(context, &health, shard, count);
        let machine = RecordMachine::new(own(context), timing, context.links.identity.instance.0);
        let wiring = Wiring {
            links: Box::new(context.links.clone()),
            call_done: local.call_done(),
            membership: context.post.membership.clone(),
            log: context.log.clone(),
            locks: context.locks.clone(),
        };
        let (clock, fatal) = (context.clock, context.fatal.clone());
        let (sender, started) = mpsc::channel();
        arbiter.spawn_fn(move || {
            // The receiver waits for it below.
            let _ = sender.send(Records::new(machine, store, wiring, clock, &fatal).start());
        });
        let actor = started.recv().expect("the arbiter was started above");
        context.poisons.put("records", &actor);
        context.post.records[shard].occupy(actor.clone().recipient());
        arbiters.push(arbiter);
        shards.push(actor);
    }
    let table = context.databases.clone();
    let addresses = shards.into_iter().map(Into::into).collect();
    local.set_databases(Databases {
        table,
        health,
        shards: addresses,
    });
    DataPlane { arbiters, local }
}

fn open_store(context: &NodeContext, health: &HealthBook, shard: usize, shards: usize) -> Store {
    let config = store_config(context, health, shard, shards);
    let mut store = Store::new(config, context.databases.clone());
    for (name, error) in store.attach_persistent() {
        let reason = error.to_string();
        notice(&context.log, &Notice::DatabaseFailed { name, reason });
    }
    store
}

/// Which persistent databases were damaged; kept in memory alone if there is no file for it.
fn open_health(context: &NodeContext) -> HealthBook {
    let dir = &context.settings.database.state_directory;
    HealthBook::open(Path::new(dir), own(context)).unwrap_or_else(|error| {
        let (name, reason) = ("persistent_health.tdb".into(), error.to_string());
        notice(&context.log, &Notice::DatabaseFailed { name, reason });
        HealthBook::default()
    })
}

fn own(context: &NodeContext) -> Pnn {
    context.links.identity.own
}

fn store_config(
    context: &NodeContext,
    health: &HealthBook,
    shard: usize,
    shards: usize,
) -> StoreConfig {
    let database = &context.settings.database;
    let tunables = context.tunables.read().expect("no panic while held");
    StoreConfig {
        own: own(context),
        volatile_dir: database.volatile_directory.clone().into(),
        persistent_dir: database.persistent_directory.clone().into(),
        hash_size: tunables.get(TunableId::DatabaseHashSize),
        max_dead: tunables.get(TunableId::DatabaseMaxDead),
        mutexes: database.tdb_mutexes,
        health: health.clone(),
        shard,
        shards,
    }
}

impl DataPlane {
    /// Takes what peers send on behalf of their clients.
    pub(super) fn inbox(&self) -> ClientInbox {
        self.local.inbox()
    }

    /// Reads the data lanes.
    pub(super) fn arbiter(&self) -> ArbiterHandle {
        self.arbiters[0].handle()
    }

    /// Lets clients in.
    pub(super) fn listen(&self, context: &NodeContext) -> Result<(), BootError> {
        self.local
            .start(&self.arbiter())
            .map_err(|source| BootError::ClientSocket {
                path: context.settings.paths.socket.clone(),
                source,
            })
    }

    /// Records for the console.
    pub(super) fn records(&self) -> LocalRecords {
        self.local.records()
    }

    /// Controls for the console.
    pub(super) fn controls(&self) -> ControlHandle {
        self.local.controls()
    }
}
