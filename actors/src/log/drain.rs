//! The way in: slog's records become entries.

use std::fmt;
use std::sync::Arc;

use ctdb_protocol::notice::Level;
use slog::{Drain, KV, Key, Never, OwnedKVList, Record, Serializer};

use super::entry::Entry;
use super::level;
use super::queue::Shared;

/// The key that carries CTDB's level of a record.
pub(super) const LEVEL_KEY: &str = "ctdb_level";
/// The key that carries the stable name of an event; no field is called so.
pub(super) const EVENT_KEY: &str = "ctdb_event";

/// The root drain.
pub(super) struct Intake {
    shared: Arc<Shared>,
}

impl Intake {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Drain for Intake {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        let threshold = self.shared.level();
        // Nothing is formatted for a record that nobody wants. `Critical` stands for three levels, so
        // it is looked at more closely.
        if record.level() != slog::Level::Critical && level::from_slog(record.level()) > threshold {
            return Ok(());
        }
        let entry = Entry::new(level::from_slog(record.level()), record.msg().to_string());
        let mut collector = Collector { entry };
        // Only a value's own `Display` could fail here; the record is logged without it then.
        let _ = record.kv().serialize(record, &mut collector);
        let _ = values.serialize(record, &mut collector);
        if collector.entry.level <= threshold {
            self.shared.push(collector.entry);
        }
        Ok(())
    }

    fn is_enabled(&self, level: slog::Level) -> bool {
        level == slog::Level::Critical || level::from_slog(level) <= self.shared.level()
    }
}

struct Collector {
    entry: Entry,
}

impl Serializer for Collector {
    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        match key {
            EVENT_KEY => self.entry.event = value.to_string(),
            _ => self.entry.add_field(key, value.to_string()),
        }
        Ok(())
    }

    fn emit_i32(&mut self, key: Key, value: i32) -> slog::Result {
        match (key, level::from_number(value)) {
            (LEVEL_KEY, Some(level)) => {
                self.entry.level = level;
                Ok(())
            }
            _ => self.emit_arguments(key, &format_args!("{value}")),
        }
    }
}

/// Whether a record of this level waits rather than being dropped.
pub(super) const fn is_urgent(level: Level) -> bool {
    level as i32 <= Level::Warning as i32
}
