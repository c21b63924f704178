//! Reads the whole configuration: layers, the files of the configuration directory, checks.
//!
//! Nothing here changes the host, and nothing is kept: a reload calls [`load`] again and goes on with
//! the old result when the new one is refused.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use ctdb_protocol::settings::{GroupLine, NodeEntry, PublicAddress, Settings};
use ctdb_protocol::timing::{PROMISED_FAILOVER, Timing};
use ctdb_protocol::tunable::{TunableId, Tunables};

use super::error::{Place, Refused};
use super::files::{drop_ins, read_text};
use super::host::Host;
use super::layers::{Values, collect};
use super::legacy::Legacy;
use super::nearest::nearest;
use super::paths::{Layout, text};
use super::prefix::prefix_of;
use super::public_addresses::{PublicLine, parse as parse_public_addresses};
use super::schema::{Field, Schema};
use super::tunables::Chosen;
use super::value::NodesList;
use super::warning::{Findings, Warning};
use super::{build, lvs, nodes, routing};

/// What the process was started with.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Places of the files.
    pub layout: Layout,
    /// Environment variables; only those that start with `CTDB__` are read.
    pub variables: BTreeMap<String, String>,
    /// Settings given as arguments, which win over everything else.
    pub overrides: Vec<Override>,
}

impl Environment {
    /// The environment of this process.
    ///
    /// # Errors
    /// `CTDB_TEST_MODE` is set without an absolute `CTDB_BASE`.
    pub fn of_process(overrides: Vec<Override>) -> Result<Self, &'static str> {
        let variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Self {
            layout: Layout::from_variables(&variables)?,
            variables,
            overrides,
        })
    }
}

/// One setting given as an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Section of `ctdb.conf`.
    pub section: String,
    /// Key in that section.
    pub key: String,
    /// Its text.
    pub value: String,
}

/// A configuration that the daemon can run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The tunables at start.
    pub tunables: Tunables,
    /// What the admin should know.
    pub warnings: Vec<Warning>,
}

/// Reads and checks everything.
///
/// # Errors
/// All faults found, each with file, line and key; nothing is half-applied.
pub fn load(environment: &Environment, host: &dyn Host) -> Result<Loaded, Refused> {
    let mut findings = Findings::default();
    let merged = collect(environment, &mut findings);
    let mut loader = Loader {
        layout: &environment.layout,
        host,
        values: merged.values,
        findings,
    };
    let chosen = loader.tunables(&merged.legacy);
    let settings = build::settings(&mut loader, merged.schema, &merged.legacy);
    if let Some(settings) = &settings {
        routing::check(&mut loader, &merged.legacy, settings);
    }
    let Some(settings) = settings.filter(|_| loader.findings.errors.is_empty()) else {
        return Err(loader.findings.refused());
    };
    loader.warn_of_slow_failover(&chosen, &settings);
    Ok(Loaded {
        settings,
        tunables: chosen.tunables,
        warnings: loader.findings.warnings,
    })
}

/// Reads the node list alone, for programs that must answer although something else is wrong.
///
/// # Errors
/// The faults of the list and of the key that names it.
pub fn load_nodes(environment: &Environment, host: &dyn Host) -> Result<Vec<NodeEntry>, Refused> {
    part(environment, host, |loader, schema, _| {
        let list = loader.take("cluster", "nodes list", schema.cluster.nodes_list);
        loader.nodes(list).0
    })
}

/// Reads the lines of the LVS group file alone; `None` without one. `own` is this node's private address.
///
/// # Errors
/// The faults of the file and of the variables of LVS.
pub fn load_lvs_group(
    environment: &Environment,
    host: &dyn Host,
    own: IpAddr,
) -> Result<Option<Vec<GroupLine>>, Refused> {
    part(environment, host, |loader, _, legacy| {
        lvs::settings(loader, legacy, own).and_then(|lvs| lvs.group)
    })
}

/// Reads a part; what is wrong elsewhere does not matter.
fn part<T>(
    environment: &Environment,
    host: &dyn Host,
    read: impl FnOnce(&mut Loader, Schema, &Legacy) -> T,
) -> Result<T, Refused> {
    let merged = collect(environment, &mut Findings::default());
    let mut loader = Loader {
        layout: &environment.layout,
        host,
        values: merged.values,
        findings: Findings::default(),
    };
    let found = read(&mut loader, merged.schema, &merged.legacy);
    if loader.findings.errors.is_empty() {
        Ok(found)
    } else {
        Err(loader.findings.refused())
    }
}

/// One reading of the configuration.
pub(super) struct Loader<'a> {
    pub(super) layout: &'a Layout,
    pub(super) host: &'a dyn Host,
    pub(super) values: Values,
    pub(super) findings: Findings,
}

