//! What client sessions and the console share of a running node.

use crate::addresses::routing::KernelRouting;
use crate::board::Board;
use crate::clock::Clock;
use crate::event::EventDesk;
use crate::fatal::Fatal;
use crate::link::table::Links;
use crate::log::LogHandle;
use crate::lvs::LvsGroup;
use crate::natgw::NatgwDesk;
use crate::poison::PoisonCabinet;
use crate::post::Post;
use crate::public::PublicAddresses;
use crate::records::{DbTable, LockWatch};
use ctdb_protocol::settings::Settings;
use ctdb_protocol::tunable::Tunables;
use slog::Logger;
use std::sync::{Arc, RwLock};
use std::time::SystemTime;
use tokio::sync::watch;

/// A running node. Cheap to clone.
#[derive(Clone)]
pub struct NodeContext {
    /// Its configuration.
    pub settings: Arc<Settings>,
    /// Its tunables, changed by `ctdb setvar`.
    pub tunables: Arc<RwLock<Tunables>>,
    /// The public addresses that it may host, changed by `ctdb addip` and the like.
    pub public: PublicAddresses,
    /// The group of LVS.
    pub lvs_group: LvsGroup,
    /// Rules and routes in the kernel.
    pub routing: KernelRouting,
    /// The NAT gateway.
    pub natgw: NatgwDesk,
    /// What the control plane publishes.
    pub board: Board,
    /// The open databases.
    pub databases: DbTable,
    /// The watch over record locks.
    pub locks: LockWatch,
    /// The duties.
    pub post: Post,
    /// Event scripts.
    pub events: EventDesk,
    /// The other nodes.
    pub links: Links,
    /// Log.
    pub log: Logger,
    /// Level, tail and reopening of the log.
    pub log_handle: LogHandle,
    /// The machines' clock.
    pub clock: Clock,
    /// When the daemon started.
    pub started: SystemTime,
    /// Set to true to begin an orderly shutdown.
    pub shutdown: Arc<watch::Sender<bool>>,
    /// The end of the worker where nothing else helps.
    pub fatal: Fatal,
    /// Actors that a test can make panic.
    pub poisons: PoisonCabinet,
}
