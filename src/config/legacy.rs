//! What each `CTDB_*` variable of the legacy files means today.
//!
//! 4.17 does not read these files at all, so nothing in them may keep the daemon from starting: a
//! variable without meaning, or with a value that cannot be, is one WARNING with file and line.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Place;
use super::nearest::nearest;
use super::paths::{Layout, text};
use super::scan::Entry;
use super::shell::{self, Assignment};
use super::warning::Findings;

/// Where a variable goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// Same value under this section and key.
    Key(&'static str, &'static str),
    /// A yes/no value under this key.
    Flag(&'static str, &'static str),
    /// A yes/no value whose opposite is stored.
    Opposite(&'static str, &'static str),
    /// A file that must exist to count.
    NodesFile,
    PublicAddresses,
    NotifyScript,
    EventScripts,
    /// A path that becomes a log location.
    LogFile,
    /// Yes means the log location `syslog`.
    Syslog,
    MaxOpenFiles,
    SuppressCoreFile,
    ManagedServices,
    /// Kept for LVS, NAT gateway, routing and scripts.
    Script,
    /// Known, without effect today; the text says what to do.
    Removed(&'static str),
}

use Target::{Flag, Key, Opposite, Removed, Script};

/// Every variable with a meaning, or known to have lost it.
const VARIABLES: &[(&str, Target)] = &[
    ("CTDB_NODES", Target::NodesFile),
    ("CTDB_PUBLIC_ADDRESSES", Target::PublicAddresses),
    ("CTDB_RECOVERY_LOCK", Key("cluster", "cluster lock")),
    ("CTDB_NODE_ADDRESS", Key("cluster", "node address")),
    ("CTDB_TRANSPORT", Key("cluster", "transport")),
    (
        "CTDB_CAPABILITY_RECMASTER",
        Flag("cluster", "leader capability"),
    ),
    (
        "CTDB_CAPABILITY_LMASTER",
        Flag("legacy", "lmaster capability"),
    ),
    ("CTDB_DBDIR", Key("database", "volatile database directory")),
    (
        "CTDB_DBDIR_PERSISTENT",
        Key("database", "persistent database directory"),
    ),
    (
        "CTDB_DBDIR_STATE",
        Key("database", "state database directory"),
    ),
    ("CTDB_DEBUG_LOCKS", Key("database", "lock debug script")),
    ("CTDB_DEBUG_HUNG_SCRIPT", Key("event", "debug script")),
    ("CTDB_NOSETSCHED", Opposite("legacy", "realtime scheduling")),
    ("CTDB_SCRIPT_LOG_LEVEL", Key("legacy", "script log level")),
    (
        "CTDB_START_AS_DISABLED",
        Flag("legacy", "start as disabled"),
    ),
    ("CTDB_START_AS_STOPPED", Flag("legacy", "start as stopped")),
    ("CTDB_LOGGING", Key("logging", "location")),
    ("CTDB_LOGFILE", Target::LogFile),
    ("CTDB_SYSLOG", Target::Syslog),
    ("CTDB_DEBUGLEVEL", Key("logging", "log level")),
    ("CTDB_NOTIFY_SCRIPT", Target::NotifyScript),
    ("CTDB_EVENT_SCRIPT_DIR", Target::EventScripts),
    ("CTDB_MANAGED_SERVICES", Target::ManagedServices),
    ("CTDB_MAX_OPEN_FILES", Target::MaxOpenFiles),
    ("CTDB_SUPPRESS_COREFILE", Target::SuppressCoreFile),
    ("CTDB_PUBLIC_INTERFACE", Script),
    ("CTDB_LVS_NODES", Script),
    ("CTDB_LVS_PUBLIC_IFACE", Script),
    ("CTDB_LVS_PUBLIC_IP", Script),
    ("CTDB_NATGW_NODES", Script),
    ("CTDB_NATGW_PRIVATE_NETWORK", Script),
    ("CTDB_NATGW_PUBLIC_IP", Script),
    ("CTDB_NATGW_PUBLIC_IFACE", Script),
    ("CTDB_NATGW_DEFAULT_GATEWAY", Script),
    ("CTDB_NATGW_SLAVE_ONLY", Script),
    ("CTDB_NATGW_STATIC_ROUTES", Script),
    ("CTDB_PER_IP_ROUTING_CONF", Script),
    ("CTDB_PER_IP_ROUTING_RULE_PREF", Script),
    ("CTDB_PER_IP_ROUTING_TABLE_ID_LOW", Script),
    ("CTDB_PER_IP_ROUTING_TABLE_ID_HIGH", Script),
    ("CTDB_PARTIALLY_ONLINE_INTERFACES", Script),
    ("CTDB_KILLTCP_USE_SS_KILL", Script),
    ("CTDB_PLATFORM_STYLE", Script),
    ("CTDB_CLAMD_SOCKET", Script),
    ("CTDB_DEBUG_HUNG_SCRIPT_STACKPAT", Script),
    ("CTDB_MAX_CORRUPT_DB_BACKUPS", Script),
    ("CTDB_MONITOR_FILESYSTEM_USAGE", Script),
    ("CTDB_MONITOR_HOSTS", Script),
    ("CTDB_MONITOR_MEMORY_USAGE", Script),
    ("CTDB_MONITOR_MPDEVICES", Script),
    ("CTDB_NFS_CALLOUT", Script),
    ("CTDB_NFS_CHECKS_DIR", Script),
    ("CTDB_NFS_EXPORTS_FILE", Script),
    ("CTDB_NFS_SHARED_STATE_DIR", Script),
    ("CTDB_NFS_SKIP_SHARE_CHECK", Script),
    ("CTDB_NFS_STATE_FS_TYPE", Script),
    ("CTDB_NFS_STATE_MNT", Script),
    ("CTDB_PERSISTENT_DB_BACKUP_DIR", Script),
    ("CTDB_PERSISTENT_DB_BACKUP_LIMIT", Script),
    ("CTDB_PERSISTENT_DB_BACKUP_MODE", Script),
    ("CTDB_RPCINFO_LOCALHOST", Script),
    ("CTDB_RPCINFO_LOCALHOST6", Script),
    ("CTDB_SAMBA_CHECK_PORTS", Script),
    ("CTDB_SAMBA_INTERFACES_EXTRA", Script),
    ("CTDB_SAMBA_INTERFACES_FILE", Script),
    ("CTDB_SAMBA_SKIP_SHARE_CHECK", Script),
    ("CTDB_SERVICE_NMB", Script),
    ("CTDB_SERVICE_SAMBA_DCERPCD", Script),
    ("CTDB_SERVICE_SMB", Script),
    ("CTDB_SERVICE_WINBIND", Script),
    ("CTDB_START_ISCSI_SCRIPTS", Script),
    ("CTDB_STATD_CALLOUT_SHARED_STORAGE", Script),
    ("CTDB_VSFTPD_MONITOR_THRESHOLDS", Script),
    ("CTDB_BASE", Removed("the configuration directory is fixed")),
    ("CTDB_PIDFILE", Removed("the PID file has a fixed place")),
    (
        "CTDB_SOCKET",
        Removed("the socket has a fixed place; link to it where another is expected"),
    ),
    (
        "CTDB_MAX_PERSISTENT_CHECK_ERRORS",
        Removed("damaged persistent databases are reported"),
    ),
    (
        "CTDB_SHUTDOWN_TIMEOUT",
        Removed("see [failover] shutdown failover timeout"),
    ),
    (
        "CTDB_MONITOR_SWAP_USAGE",
        Removed("see CTDB_MONITOR_MEMORY_USAGE, which counts swap too"),
    ),
];

