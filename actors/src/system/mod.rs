//! Start and end of a node: which actors run where, in which order they begin and stop.
//!
//! Start: log → `init` event → databases → addresses dropped and gate shut → duties → links → clients and
//! console → `setup` event → ready. End: addresses given up while this node still plans → `shutdown` event →
//! run state SHUTDOWN → goodbye to all peers → cluster lock freed → gate removed.

mod control;
mod data;
mod lvs;
mod natgw;
mod start;
mod stop;

use self::start::Beginnings;
use crate::addresses::AddressKernel;
use crate::addresses::dormant::{Dormant, Start};
use crate::addresses::real::{Companions, Real};
use crate::addresses::recorded::Recorded;
use crate::addresses::routing::KernelRouting;
use crate::board::Board;
use crate::clock::Clock;
use crate::console::{self, Executor, Limits, NodeCluster, Token};
use crate::context::NodeContext;
use crate::event::EventDesk;
use crate::fatal::Fatal;
use crate::link::table::{Identity, Links};
use crate::log::{LogHandle, notice, text};
use crate::lvs::{self as lvs_group, LvsGroup};
use crate::natgw::NatgwDesk;
use crate::net::address::HeldAddress;
use crate::net::gate::GateConfig;
use crate::net::lease::LeaseConfig;
use crate::nodes::{self, NodesFile};
use crate::poison::PoisonCabinet;
use crate::post::Post;
use crate::public::{self, LvsAddress, PublicAddresses, TellGuard, TellLeftovers};
use crate::realtime;
use crate::records::{DbTable, LockLimits, LockWatch};
use crate::supervise::{Supervisor, install_panic_hook};
use ctdb_protocol::id::{Instance, Pnn};
use ctdb_protocol::notice::{Level, Notice};
use ctdb_protocol::settings::{ClusterLock, Lvs, Settings};
use ctdb_protocol::timing::Timing;
use ctdb_protocol::tunable::{TunableId, Tunables};
use ctdb_protocol::wire::hello::Release;
use slog::Logger;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// Everything that a node needs to begin.
pub struct Boot {
    /// Its configuration.
    pub settings: Settings,
    /// Its tunables.
    pub tunables: Tunables,
    /// Release, for log and `ctdb version`.
    pub version: &'static str,
    /// The release of CTDB that it stands for.
    pub release: Release,
    /// Log.
    pub log: Logger,
    /// Level, tail and reopening of the log.
    pub log_handle: LogHandle,
    /// The multi-call helper program.
    pub helper: PathBuf,
    /// Becomes true when an orderly shutdown is asked for from outside.
    pub shutdown: watch::Receiver<bool>,
    /// Called once the node serves.
    pub ready: Box<dyn FnOnce() -> std::io::Result<()>>,
    /// Tells the guard which addresses to remove should this process die.
    pub guarded: TellGuard,
    /// Tells the guard what else it has to take away then.
    pub leftovers: TellLeftovers,
    /// Reads the public addresses of the configuration anew.
    pub reread_public: public::Reread,
    /// Reads the nodes file anew.
    pub reread_nodes: nodes::Reread,
    /// Reads the LVS group file anew.
    pub reread_lvs: lvs_group::Reread,
}

