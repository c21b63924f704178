//! What `ctdbd` is to daemon life: a checked configuration, a log, and a node that runs until it is asked to
//! end.

use crate::config::{self, Environment, Loaded, Override, Refused, SystemHost};
use crate::daemon::{
    CheckReport, Daemon, Exit, HeldAddress, LifeEvent, LifeSettings, Options, WorkerContext,
    apply_limits,
};
use ctdb_actors::log::{self, Format, LogConfig, LogHandle, Syslog, Target};
use ctdb_actors::lvs;
use ctdb_actors::net::{address, cleanup};
use ctdb_actors::system::{self, Boot, BootError};
use ctdb_protocol::notice::Notice;
use ctdb_protocol::settings::{LogFormat, LogLocation, Logging, NodeEntry};
use ctdb_protocol::wire::hello::{RELEASE, Release};
use ipnet::IpNet;
use slog::Logger;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Records kept for `ctdb getlog`.
const LOG_TAIL_RECORDS: usize = 10_000;
/// The log's writer gets so long at the end.
const LOG_FLUSH: Duration = Duration::from_secs(1);
/// Where packages put helper programs.
const LIBEXEC: &str = "/usr/libexec/ctdb";

/// The daemon.
#[derive(Debug, Clone, Copy, Default)]
pub struct Node;

fn environment(options: &Options) -> Result<Environment, Refused> {
    let overrides = options.settings.iter().map(|setting| Override {
        section: setting.section.clone(),
        key: setting.key.clone(),
        value: setting.value.clone(),
    });
    Environment::of_process(overrides.collect()).map_err(Refused::of_environment)
}

fn load(options: &Options) -> Result<Loaded, Refused> {
    config::load(&environment(options)?, &SystemHost)
}

/// Reads the nodes file again for `ctdb reloadnodes`.
fn reread_nodes(options: &Options) -> impl Fn() -> Result<Vec<NodeEntry>, String> + use<> {
    let options = options.clone();
    move || {
        let nodes = environment(&options).and_then(|found| config::load_nodes(&found, &SystemHost));
        nodes.map_err(|refused| refused.to_string())
    }
}

/// Reads the group file of LVS again; `own` is this node's private address.
fn reread_lvs(options: &Options, own: IpAddr) -> lvs::Reread {
    let options = options.clone();
    Box::new(move || {
        let found = environment(&options);
        let group = found.and_then(|found| config::load_lvs_group(&found, &SystemHost, own));
        group.map_err(|refused| refused.to_string())
    })
}

impl Daemon for Node {
    fn check(&self, options: &Options) -> CheckReport {
        let outcome = load(options);
        CheckReport {
            text: config::report(&outcome),
            ok: outcome.is_ok(),
        }
    }

    fn life(&self, options: &Options) -> LifeSettings {
        let pid_file = load(options).map(|loaded| loaded.settings.paths.pid_file);
        // It was checked just before; should a file have changed since, the worker says so.
        LifeSettings {
            pid_file: pid_file
                .unwrap_or_else(|_| "/run/ctdb/ctdbd.pid".into())
                .into(),
        }
    }

    fn run(&self, options: &Options, context: WorkerContext) -> Exit {
        let loaded = match load(options) {
            Ok(loaded) => loaded,
            refused => return Exit::Failed(config::report(&refused)),
        };
        let (logger, handle) = match log::build(&log_config(&loaded.settings.logging, &context)) {
            Ok(built) => built,
            Err(error) => return Exit::Failed(error.to_string()),
        };
        let exit = live(loaded, options.clone(), context, &logger, &handle);
        handle.flush(LOG_FLUSH);
        exit
    }

    fn remove_addresses(&self, addresses: &[HeldAddress]) {
        let held: Vec<address::HeldAddress> = addresses.iter().map(of_guard).collect();
        // The guard has no log; what failed here ends with the kernel's own life times.
        let _ = cleanup::release_all(&held);
    }

    fn remove_leftovers(&self, leftovers: &[String]) {
        let known = leftovers.iter().map(|text| serde_json::from_str(text));
        let known: Vec<_> = known.filter_map(Result::ok).collect();
        // As above: nobody reads what the guard says.
        let _ = cleanup::remove_leftovers(&known);
    }
}

