//! The report of `ctdbd --check`: errors, warnings, and the values that would count.

use std::fmt::Write;

use ctdb_protocol::notice::Level;
use ctdb_protocol::settings::{ClusterLock, Failover, LogLocation, Settings};
use ctdb_protocol::timing::Timing;
use ctdb_protocol::tunable::{Tunables, listed};

use super::error::Refused;
use super::load::Loaded;
use super::warning::Warning;

/// The whole report, ending in a newline; the exit code follows from `outcome.is_ok()`.
pub fn report(outcome: &Result<Loaded, Refused>) -> String {
    let mut text = String::new();
    match outcome {
        Ok(loaded) => {
            warnings(&mut text, &loaded.warnings);
            effective(&mut text, &loaded.settings);
            tunables(&mut text, &loaded.tunables);
            timing(&mut text, &Timing::from(&loaded.tunables, &loaded.settings));
            text.push_str("configuration is valid\n");
        }
        Err(refused) => {
            for error in &refused.errors {
                put(&mut text, format_args!("ERROR {error}"));
            }
            warnings(&mut text, &refused.warnings);
            let count = refused.errors.len();
            put(
                &mut text,
                format_args!("configuration is refused: {count} error(s)"),
            );
        }
    }
    text
}

/// Writing to a string cannot fail.
fn put(text: &mut String, line: std::fmt::Arguments) {
    let _ = text.write_fmt(line);
    text.push('\n');
}

fn warnings(text: &mut String, warnings: &[Warning]) {
    for warning in warnings {
        put(text, format_args!("WARNING {warning}"));
    }
}

fn effective(text: &mut String, settings: &Settings) {
    logging_and_cluster(text, settings);
    let Settings {
        database, startup, ..
    } = settings;
    text.push_str("[database]\n");
    put(
        text,
        format_args!(
            "  volatile database directory = {}",
            database.volatile_directory
        ),
    );
    put(
        text,
        format_args!(
            "  persistent database directory = {}",
            database.persistent_directory
        ),
    );
    put(
        text,
        format_args!("  state database directory = {}", database.state_directory),
    );
    put(
        text,
        format_args!("  tdb mutexes = {}", database.tdb_mutexes),
    );
    effective_failover(text, &settings.failover);
    text.push_str("[legacy]\n");
    put(
        text,
        format_args!("  start as stopped = {}", startup.state.stopped),
    );
    put(
        text,
        format_args!("  start as disabled = {}", startup.state.disabled),
    );
    put(
        text,
        format_args!("  realtime scheduling = {}", startup.realtime_scheduling),
    );
    put(
        text,
        format_args!(
            "  lmaster capability = {}",
            settings.cluster.lmaster_capability
        ),
    );
    put(
        text,
        format_args!("[console]\n  listen = {}", settings.console_listen),
    );
    if let Some(listen) = settings.metrics_listen {
        put(text, format_args!("[metrics]\n  listen = {listen}"));
    }
}

fn effective_failover(text: &mut String, failover: &Failover) {
    text.push_str("[failover]\n");
    put(text, format_args!("  disabled = {}", failover.disabled));
    put(text, format_args!("  fast = {}", failover.fast));
    put(
        text,
        format_args!("  damp flapping = {}", failover.damp_flapping),
    );
    for public in &failover.public_addresses {
        let interfaces = public.interfaces.join(",");
        put(
            text,
            format_args!("  # {}/{} {interfaces}", public.address, public.prefix),
        );
    }
}

fn logging_and_cluster(text: &mut String, settings: &Settings) {
    let Settings {
        logging, cluster, ..
    } = settings;
    text.push_str("[logging]\n");
    put(
        text,
        format_args!("  location = {}", location(&logging.location)),
    );
    put(text, format_args!("  log level = {}", level(logging.level)));
    text.push_str("[cluster]\n");
    put(text, format_args!("  name = {}", cluster.name));
    match &cluster.lock {
        ClusterLock::None => text.push_str("  # no cluster lock\n"),
        ClusterLock::File(file) => put(text, format_args!("  cluster lock = {file}")),
        ClusterLock::Command(words) => {
            put(text, format_args!("  cluster lock = !{}", words.join(" ")));
        }
    }
    put(
        text,
        format_args!("  leader capability = {}", cluster.leader_capability),
    );
    let node = cluster.node_address;
    put(
        text,
        format_args!("  node address = {node} # node {}", cluster.pnn),
    );
    for (pnn, node) in cluster.nodes.iter().enumerate() {
        if node.deleted {
            put(text, format_args!("  # node {pnn}: deleted"));
        } else {
            put(text, format_args!("  # node {pnn}: {}", node.address));
        }
    }
}

fn tunables(text: &mut String, tunables: &Tunables) {
    for row in listed() {
        if let Some(value) = tunables.explicit(row.id) {
            put(text, format_args!("tunable {}={value}", row.name));
        }
    }
}

fn timing(text: &mut String, timing: &Timing) {
    put(
        text,
        format_args!(
            "timing: keepalive every {} ms, a silent node is lost after {} ms, \
             its addresses move after {} ms",
            timing.keepalive_interval.as_millis(),
            timing.dead_after.as_millis(),
            timing.takeover_after().as_millis()
        ),
    );
}

fn location(location: &LogLocation) -> String {
    match location {
        LogLocation::File(path) => format!("file:{path}"),
        LogLocation::Stderr => "file:-".to_owned(),
        LogLocation::Syslog => "syslog".to_owned(),
        LogLocation::SyslogNonblocking => "syslog:nonblocking".to_owned(),
        LogLocation::SyslogUdp => "syslog:udp".to_owned(),
        LogLocation::SyslogUdpRfc5424 => "syslog:udp-rfc5424".to_owned(),
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Emerg => "EMERG",
        Level::Alert => "ALERT",
        Level::Crit => "CRIT",
        Level::Err => "ERROR",
        Level::Warning => "WARNING",
        Level::Notice => "NOTICE",
        Level::Info => "INFO",
        Level::Debug => "DEBUG",
    }
}
