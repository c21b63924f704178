//! Turns the merged keys into [`Settings`]: defaults, checks that need the file system, own number.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ctdb_protocol::notice::Level;
use ctdb_protocol::settings::{
    CONSOLE_PORT, Cluster, ClusterLock, Database, Events, Failover, LogFormat, LogLocation,
    Logging, NODE_PORT, Paths, Settings, StartState, Startup,
};

use super::error::Place;
use super::legacy::Legacy;
use super::load::Loader;
use super::lvs;
use super::natgw;
use super::paths::text;
use super::pnn;
use super::schema::{
    ClusterKeys, DatabaseKeys, EventKeys, FailoverKeys, Field, LegacyKeys, LoggingKeys, Schema,
};
use super::value::{Bool, Script, Text};

/// What 4.17 takes.
const LOCK_WARNING_TIME: Duration = Duration::from_secs(10);
/// 4.17's default of `shutdown failover timeout`.
const SHUTDOWN_FAILOVER_TIMEOUT: Duration = Duration::from_secs(10);

/// Builds the settings; `None` only if the own node is unknown, which has then been refused.
pub(super) fn settings(loader: &mut Loader, schema: Schema, legacy: &Legacy) -> Option<Settings> {
    let (paths, named) = paths(loader, legacy);
    let mut duties = schema.legacy;
    let lmaster = std::mem::take(&mut duties.lmaster_capability);
    let lmaster = flag(loader, "legacy", "lmaster capability", lmaster, true);
    let script_level = std::mem::take(&mut duties.script_log_level);
    let script_level = loader.take("legacy", "script log level", script_level);
    let script_level = script_level.map_or(Level::Err, |level| level.0);
    let logging = logging(loader, schema.logging, script_level);
    let database = database(loader, schema.database);
    let failover = failover(loader, schema.failover, &paths, named);
    let events = events(loader, schema.event, legacy);
    let startup = startup(loader, duties, legacy);
    let console = loader.take("console", "listen", schema.console.listen);
    let metrics = loader.take("metrics", "listen", schema.metrics.listen);
    let cluster = cluster(loader, schema.cluster, lmaster)?;
    let lvs = lvs::settings(loader, legacy, cluster.node_address);
    lvs::refuse_public(loader, legacy, lvs.as_ref(), &failover.public_addresses);
    let natgw = natgw::settings(loader, legacy, cluster.node_address);
    let public = &failover.public_addresses;
    natgw::refuse_shared(loader, legacy, natgw.as_ref(), public, lvs.as_ref());
    warn_of_shared_addresses(loader, &cluster, &failover, &paths);
    let console_listen = console.map_or_else(|| default_console(loader, cluster.pnn), |at| at.0);
    Some(Settings {
        cluster,
        logging,
        database,
        failover,
        lvs,
        natgw,
        startup,
        console_listen,
        metrics_listen: metrics.map(|at| at.0),
        events,
        paths,
    })
}

/// The paths, and the place of a legacy variable that names the public address file.
fn paths<'a>(loader: &Loader, legacy: &'a Legacy) -> (Paths, Option<&'a Place>) {
    let mut paths = loader.layout.paths();
    if let Some(notify) = &legacy.notify_script {
        paths.notify_script.clone_from(notify);
    }
    if let Some(scripts) = &legacy.event_scripts {
        paths.event_scripts.clone_from(scripts);
    }
    let Some((file, place)) = &legacy.public_addresses else {
        return (paths, None);
    };
    paths.public_addresses.clone_from(file);
    (paths, Some(place))
}

fn startup(loader: &mut Loader, keys: LegacyKeys, legacy: &Legacy) -> Startup {
    let test_mode = loader.layout.test_mode;
    let realtime = keys.realtime_scheduling;
    Startup {
        state: StartState {
            stopped: flag(
                loader,
                "legacy",
                "start as stopped",
                keys.start_as_stopped,
                false,
            ),
            disabled: flag(
                loader,
                "legacy",
                "start as disabled",
                keys.start_as_disabled,
                false,
            ),
        },
        realtime_scheduling: flag(loader, "legacy", "realtime scheduling", realtime, true)
            && !test_mode,
        test_mode,
        max_open_files: legacy.max_open_files,
        suppress_core_file: legacy.suppress_core_file,
    }
}

