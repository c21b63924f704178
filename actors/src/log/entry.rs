//! One record on its way to the sinks, and the shapes in which it is written.

use std::fmt::Write;
use std::fs;
use std::time::SystemTime;

use chrono::{DateTime, Local, SecondsFormat};
use ctdb_protocol::notice::Level;
use serde_json::{Map, Value, json};

/// Longest message or field, in bytes: a longer one is cut and marked.
const MAX_TEXT_BYTES: usize = 16 * 1024;
/// Most fields of a record.
const MAX_FIELDS: usize = 64;

/// The shape of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `Mon DD HH:MM:SS.usec host ctdbd[pid]: text [event name=value …]`
    Text,
    /// One JSON object.
    Json,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) time: SystemTime,
    pub(super) level: Level,
    /// The stable name; empty for plain texts.
    pub(super) event: String,
    pub(super) message: String,
    pub(super) fields: Vec<(String, String)>,
}

impl Entry {
    pub(super) fn new(level: Level, message: String) -> Self {
        let mut entry = Self {
            time: SystemTime::now(),
            level,
            event: String::new(),
            message,
            fields: Vec::new(),
        };
        cut(&mut entry.message);
        entry
    }

    pub(super) fn add_field(&mut self, name: &str, mut value: String) {
        if self.fields.len() < MAX_FIELDS {
            cut(&mut value);
            self.fields.push((name.to_owned(), value));
        }
    }

    fn local_time(&self) -> DateTime<Local> {
        self.time.into()
    }
}

fn cut(text: &mut String) {
    if text.len() > MAX_TEXT_BYTES {
        let end = (0..=MAX_TEXT_BYTES)
            .rev()
            .find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push_str("[cut]");
    }
}

/// Who writes.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) host: String,
    pub(super) program: String,
    pub(super) pid: u32,
}

impl Origin {
    pub(super) fn of_this_process(program: &str) -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = host.trim();
        Self {
            // A nameless host still needs a word in that place, or programs that split lines go wrong.
            host: if host.is_empty() { "localhost" } else { host }.to_owned(),
            program: program.to_owned(),
            pid: std::process::id(),
        }
    }
}

/// Writes entries in one shape.
#[derive(Debug, Clone)]
pub(super) struct Renderer {
    pub(super) origin: Origin,
    format: Format,
}

impl Renderer {
    pub(super) const fn new(origin: Origin, format: Format) -> Self {
        Self { origin, format }
    }

    /// A whole line, without its end.
    pub(super) fn line(&self, entry: &Entry) -> String {
        let Origin { host, program, pid } = &self.origin;
        match self.format {
            Format::Text => {
                let time = entry.local_time().format("%b %e %H:%M:%S%.6f");
                format!("{time} {host} {program}[{pid}]: {}", self.body(entry))
            }
            Format::Json => self.body(entry),
        }
    }

    /// What syslog carries behind its own header.
    pub(super) fn body(&self, entry: &Entry) -> String {
        match self.format {
            Format::Text => text(entry),
            Format::Json => self.json(entry),
        }
    }

    /// A datagram for syslog's local socket (RFC 3164, no host) or, with `host`, for UDP.
    pub(super) fn rfc3164(&self, entry: &Entry, host: bool) -> String {
        let Origin {
            host: name,
            program,
            pid,
        } = &self.origin;
        let time = entry.local_time().format("%b %e %H:%M:%S");
        let name = if host {
            format!("{name} ")
        } else {
            String::new()
        };
        format!(
            "<{}>{time} {name}{program}[{pid}]: {}",
            priority(entry),
            self.body(entry)
        )
    }

    /// A datagram as RFC 5424 has it; the event is the MSGID.
    pub(super) fn rfc5424(&self, entry: &Entry) -> String {
        let Origin { host, program, pid } = &self.origin;
        let time = entry
            .local_time()
            .to_rfc3339_opts(SecondsFormat::Micros, false);
        let event = if entry.event.is_empty() {
            "-"
        } else {
            &entry.event
        };
        format!(
            "<{}>1 {time} {host} {program} {pid} {event} - {}",
            priority(entry),
            self.body(entry)
        )
    }