fn live(
    loaded: Loaded,
    options: Options,
    context: WorkerContext,
    logger: &Logger,
    handle: &LogHandle,
) -> Exit {
    for warning in &loaded.warnings {
        let notice = Notice::ConfigWarning {
            file: warning.place.file.clone(),
            line: warning.place.line,
            text: warning.message.clone(),
        };
        log::notice(logger, &notice);
    }
    let startup = &loaded.settings.startup;
    if let Err(error) = apply_limits(startup.max_open_files, startup.suppress_core_file) {
        return Exit::Failed(error.to_string());
    }
    let (guard, shutdown) = (context.guard.clone(), context.shutdown.clone());
    let second_guard = guard.clone();
    let (readiness, events) = context.split();
    watch_life(events, logger, handle);
    let release = release(startup.test_mode);
    let reread_lvs = reread_lvs(&options, loaded.settings.cluster.node_address);
    let boot = Boot {
        settings: loaded.settings,
        tunables: loaded.tunables,
        version: env!("CARGO_PKG_VERSION"),
        release,
        log: logger.clone(),
        log_handle: handle.clone(),
        helper: helper(),
        shutdown,
        ready: Box::new(move || readiness.tell()),
        guarded: Box::new(move |all| guard.addresses(all.iter().filter_map(to_guard).collect())),
        reread_nodes: Box::new(reread_nodes(&options)),
        reread_lvs,
        leftovers: Box::new(move |all| {
            let texts = all.iter().map(serde_json::to_string);
            second_guard.leftovers(texts.filter_map(Result::ok).collect());
        }),
        reread_public: Box::new(move || {
            let loaded = load(&options).map_err(|refused| refused.to_string())?;
            Ok(loaded.settings.failover.public_addresses)
        }),
    };
    match system::run(boot) {
        Ok(()) => Exit::Shutdown,
        Err(BootError::Refused(reason)) => Exit::Refused(reason),
        Err(error @ BootError::ClientSocket { .. }) => Exit::Socket(error.to_string()),
        Err(error) => Exit::Failed(error.to_string()),
    }
}

/// The release that this node tells the others; tests may give another one, in 4.17's variable.
fn release(test_mode: bool) -> Release {
    let given = std::env::var("CTDB_TEST_SAMBA_VERSION").ok();
    let given = given.filter(|_| test_mode);
    let number = given.and_then(|text| text.parse().ok());
    number.map_or(RELEASE, Release)
}

/// Reopens the log on SIGHUP and tells of a lost guard.
fn watch_life(
    mut events: tokio::sync::mpsc::Receiver<LifeEvent>,
    logger: &Logger,
    handle: &LogHandle,
) {
    let (logger, handle) = (logger.clone(), handle.clone());
    let watch = move || {
        while let Some(event) = events.blocking_recv() {
            match event {
                LifeEvent::Reopen => handle.reopen(),
                LifeEvent::GuardLost => log::notice(&logger, &Notice::GuardGone {}),
                LifeEvent::User1 | LifeEvent::User2 => {}
            }
        }
    };
    let spawned = std::thread::Builder::new().name("life".into()).spawn(watch);
    debug_assert!(spawned.is_ok(), "a thread at start-up");
}

fn log_config(logging: &Logging, context: &WorkerContext) -> LogConfig {
    let target = match &logging.location {
        LogLocation::File(path) => Target::File(path.into()),
        LogLocation::Stderr => Target::Stderr,
        LogLocation::Syslog => Target::Syslog(Syslog::Local),
        LogLocation::SyslogNonblocking => Target::Syslog(Syslog::NonBlocking),
        LogLocation::SyslogUdp => Target::Syslog(Syslog::Udp),
        LogLocation::SyslogUdpRfc5424 => Target::Syslog(Syslog::UdpRfc5424),
    };
    LogConfig {
        stderr_too: context.interactive && target != Target::Stderr,
        target,
        format: match logging.format {
            LogFormat::Text => Format::Text,
            LogFormat::Json => Format::Json,
        },
        level: logging.level,
        program: String::from("ctdbd"),
        tail: LOG_TAIL_RECORDS,
    }
}

/// The helper program: beside this one (a build tree, a container), or where packages put it.
fn helper() -> PathBuf {
    let name = "ctdb-helper";
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join(name)));
    beside
        .filter(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from(LIBEXEC).join(name))
}

fn to_guard(held: &address::HeldAddress) -> Option<HeldAddress> {
    let address = IpNet::new(held.ip, held.prefix_len).ok()?;
    Some(HeldAddress {
        address,
        interface: held.interface.clone(),
    })
}

fn of_guard(held: &HeldAddress) -> address::HeldAddress {
    address::HeldAddress {
        ip: held.address.addr(),
        prefix_len: held.address.prefix_len(),
        interface: held.interface.clone(),
        // Removal does not ask for it.
        passive: false,
    }
}