/// In test mode several nodes share one loopback interface, so each has its own address:
/// 127.0.0.1 for node 0, 127.0.0.2 for node 1 and so on.
fn default_console(loader: &Loader, pnn: u32) -> SocketAddr {
    let offset = if loader.layout.test_mode { pnn } else { 0 };
    let address = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + offset);
    SocketAddr::from((address, CONSOLE_PORT))
}

fn cluster(loader: &mut Loader, keys: ClusterKeys, lmaster_capability: bool) -> Option<Cluster> {
    // Only `tcp` passes, so the value itself is of no further use.
    let _ = loader.take("cluster", "transport", keys.transport);
    let lock = loader.take("cluster", "cluster lock", keys.lock);
    let may_lead = flag(
        loader,
        "cluster",
        "leader capability",
        keys.leader_capability,
        true,
    );
    let leader_timeout = loader.take("cluster", "leader timeout", keys.leader_timeout);
    let address = loader.take("cluster", "node address", keys.node_address);
    let name = loader.take("cluster", "name", keys.name);
    let list = loader.take("cluster", "nodes list", keys.nodes_list);
    let faults = loader.findings.errors.len();
    let (nodes, source) = loader.nodes(list);
    if loader.findings.errors.len() > faults {
        // The own place in a faulty list would be a guess.
        return None;
    }
    let configured = address.map(|address| address.0);
    match pnn::find(&nodes, configured, |address| loader.host.can_bind(address)) {
        Ok((pnn, node_address)) => Some(Cluster {
            name: name.map(|name| name.0).unwrap_or_default(),
            nodes,
            pnn,
            node_address,
            port: NODE_PORT,
            lock: lock.map_or(ClusterLock::None, |lock| lock.0),
            leader_capability: may_lead,
            lmaster_capability,
            leader_timeout: leader_timeout.map(|timeout| timeout.0),
        }),
        Err(error) => {
            let (place, key) = match configured {
                Some(_) => (
                    loader.values.source("cluster", "node address").0,
                    "[cluster] node address",
                ),
                None => (Place::whole(&source), ""),
            };
            loader
                .findings
                .refuse_near(&place, key, error.message, error.nearest);
            None
        }
    }
}

fn logging(loader: &mut Loader, keys: LoggingKeys, script_level: Level) -> Logging {
    let default = || LogLocation::File(text(&loader.layout.log.join("log.ctdb")));
    let default = default();
    Logging {
        location: loader
            .take("logging", "location", keys.location)
            .map_or(default, |at| at.0),
        level: loader
            .take("logging", "log level", keys.level)
            .map_or(Level::Notice, |l| l.0),
        script_level,
        format: loader
            .take("logging", "format", keys.format)
            .map_or(LogFormat::Text, |f| f.0),
    }
}

fn database(loader: &mut Loader, keys: DatabaseKeys) -> Database {
    let shards = loader.take("database", "record shards", keys.record_shards);
    let warning = loader.take("database", "lock warning time", keys.lock_warning_time);
    let eviction = loader.take("database", "lock eviction time", keys.lock_eviction_time);
    Database {
        volatile_directory: directory(
            loader,
            "volatile database directory",
            keys.volatile_directory,
            "volatile",
        ),
        persistent_directory: directory(
            loader,
            "persistent database directory",
            keys.persistent_directory,
            "persistent",
        ),
        state_directory: directory(
            loader,
            "state database directory",
            keys.state_directory,
            "state",
        ),
        tdb_mutexes: flag(loader, "database", "tdb mutexes", keys.tdb_mutexes, true),
        lock_debug_script: script(
            loader,
            "database",
            "lock debug script",
            keys.lock_debug_script,
        ),
        lock_warning_time: warning.map_or(LOCK_WARNING_TIME, |time| time.0),
        lock_eviction_time: eviction
            .filter(|time| time.0 > 0)
            .map(|time| Duration::from_secs(u64::from(time.0))),
        record_shards: shards.map(|shards| shards.0),
    }
}