impl Loader<'_> {
    /// The value of a key, if it is set and good.
    pub(super) fn take<T>(
        &mut self,
        section: &'static str,
        key: &'static str,
        field: Field<T>,
    ) -> Option<T> {
        self.values.take(section, key, field, &mut self.findings)
    }

    /// Refuses a script's variable, with the line that sets it; one that is missing belongs into the usual file.
    pub(super) fn refuse_variable(
        &mut self,
        legacy: &Legacy,
        variable: &str,
        message: impl Into<String>,
    ) {
        let place = legacy.place(variable, self.layout);
        self.findings.refuse(&place, variable, message);
    }

    /// Legacy `CTDB_SET_*`, then `ctdb.tunables`, then `tunables.d/*.tunables`.
    fn tunables(&mut self, legacy: &Legacy) -> Chosen {
        let mut chosen = Chosen::default();
        for (name, value, place) in &legacy.tunables {
            chosen.set(name, value, place, &mut self.findings);
        }
        let mut files = vec![self.layout.etc.join("ctdb.tunables")];
        files.extend(drop_ins(&self.layout.etc.join("tunables.d"), "tunables"));
        for path in files {
            let file = text(&path);
            match read_text(&path) {
                Ok(content) => {
                    chosen.read(&file, &content.unwrap_or_default(), &mut self.findings);
                }
                Err(message) => {
                    let message = format!("is skipped: it {message}");
                    self.findings.warn(&Place::whole(&file), message);
                }
            }
        }
        chosen
    }

    /// The node list with the name of its source.
    pub(super) fn nodes(&mut self, list: Option<NodesList>) -> (Vec<NodeEntry>, String) {
        let default = || NodesList::File(text(&self.layout.etc.join("nodes")));
        let (source, content) = match list.unwrap_or_else(default) {
            NodesList::File(file) => {
                let path = PathBuf::from(&file);
                let content = read_text(&path);
                (
                    file,
                    content.and_then(|text| text.ok_or_else(|| "does not exist".to_owned())),
                )
            }
            NodesList::Command(words) => (format!("!{}", words.join(" ")), nodes::run(&words)),
        };
        match content {
            Ok(content) => (nodes::parse(&source, &content, &mut self.findings), source),
            Err(message) => {
                self.findings
                    .refuse(&Place::whole(&source), "[cluster] nodes list", message);
                (Vec::new(), source)
            }
        }
    }

    /// The public addresses, with missing prefixes filled in; no file means none.
    pub(super) fn public_addresses(
        &mut self,
        file: &str,
        named: Option<&Place>,
    ) -> Vec<PublicAddress> {
        let place = Place::whole(file);
        let content = match read_text(&PathBuf::from(file)) {
            Ok(Some(content)) => content,
            Ok(None) => {
                if let Some(named) = named {
                    self.findings
                        .warn(named, format!("{file} does not exist: no public addresses"));
                }
                return Vec::new();
            }
            Err(message) => {
                self.findings.refuse(&place, "", message);
                return Vec::new();
            }
        };
        let lines = parse_public_addresses(file, &content, &mut self.findings);
        // Without real interfaces (test mode) 4.17 does not ask for them either.
        if !self.layout.test_mode {
            self.check_interfaces(&lines);
        }
        let networks = if lines.iter().any(|line| line.prefix.is_none()) {
            self.host.networks()
        } else {
            vec![]
        };
        let mut addresses = Vec::new();
        for line in lines {
            let found = line
                .prefix
                .map_or_else(|| prefix_of(line.address, &line.interfaces, &networks), Ok);
            match found {
                Ok(prefix) => {
                    if line.prefix.is_none() {
                        let message = format!(
                            "{} has no mask: taken as /{prefix}, the network connected to {}",
                            line.address,
                            line.interfaces.join(", ")
                        );
                        self.findings.warn(&line.place, message);
                    }
                    let (address, interfaces) = (line.address, line.interfaces);
                    addresses.push(PublicAddress {
                        address,
                        prefix,
                        interfaces,
                    });
                }
                Err(message) => {
                    self.findings
                        .refuse(&line.place, &line.address.to_string(), message);
                }
            }
        }
        addresses
    }

    fn check_interfaces(&mut self, lines: &[PublicLine]) {
        let known = self.host.interfaces();
        for line in lines {
            for name in line.interfaces.iter().filter(|name| !known.contains(name)) {
                let near = nearest(name, known.iter().map(String::as_str));
                let message = "this host has no such interface";
                self.findings.refuse_near(&line.place, name, message, near);
            }
        }
    }

    /// Names each of the admin's values that keeps failover from its promised time.
    fn warn_of_slow_failover(&mut self, chosen: &Chosen, settings: &Settings) {
        let timing = Timing::from(&chosen.tunables, settings);
        if timing.is_slower_than_promised() {
            let slow = [
                TunableId::KeepaliveInterval,
                TunableId::KeepaliveLimit,
                TunableId::ElectionTimeout,
            ];
            let takes = timing.takeover_after().as_millis();
            let promised = PROMISED_FAILOVER.as_millis();
            let message = format!(
                "makes failover slower than promised: addresses of a dead node move after \
                 {takes} ms instead of at most {promised} ms"
            );
            for id in slow {
                if let Some(place) = chosen.places.get(&id) {
                    let value = chosen.tunables.get(id);
                    self.findings.warn(place, format!("{id}={value} {message}"));
                }
            }
            if let Some(timeout) = settings.cluster.leader_timeout {
                let (place, _) = self.values.source("cluster", "leader timeout");
                let seconds = timeout.as_secs();
                self.findings
                    .warn(&place, format!("leader timeout = {seconds} {message}"));
            }
        }
        if let Some(place) = chosen.places.get(&TunableId::RerecoveryTimeout) {
            let seconds = timing.rerecovery_pause.as_secs();
            if seconds > 0 {
                let message = format!(
                    "RerecoveryTimeout={seconds} delays a recovery that follows another one; \
                     without the line there is no such pause"
                );
                self.findings.warn(place, message);
            }
        }
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod refusal_tests;