/// What the legacy files say beside keys of `ctdb.conf`.
#[derive(Debug, Default)]
pub(super) struct Legacy {
    /// In the order of the files.
    pub(super) tunables: Vec<(String, String, Place)>,
    pub(super) public_addresses: Option<(String, Place)>,
    pub(super) notify_script: Option<String>,
    pub(super) event_scripts: Option<String>,
    pub(super) max_open_files: Option<u64>,
    pub(super) suppress_core_file: bool,
    pub(super) script_variables: BTreeMap<String, String>,
    /// Where each of them was set last.
    script_places: BTreeMap<String, Place>,
    pub(super) managed_services: BTreeSet<String>,
}

impl Legacy {
    /// Reads one file into `self`; gives its layer of keys.
    pub(super) fn read(
        &mut self,
        file: &str,
        text: &str,
        etc: &str,
        findings: &mut Findings,
    ) -> Vec<Entry> {
        let known = BTreeMap::from([("CTDB_BASE".to_owned(), etc.to_owned())]);
        let script = shell::read(text, &known);
        for skipped in &script.skipped {
            findings.warn(&Place::line(file, skipped.line), &skipped.message);
        }
        let mut layer = Vec::new();
        for assignment in script.assignments {
            let place = Place::line(file, assignment.line);
            layer.extend(self.variable(assignment, place, findings));
        }
        layer
    }