/// A directory named by the admin must exist; the default one is made by the daemon.
fn directory(loader: &mut Loader, key: &'static str, field: Field<Text>, default: &str) -> String {
    let default = text(&loader.layout.var.join(default));
    let Some(Text(path)) = loader.take("database", key, field) else {
        return default;
    };
    let fault = if !Path::new(&path).is_absolute() {
        "is no absolute path"
    } else if Path::new(&path).is_dir() {
        return path;
    } else {
        "is no existing directory"
    };
    complain(loader, "database", key, &format!("\"{path}\" {fault}"));
    default
}

/// A script named by the admin must exist in the configuration directory.
fn script(
    loader: &mut Loader,
    section: &'static str,
    key: &'static str,
    field: Field<Script>,
) -> Option<String> {
    let path: PathBuf = loader.layout.etc.join(loader.take(section, key, field)?.0);
    if path.is_file() {
        return Some(text(&path));
    }
    complain(
        loader,
        section,
        key,
        &format!("\"{}\" does not exist", path.display()),
    );
    None
}

/// Refuses a value that cannot be, or warns if it came from a legacy file.
fn complain(loader: &mut Loader, section: &'static str, key: &'static str, message: &str) {
    let (place, lenient) = loader.values.source(section, key);
    let label = format!("[{section}] {key}");
    if lenient {
        loader
            .findings
            .warn(&place, format!("{label} keeps its default: {message}"));
    } else {
        loader.findings.refuse(&place, &label, message);
    }
}

fn failover(
    loader: &mut Loader,
    keys: FailoverKeys,
    paths: &Paths,
    named: Option<&Place>,
) -> Failover {
    let timeout = loader.take(
        "failover",
        "shutdown failover timeout",
        keys.shutdown_failover_timeout,
    );
    let extra = loader.take(
        "failover",
        "shutdown extra timeout",
        keys.shutdown_extra_timeout,
    );
    let seconds = |number: super::value::Number| Duration::from_secs(u64::from(number.0));
    Failover {
        disabled: flag(loader, "failover", "disabled", keys.disabled, false),
        fast: flag(loader, "failover", "fast", keys.fast, false),
        damp_flapping: flag(
            loader,
            "failover",
            "damp flapping",
            keys.damp_flapping,
            true,
        ),
        shutdown_failover_timeout: timeout.map_or(SHUTDOWN_FAILOVER_TIMEOUT, seconds),
        shutdown_extra_timeout: extra.map_or(Duration::ZERO, seconds),
        public_addresses: loader.public_addresses(&paths.public_addresses, named),
    }
}

fn events(loader: &mut Loader, keys: EventKeys, legacy: &Legacy) -> Events {
    Events {
        debug_script: script(loader, "event", "debug script", keys.debug_script),
        script_variables: legacy.script_variables.clone(),
        managed_services: legacy.managed_services.clone(),
    }
}

/// 4.17 starts with such a file, but clients on a private address lose it with the node.
fn warn_of_shared_addresses(
    loader: &mut Loader,
    cluster: &Cluster,
    failover: &Failover,
    paths: &Paths,
) {
    let nodes: Vec<IpAddr> = cluster
        .nodes
        .iter()
        .filter(|node| !node.deleted)
        .map(|node| node.address)
        .collect();
    for public in failover
        .public_addresses
        .iter()
        .filter(|p| nodes.contains(&p.address))
    {
        let message = format!("{} is the private address of a node too", public.address);
        loader
            .findings
            .warn(&Place::whole(&paths.public_addresses), message);
    }
}

fn flag(
    loader: &mut Loader,
    section: &'static str,
    key: &'static str,
    field: Field<Bool>,
    default: bool,
) -> bool {
    loader
        .take(section, key, field)
        .map_or(default, |flag| flag.0)
}
