//! Single settings as text, for `ctdb-config`: what is set, else the default.

use super::error::ConfigError;
use super::layers::collect;
use super::load::Environment;
use super::paths::{Layout, text};
use super::scan::lookup;
use super::schema::KEYS;
use super::value::{Bool, KeyText, Number};
use super::warning::Findings;

/// A setting of `ctdb.conf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its section.
    pub section: &'static str,
    /// Its key.
    pub key: &'static str,
    /// Its value; empty if it has none.
    pub value: String,
    /// It is set somewhere; else the value is the default.
    pub is_set: bool,
}

/// How a value is written.
#[derive(Debug, Clone, Copy)]
enum Form {
    Text,
    Number,
    Bool,
}

/// All settings, and what is wrong in the files they come from. Other files are not looked at.
pub fn show(environment: &Environment) -> (Vec<Setting>, Vec<ConfigError>) {
    let mut findings = Findings::default();
    let merged = collect(environment, &mut findings);
    let mut settings = Vec::new();
    for (section, key) in KEYS.iter().copied() {
        let (form, default) = described(section, key, &environment.layout);
        let mut setting = Setting {
            section,
            key,
            value: default,
            is_set: false,
        };
        if let Some(given) = merged.values.text(section, key) {
            match written(form, given) {
                Ok(value) => (setting.value, setting.is_set) = (value, true),
                Err(message) => {
                    let (place, _) = merged.values.source(section, key);
                    findings.refuse(&place, &format!("[{section}] {key}"), message);
                }
            }
        }
        settings.push(setting);
    }
    (settings, findings.errors)
}

/// The present name of a key, whichever of its names is given.
pub fn known(section: &str, key: &str) -> Option<(&'static str, &'static str)> {
    lookup(&section.to_ascii_lowercase(), key).0
}

/// The value as 4.17 writes it back: numbers in decimal, booleans in full.
fn written(form: Form, given: &str) -> Result<String, String> {
    match form {
        Form::Text => Ok(given.to_owned()),
        Form::Number => Number::read(given).map(|number| number.0.to_string()),
        Form::Bool => Bool::read(given).map(|flag| flag.0.to_string()),
    }
}

/// Form and default of a key.
fn described(section: &str, key: &str, layout: &Layout) -> (Form, String) {
    let directory = |name: &str| text(&layout.var.join(name));
    let (form, default) = match (section, key) {
        ("logging", "location") => {
            let log = layout.log.join("log.ctdb");
            return (Form::Text, format!("file:{}", text(&log)));
        }
        ("cluster", "nodes list") => return (Form::Text, text(&layout.etc.join("nodes"))),
        ("database", "volatile database directory") => return (Form::Text, directory("volatile")),
        ("database", "persistent database directory") => {
            return (Form::Text, directory("persistent"));
        }
        ("database", "state database directory") => return (Form::Text, directory("state")),
        ("logging", "log level") => (Form::Text, "NOTICE"),
        ("logging", "format") => (Form::Text, "text"),
        ("cluster", "transport") => (Form::Text, "tcp"),
        ("cluster", "leader timeout") => (Form::Number, "5"),
        ("database", "lock warning time") | ("failover", "shutdown failover timeout") => {
            (Form::Number, "10")
        }
        ("database", "lock eviction time") | ("failover", "shutdown extra timeout") => {
            (Form::Number, "0")
        }
        ("legacy", "script log level") => (Form::Text, "ERROR"),
        ("cluster", "leader capability")
        | ("database", "tdb mutexes")
        | ("failover", "damp flapping")
        | ("legacy", "realtime scheduling" | "lmaster capability") => (Form::Bool, "true"),
        ("failover", "disabled" | "fast")
        | ("legacy", "start as stopped" | "start as disabled") => (Form::Bool, "false"),
        _ => (Form::Text, ""),
    };
    (form, default.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::Directory;

    fn value(settings: &[Setting], section: &str, key: &str) -> (String, bool) {
        let found = settings
            .iter()
            .find(|setting| (setting.section, setting.key) == (section, key));
        let found = found.expect("every key is shown");
        (found.value.clone(), found.is_set)
    }

    #[test]
    fn set_values_are_normalised_and_others_are_defaults() {
        let directory = Directory::new();
        directory.write(
            "etc/ctdb/ctdb.conf",
            "[cluster]\n recovery lock = /clu/lock\n leader timeout = 0x10\n[failover]\n disabled = YES\n",
        );
        let (settings, errors) = show(&directory.environment());
        assert_eq!(errors, []);
        let shown = |section, key| value(&settings, section, key);
        assert_eq!(shown("cluster", "cluster lock"), ("/clu/lock".into(), true));
        assert_eq!(shown("cluster", "leader timeout"), ("16".into(), true));
        assert_eq!(shown("failover", "disabled"), ("true".into(), true));
        assert_eq!(shown("database", "tdb mutexes"), ("true".into(), false));
        assert_eq!(shown("event", "debug script"), (String::new(), false));
        assert_eq!(
            known("Cluster", "recovery lock"),
            Some(("cluster", "cluster lock"))
        );
        assert_eq!(known("cluster", "nope"), None);
    }

    /// The defaults that are written here are those the daemon starts with.
    #[test]
    fn defaults_are_the_loaders() {
        let directory = Directory::with_nodes();
        let loaded = directory.load().expect("valid").settings;
        let (settings, _) = show(&directory.environment());
        let shown = |section, key| value(&settings, section, key).0;
        let flag = |section, key| shown(section, key) == "true";
        assert_eq!(
            flag("cluster", "leader capability"),
            loaded.cluster.leader_capability
        );
        assert_eq!(
            flag("legacy", "lmaster capability"),
            loaded.cluster.lmaster_capability
        );
        assert_eq!(
            flag("legacy", "realtime scheduling"),
            loaded.startup.realtime_scheduling
        );
        assert_eq!(flag("failover", "disabled"), loaded.failover.disabled);
        assert_eq!(flag("failover", "fast"), loaded.failover.fast);
        assert_eq!(flag("database", "tdb mutexes"), loaded.database.tdb_mutexes);
        let volatile = shown("database", "volatile database directory");
        assert_eq!(volatile, loaded.database.volatile_directory);
        let seconds = loaded
            .failover
            .shutdown_failover_timeout
            .as_secs()
            .to_string();
        assert_eq!(shown("failover", "shutdown failover timeout"), seconds);
        let seconds = loaded.failover.shutdown_extra_timeout.as_secs().to_string();
        assert_eq!(shown("failover", "shutdown extra timeout"), seconds);
    }
}
