//! The keys of `ctdb.conf`: their names, their types, and the layers merged into them.
//!
//! Layers and merging are the `config` crate's; the text of each file comes from [`super::scan`],
//! because the crate's own INI reader eats backslashes and knows no line numbers.

use config::{Config, Map, Source, Value};
use serde::{Deserialize, Deserializer};

use super::scan::Entry;
use super::value::{
    Address, Bool, KeyText, Level, Listen, Location, Lock, LogShape, NodesList, Number, Script,
    Shards, Text, Timeout, Transport,
};

/// An older or misplaced name of a key.
pub(super) struct Alias {
    pub(super) old: (&'static str, &'static str),
    pub(super) new: (&'static str, &'static str),
}

const fn alias(old: (&'static str, &'static str), new: (&'static str, &'static str)) -> Alias {
    Alias { old, new }
}

/// Old names, and names that 4.17's manuals print although its code knows others.
pub(super) const ALIASES: &[Alias] = &[
    alias(("cluster", "recovery lock"), ("cluster", "cluster lock")),
    alias(
        ("cluster", "recmaster capability"),
        ("cluster", "leader capability"),
    ),
    alias(
        ("legacy", "recmaster capability"),
        ("cluster", "leader capability"),
    ),
    alias(
        ("legacy", "leader capability"),
        ("cluster", "leader capability"),
    ),
    alias(
        ("cluster", "lmaster capability"),
        ("legacy", "lmaster capability"),
    ),
    alias(
        ("legacy", "ctdb start as stopped"),
        ("legacy", "start as stopped"),
    ),
    alias(
        ("legacy", "ctdb start as disabled"),
        ("legacy", "start as disabled"),
    ),
];

/// One key's text, read as its type; the verdict is kept so that all bad values can be reported.
#[derive(Debug, Default)]
pub(super) enum Field<T> {
    #[default]
    Unset,
    Set {
        verdict: Result<T, String>,
        remark: Option<String>,
    },
}

impl<'de, T: KeyText> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::Set {
            verdict: T::read(&text),
            remark: T::remark(&text),
        })
    }
}

macro_rules! schema {
    ($($section:ident: $type:ident { $($field:ident: $name:literal as $kind:ty,)* })*) => {
        /// All keys, as (section, name).
        pub(super) const KEYS: &[(&str, &str)] = &[$($((stringify!($section), $name),)*)*];

        /// The merged settings, section by section.
        #[derive(Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct Schema { $(pub(super) $section: $type,)* }

        $(#[derive(Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct $type {
            $(#[serde(rename = $name)] pub(super) $field: Field<$kind>,)*
        })*
    };
}

schema! {
    logging: LoggingKeys {
        level: "log level" as Level,
        location: "location" as Location,
        format: "format" as LogShape,
    }
    cluster: ClusterKeys {
        name: "name" as Text,
        lock: "cluster lock" as Lock,
        leader_capability: "leader capability" as Bool,
        leader_timeout: "leader timeout" as Timeout,
        node_address: "node address" as Address,
        nodes_list: "nodes list" as NodesList,
        transport: "transport" as Transport,
    }
    database: DatabaseKeys {
        volatile_directory: "volatile database directory" as Text,
        persistent_directory: "persistent database directory" as Text,
        state_directory: "state database directory" as Text,
        tdb_mutexes: "tdb mutexes" as Bool,
        lock_debug_script: "lock debug script" as Script,
        lock_warning_time: "lock warning time" as Timeout,
        lock_eviction_time: "lock eviction time" as Number,
        record_shards: "record shards" as Shards,
    }
    event: EventKeys {
        debug_script: "debug script" as Script,
    }
    failover: FailoverKeys {
        disabled: "disabled" as Bool,
        fast: "fast" as Bool,
        damp_flapping: "damp flapping" as Bool,
        shutdown_failover_timeout: "shutdown failover timeout" as Number,
        shutdown_extra_timeout: "shutdown extra timeout" as Number,
    }
    legacy: LegacyKeys {
        start_as_stopped: "start as stopped" as Bool,
        start_as_disabled: "start as disabled" as Bool,
        realtime_scheduling: "realtime scheduling" as Bool,
        lmaster_capability: "lmaster capability" as Bool,
        script_log_level: "script log level" as Level,
    }
    console: ConsoleKeys {
        listen: "listen" as Listen,
    }
    metrics: MetricsKeys {
        listen: "listen" as Listen,
    }
}

/// The section names, each once.
pub(super) fn sections() -> impl Iterator<Item = &'static str> {
    KEYS.iter().enumerate().filter_map(|(index, key)| {
        let first = index == 0 || KEYS[index - 1].0 != key.0;
        first.then_some(key.0)
    })
}

/// One source of settings, for the `config` crate.
#[derive(Debug, Clone)]
struct Layer(Vec<Entry>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let mut sections: Map<String, Map<String, Value>> = Map::new();
        for entry in &self.0 {
            let value = Value::new(Some(&entry.place.to_string()), entry.value.clone());
            sections
                .entry(entry.section.to_owned())
                .or_default()
                .insert(entry.key.to_owned(), value);
        }
        Ok(sections
            .into_iter()
            .map(|(name, keys)| (name, Value::new(None, keys)))
            .collect())
    }
}

/// Merges the layers, later ones on top, and reads every value as its type.
pub(super) fn merge(layers: Vec<Vec<Entry>>) -> Result<Schema, config::ConfigError> {
    let mut builder = Config::builder();
    for layer in layers {
        builder = builder.add_source(Layer(layer));
    }
    builder.build()?.try_deserialize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::error::Place;

    fn entry(section: &'static str, key: &'static str, value: &str) -> Entry {
        let value = value.to_owned();
        Entry {
            section,
            key,
            value,
            place: Place::line("f", 1),
            lenient: false,
        }
    }

    #[test]
    fn every_declared_key_is_a_field() {
        for (section, key) in KEYS {
            merge(vec![vec![entry(section, key, "1")]]).expect(key);
        }
        assert!(merge(vec![vec![entry("cluster", "nope", "1")]]).is_err());
    }

    #[test]
    fn later_layers_replace_single_keys() {
        let lower = vec![
            entry("cluster", "name", "low"),
            entry("cluster", "leader timeout", "4"),
        ];
        let schema = merge(vec![lower, vec![entry("cluster", "name", "high")]]).expect("valid");
        assert!(matches!(
            schema.cluster.name,
            Field::Set { verdict: Ok(Text(name)), .. } if name == "high"
        ));
        assert!(matches!(
            schema.cluster.leader_timeout,
            Field::Set { verdict: Ok(_), .. }
        ));
    }

    #[test]
    fn sections_are_listed_once() {
        let names: Vec<_> = sections().collect();
        assert_eq!(
            names,
            [
                "logging", "cluster", "database", "event", "failover", "legacy", "console",
                "metrics"
            ]
        );
    }
}