    /// Takes script options only: what `script.options` and its kin may set for the native duties.
    pub(super) fn read_options(
        &mut self,
        file: &str,
        text: &str,
        etc: &str,
        findings: &mut Findings,
    ) {
        let known = BTreeMap::from([("CTDB_BASE".to_owned(), etc.to_owned())]);
        let script = shell::read(text, &known);
        for skipped in &script.skipped {
            let message = format!("{} by the daemon's own duties", skipped.message);
            findings.warn(&Place::line(file, skipped.line), message);
        }
        for assignment in script.assignments {
            let place = Place::line(file, assignment.line);
            self.script_places.insert(assignment.name.clone(), place);
            self.script_variables
                .insert(assignment.name, assignment.value);
        }
    }

    /// Where a script's variable was set; for one that is missing, the usual file.
    pub(super) fn place(&self, variable: &str, layout: &Layout) -> Place {
        let usual = || Place::whole(&text(&layout.etc.join("script.options")));
        self.script_places
            .get(variable)
            .cloned()
            .unwrap_or_else(usual)
    }

    fn variable(
        &mut self,
        assignment: Assignment,
        place: Place,
        findings: &mut Findings,
    ) -> Option<Entry> {
        let Assignment { name, value, .. } = assignment;
        if let Some(tunable) = name.strip_prefix("CTDB_SET_") {
            return self.tunable(tunable, value, place);
        }
        if let Some(service) = name.strip_prefix("CTDB_MANAGES_") {
            self.manages(service, &value, &place, findings);
            return None;
        }
        let Some((_, target)) = VARIABLES.iter().find(|(known, _)| *known == name) else {
            unknown(&name, &place, findings);
            return None;
        };
        if value.is_empty() && *target != Script {
            return None;
        }
        self.apply(*target, &name, value, place, findings)
    }

    fn apply(
        &mut self,
        target: Target,
        name: &str,
        value: String,
        place: Place,
        findings: &mut Findings,
    ) -> Option<Entry> {
        match target {
            Key("database", "volatile database directory") if value.starts_with("tmpfs") => {
                let advice = "mount a tmpfs on the volatile database directory instead";
                findings.warn(&place, format!("{name}={value} is gone: {advice}"));
            }
            Key(section, key) => return Some(entry(section, key, value, place)),
            Flag(section, key) => {
                let flag = flag(name, &value, &place, findings)?;
                return Some(entry(section, key, flag.to_string(), place));
            }
            Opposite(section, key) => {
                let flag = flag(name, &value, &place, findings)?;
                return Some(entry(section, key, (!flag).to_string(), place));
            }
            Target::NodesFile => return existing(name, value, place, findings),
            Target::PublicAddresses => self.public_addresses = Some((value, place)),
            Target::LogFile => {
                return Some(entry("logging", "location", format!("file:{value}"), place));
            }
            Target::Syslog => {
                if flag(name, &value, &place, findings)? {
                    return Some(entry("logging", "location", "syslog".to_owned(), place));
                }
            }
            Target::NotifyScript => {
                if let Some(fault) = not_runnable(std::path::Path::new(&value)) {
                    findings.refuse(&place, name, format!("\"{value}\" {fault}"));
                }
                self.notify_script = Some(value);
            }
            Target::EventScripts => self.event_scripts = Some(value),
            Target::ManagedServices => {
                self.managed_services
                    .extend(value.split_whitespace().map(str::to_lowercase));
            }
            Target::MaxOpenFiles => match value.parse() {
                Ok(files) => self.max_open_files = Some(files),
                Err(_) => findings.warn(&place, format!("{name}={value} is skipped: no number")),
            },
            Target::SuppressCoreFile => {
                self.suppress_core_file = flag(name, &value, &place, findings)?;
            }
            Script => {
                self.script_places.insert(name.to_owned(), place);
                self.script_variables.insert(name.to_owned(), value);
            }
            Removed(advice) => {
                findings.warn(&place, format!("{name} has no effect any more: {advice}"));
            }
        }
        None
    }