    fn json(&self, entry: &Entry) -> String {
        let mut object = json!({
            "time": entry.local_time().to_rfc3339_opts(SecondsFormat::Micros, false),
            "level": entry.level.name(),
            "host": self.origin.host,
            "program": self.origin.program,
            "pid": self.origin.pid,
            "message": entry.message,
        });
        if !entry.event.is_empty() {
            object["event"] = Value::from(entry.event.as_str());
        }
        if !entry.fields.is_empty() {
            let fields: Map<String, Value> = entry
                .fields
                .iter()
                .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
                .collect();
            object["fields"] = Value::from(fields);
        }
        object.to_string()
    }
}

/// Facility daemon (3), RFC 5424 section 6.2.1.
fn priority(entry: &Entry) -> u8 {
    3 << 3 | super::level::severity(entry.level)
}

fn text(entry: &Entry) -> String {
    let mut line = String::with_capacity(entry.message.len() + 64);
    escape(&mut line, &entry.message);
    if !entry.event.is_empty() || !entry.fields.is_empty() {
        line.push_str(" [");
        line.push_str(&entry.event);
        for (name, value) in &entry.fields {
            let gap = if line.ends_with('[') { "" } else { " " };
            // Writing to a string cannot fail.
            let _ = write!(line, "{gap}{name}=");
            if value.is_empty() || value.contains([' ', '"', ']', '=']) {
                line.push('"');
                escape(&mut line, &value.replace('"', "\\\""));
                line.push('"');
            } else {
                escape(&mut line, value);
            }
        }
        line.push(']');
    }
    line
}

/// One record is one line, whatever somebody managed to put into a name.
fn escape(line: &mut String, text: &str) {
    for character in text.chars() {
        if character.is_control() && character != '\t' {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let mut entry = Entry::new(Level::Alert, "Node 2 is dead:\nno answer".into());
        entry.event = "link.node_dead".into();
        entry.add_field("peer", "2".into());
        entry.add_field("reason", "no \"good\" answer".into());
        entry
    }

    fn renderer(format: Format) -> Renderer {
        Renderer::new(
            Origin {
                host: "nas1".into(),
                program: "ctdbd".into(),
                pid: 7,
            },
            format,
        )
    }

    #[test]
    fn text_is_one_line_with_event_and_fields_behind_the_message() {
        let line = renderer(Format::Text).line(&entry());
        let (head, body) = line.split_once(" nas1 ctdbd[7]: ").unwrap();
        assert_eq!(head.len(), "Nov 21 04:05:34.123456".len(), "{head}");
        let fields = r#"[link.node_dead peer=2 reason="no \"good\" answer"]"#;
        assert_eq!(body, format!(r"Node 2 is dead:\nno answer {fields}"));
        let plain = renderer(Format::Text).body(&Entry::new(Level::Info, "plain".into()));
        assert_eq!(plain, "plain");
    }

    #[test]
    fn json_holds_everything_by_name() {
        let line = renderer(Format::Json).line(&entry());
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["level"], "ALERT");
        assert_eq!(value["event"], "link.node_dead");
        assert_eq!(value["fields"]["peer"], "2");
        assert_eq!(value["message"], "Node 2 is dead:\nno answer");
    }

    #[test]
    fn syslog_priorities_follow_the_eight_levels() {
        let renderer = renderer(Format::Text);
        assert!(renderer.rfc3164(&entry(), false).starts_with("<25>"));
        assert!(
            renderer
                .rfc3164(&entry(), true)
                .contains(" nas1 ctdbd[7]: Node 2")
        );
        let modern = renderer.rfc5424(&entry());
        assert!(modern.starts_with("<25>1 ") && modern.contains(" nas1 ctdbd 7 link.node_dead - "));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let entry = Entry::new(Level::Info, "ä".repeat(MAX_TEXT_BYTES));
        assert!(entry.message.ends_with("[cut]") && entry.message.len() < MAX_TEXT_BYTES + 8);
    }
}