/// Why a node could not begin; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Public addresses could not be prepared.
    #[error("public addresses: {0}")]
    Addresses(#[from] crate::net::error::NetError),
    /// A socket could not be opened.
    #[error("{what}: {source}")]
    Socket {
        /// Which.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// The console's token could not be written.
    #[error("console token {0}")]
    Token(#[from] console::TokenError),
    /// The client socket could not be opened.
    #[error("client socket {path}: {source}")]
    ClientSocket {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The `init` or `setup` event failed.
    #[error("{0}")]
    Event(String),
    /// The cluster does not take this node as it is.
    #[error("this node must not join: {0}")]
    Refused(String),
    /// A directory could not be made.
    #[error("{path}: {source}")]
    Directory {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Runs a node until it is asked to end.
pub fn run(boot: Boot) -> Result<(), BootError> {
    install_panic_hook();
    // Forks once, so before there are threads.
    ctdb_tdb::probe_mutexes();
    make_directories(&boot.settings)?;
    actix_rt::System::new().block_on(live(boot))
}

fn make_directories(settings: &Settings) -> Result<(), BootError> {
    let database = &settings.database;
    for path in [
        &database.volatile_directory,
        &database.persistent_directory,
        &database.state_directory,
        &settings.paths.run,
    ] {
        std::fs::create_dir_all(path).map_err(|source| BootError::Directory {
            path: path.clone(),
            source,
        })?;
    }
    Ok(())
}

async fn live(boot: Boot) -> Result<(), BootError> {
    let Boot {
        settings,
        tunables,
        version,
        release,
        log,
        log_handle,
        helper,
        mut shutdown,
        ready,
        guarded,
        leftovers,
        reread_public,
        reread_nodes,
        reread_lvs,
    } = boot;
    say_hello(&log, version, &settings);
    request_realtime(&log, &settings);
    let timing = Timing::from(&tunables, &settings);
    let (shutdown_asked, mut shutdown_here) = watch::channel(false);
    let public = public_addresses(&settings, reread_public, guarded);
    let routing = KernelRouting::start(&settings, &public, &leftovers, &log)?;
    let own = Pnn(settings.cluster.pnn);
    let nodes = NodesFile::new(own, settings.cluster.nodes.clone(), reread_nodes);
    let identity = identity(&settings, &tunables, release, nodes);
    let context = context(
        settings,
        tunables,
        identity,
        (public, routing, reread_lvs),
        log,
        log_handle,
        shutdown_asked,
    );
    let supervisor = Supervisor::new(&context.log, &context.fatal);
    open_events(&context).await?;
    let mut beginning = Beginnings::start(&context, &supervisor);
    if !beginning.initialised(&mut shutdown).await? {
        context.events.stop();
        return Ok(());
    }
    let data = data::start(&context, timing);
    context.public.tell_guard();
    let control = control::start(&context, &supervisor, timing, &data, &helper)?;
    data.listen(&context)?;
    open_console(&context, &supervisor, &data)?;
    if beginning.set_up(&context, &mut shutdown).await? {
        ready().map_err(|source| BootError::Socket {
            what: String::from("readiness"),
            source,
        })?;
    }
    let mut misfit = context.links.identity.misfit.subscribe();
    let (reason, end) = tokio::select! {
        _ = shutdown.wait_for(|asked| *asked) => ("asked by signal", Ok(())),
        _ = shutdown_here.wait_for(|asked| *asked) => ("asked by a client", Ok(())),
        reason = refusal(&mut misfit) => ("refused by the cluster", Err(BootError::Refused(reason))),
    };
    stop::orderly(&context, control, reason).await;
    end
}

/// Those of the configuration, and what is guarded with them.
fn public_addresses(
    settings: &Settings,
    reread: public::Reread,
    tell_guard: TellGuard,
) -> PublicAddresses {
    PublicAddresses::new(
        settings.failover.public_addresses.clone(),
        settings.lvs.as_ref().map(|lvs| lvs_address(lvs, settings)),
        crate::natgw::place(settings),
        settings.startup.test_mode,
        reread,
        tell_guard,
    )
}

/// Waits until this node is found not to fit into the cluster.
async fn refusal(misfit: &mut watch::Receiver<Option<String>>) -> String {
    match misfit.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        // The links are gone, and with them whoever could find that.
        Err(_) => std::future::pending().await,
    }
}

fn request_realtime(log: &Logger, settings: &Settings) {
    if settings.startup.realtime_scheduling && !realtime::request() {
        let said = "No real-time scheduling: it is not permitted here, or there is no chrt(1)";
        text(log, Level::Notice, format_args!("{said}"));
    }
}

/// The first records of a life.
fn say_hello(log: &Logger, version: &str, settings: &Settings) {
    let pid = std::process::id();
    notice(
        log,
        &Notice::DaemonStarting {
            version: version.to_string(),
            pid,
        },
    );
    notice(
        log,
        &Notice::PnnIs {
            pnn: Pnn(settings.cluster.pnn),
        },
    );
    if settings.cluster.lock == ClusterLock::None {
        notice(log, &Notice::NoClusterLock {});
    }
}

fn context(
    settings: Settings,
    tunables: Tunables,
    identity: Identity,
    (public, routing, reread_lvs): (PublicAddresses, KernelRouting, lvs_group::Reread),
    log: Logger,
    log_handle: LogHandle,
    shutdown: watch::Sender<bool>,
) -> NodeContext {
    let fatal = Fatal::new(&log);
    let shards = settings.database.record_shards.unwrap_or(1);
    let post = Post::new(shards.into(), &fatal);
    let links = Links::new(Arc::new(identity));
    let tunables = Arc::new(RwLock::new(tunables));
    let lvs_group = LvsGroup::new(&settings, &links.identity.nodes, &public, &post, reread_lvs);
    NodeContext {
        events: EventDesk::new(post.events.clone(), &tunables),
        locks: LockWatch::start(&log, lock_limits(&settings)),
        public,
        lvs_group,
        routing,
        natgw: NatgwDesk::new(&settings, &post),
        tunables,
        board: Board::default(),
        databases: DbTable::new(),
        post,
        links,
        log,
        log_handle,
        clock: Clock::start(),
        started: SystemTime::now(),
        shutdown: Arc::new(shutdown),
        fatal,
        poisons: PoisonCabinet::of_daemon(settings.startup.test_mode),
        settings: Arc::new(settings),
    }
}

async fn open_events(context: &NodeContext) -> Result<(), BootError> {
    let opened = crate::event::start(context).await;
    opened.map_err(|source| BootError::Socket {
        what: format!("event socket {}", context.settings.paths.event_socket),
        source,
    })
}

fn open_console(
    context: &NodeContext,
    supervisor: &Supervisor,
    data: &data::DataPlane,
) -> Result<(), BootError> {
    let token = Token::create(context.settings.paths.console_token.as_ref())?;
    let executor = Executor::new(
        data.controls(),
        data.records(),
        NodeCluster(context.clone()),
    );
    let at = context.settings.console_listen;
    console::start(supervisor, at, executor, token, Limits::default()).map_err(|source| {
        BootError::Socket {
            what: format!("console on {at}"),
            source,
        }
    })?;
    Ok(())
}

fn lock_limits(settings: &Settings) -> LockLimits {
    LockLimits {
        warn_after: settings.database.lock_warning_time,
        evict_after: settings.database.lock_eviction_time,
        script: settings.database.lock_debug_script.clone().map(Into::into),
        realtime: settings.startup.realtime_scheduling,
    }
}

fn identity(
    settings: &Settings,
    tunables: &Tunables,
    release: Release,
    nodes: NodesFile,
) -> Identity {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // Two lives of a node never share it: the clock has moved on, or the pid is another one.
    let instance =
        u64::try_from(since_epoch.as_nanos()).unwrap_or_default() ^ u64::from(std::process::id());
    Identity {
        own: Pnn(settings.cluster.pnn),
        cluster: settings.cluster.name.clone(),
        nodes,
        instance: Instance(instance),
        generation: AtomicU32::new(ctdb_protocol::id::Generation::INVALID.number),
        release,
        mixed_releases: AtomicBool::new(tunables.get(TunableId::AllowMixedVersions) != 0),
        misfit: watch::Sender::new(None),
    }
}

fn lvs_address(lvs: &Lvs, settings: &Settings) -> LvsAddress {
    let leads = lvs.may_lead(settings.cluster.node_address);
    LvsAddress {
        address: lvs.address,
        interface: lvs.interface.clone().filter(|_| leads),
    }
}

fn address_kernel(
    context: &NodeContext,
    timing: Timing,
) -> Result<Box<dyn AddressKernel>, BootError> {
    if context.settings.startup.test_mode {
        return Ok(Box::new(Recorded::new(context.post.clone())));
    }
    let start: Start = {
        let (post, clock, log) = (context.post.clone(), context.clock, context.log.clone());
        let board = context.board.clone();
        let realtime = context.settings.startup.realtime_scheduling;
        let companions = Companions {
            policy: context.routing.policy().cloned(),
            gateway: crate::natgw::place(&context.settings),
        };
        Arc::new(move |places| {
            let lease = lease_config(places, timing, realtime);
            Real::start(
                places,
                &lease,
                &post,
                &board,
                clock,
                companions.clone(),
                &log,
            )
        })
    };
    let places = context.public.places();
    if places.is_empty() {
        let (post, log) = (context.post.clone(), context.log.clone());
        return Ok(Box::new(Dormant::new(start, post, log)));
    }
    Ok(Box::new(start(&places)?))
}

fn lease_config(places: &[HeldAddress], timing: Timing, realtime: bool) -> LeaseConfig {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let interfaces: BTreeSet<&String> = places.iter().map(|place| &place.interface).collect();
    let addresses: BTreeSet<IpAddr> = places.iter().map(|place| place.ip).collect();
    LeaseConfig {
        gate: GateConfig {
            interfaces: interfaces.into_iter().cloned().collect(),
            addresses: addresses.into_iter().collect(),
        },
        gate_ms: millis(timing.lease_gate),
        refresh_ms: millis(timing.lease_refresh),
        realtime,
        ..LeaseConfig::default()
    }
}