    /// `CTDB_SET_<Tunable>`; two of them are keys today.
    fn tunable(&mut self, name: &str, value: String, place: Place) -> Option<Entry> {
        let number = super::value::read_number(&value);
        let successor = if name.eq_ignore_ascii_case("TDBMutexEnabled") {
            number.map(|number| ("database", "tdb mutexes", number != 0))
        } else if name.eq_ignore_ascii_case("DisableIPFailover") {
            number.map(|number| ("failover", "disabled", number != 0))
        } else {
            None
        };
        if let Some((section, key, on)) = successor {
            return Some(entry(section, key, on.to_string(), place));
        }
        self.tunables.push((name.to_owned(), value, place));
        None
    }

    fn manages(&mut self, service: &str, value: &str, place: &Place, findings: &mut Findings) {
        let service = service.to_lowercase();
        match flag(
            &format!("CTDB_MANAGES_{}", service.to_uppercase()),
            value,
            place,
            findings,
        ) {
            Some(true) => self.managed_services.insert(service),
            Some(false) => self.managed_services.remove(&service),
            None => false,
        };
    }
}

fn entry(section: &'static str, key: &'static str, value: String, place: Place) -> Entry {
    Entry {
        section,
        key,
        value,
        place,
        lenient: true,
    }
}

/// A nodes file; `CTDB_NODES` counts only while 4.17 could not do better with its fixed place.
fn existing(name: &str, value: String, place: Place, findings: &mut Findings) -> Option<Entry> {
    if std::path::Path::new(&value).exists() {
        return Some(entry("cluster", "nodes list", value, place));
    }
    findings.warn(
        &place,
        format!("{name}={value} is skipped: there is no such file"),
    );
    None
}

/// Why this can't be the notification program, which is seen too late when it is needed.
fn not_runnable(path: &std::path::Path) -> Option<&'static str> {
    use std::os::unix::fs::PermissionsExt;
    if !path.is_absolute() {
        return Some("is no absolute path");
    }
    match path.metadata() {
        Ok(meta) if !meta.is_file() => Some("is no file"),
        Ok(meta) if meta.permissions().mode() & 0o111 == 0 => Some("is not executable"),
        Ok(_) => None,
        Err(_) => Some("does not exist"),
    }
}

/// The yes/no forms of the old start script.
fn flag(name: &str, value: &str, place: &Place, findings: &mut Findings) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" | "on" => Some(true),
        "no" | "false" | "0" | "off" => Some(false),
        _ => {
            findings.warn(
                place,
                format!("{name}={value} is skipped: neither yes nor no"),
            );
            None
        }
    }
}

fn unknown(name: &str, place: &Place, findings: &mut Findings) {
    if !name.starts_with("CTDB_") {
        findings.warn(
            place,
            format!("{name} is no variable of ctdb and has no effect"),
        );
        return;
    }
    let near = nearest(name, VARIABLES.iter().map(|(known, _)| *known));
    let hint = near
        .map(|near| format!("; did you mean \"{near}\"?"))
        .unwrap_or_default();
    findings.warn(place, format!("{name} is unknown and has no effect{hint}"));
}

#[cfg(test)]
#[path = "legacy_tests.rs"]
mod tests;
