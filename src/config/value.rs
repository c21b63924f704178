//! The types of the values in `ctdb.conf`, and how their texts are read.
//!
//! A value that 4.17 takes is taken here with the same meaning. 4.17 reads numbers as C's `strtoul`
//! does: a leading `0x` or `0` sets the base, and what follows the digits is ignored.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ctdb_protocol::notice;
use ctdb_protocol::settings::{ClusterLock, LogFormat, LogLocation};

use super::nearest::nearest;

/// A type that a key's text can be read as.
pub(super) trait KeyText: Sized {
    /// Reads a text without surrounding blanks; the error says what was expected.
    fn read(text: &str) -> Result<Self, String>;

    /// What the admin should know about a text that was read.
    fn remark(_text: &str) -> Option<String> {
        None
    }
}

/// A free text.
#[derive(Debug)]
pub(super) struct Text(pub(super) String);

impl KeyText for Text {
    fn read(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

/// true, yes, false or no.
#[derive(Debug)]
pub(super) struct Bool(pub(super) bool);

impl KeyText for Bool {
    fn read(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" => Ok(Self(true)),
            "false" | "no" => Ok(Self(false)),
            _ => Err(format!("\"{text}\" is no boolean (true, yes, false, no)")),
        }
    }
}

/// A number that is not negative, within C's `int`.
#[derive(Debug)]
pub(super) struct Number(pub(super) u32);

impl KeyText for Number {
    fn read(text: &str) -> Result<Self, String> {
        let number = read_number(text).and_then(|number| i32::try_from(number).ok());
        match number.and_then(|number| u32::try_from(number).ok()) {
            Some(number) => Ok(Self(number)),
            None => Err(format!(
                "\"{text}\" is no number between 0 and {}",
                i32::MAX
            )),
        }
    }

    fn remark(text: &str) -> Option<String> {
        let clean = text
            .chars()
            .all(|c| c.is_ascii_hexdigit() || matches!(c, '+' | 'x' | 'X'));
        let number = Self::read(text).ok()?.0;
        (!clean).then(|| format!("\"{text}\" counts as {number}"))
    }
}

/// Reads digits as `strtoul` with base 0 does; `None` if there are none.
pub(super) fn read_number(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let lower = text.to_ascii_lowercase();
    let (digits, base) = match (lower.strip_prefix("0x"), text.strip_prefix('0')) {
        (Some(hexadecimal), _) => (hexadecimal, 16),
        (None, Some(octal)) if octal.starts_with(|c: char| c.is_digit(8)) => (octal, 8),
        _ => (lower.as_str(), 10),
    };
    let end = digits
        .find(|c: char| !c.is_digit(base))
        .unwrap_or(digits.len());
    u64::from_str_radix(&digits[..end], base).ok()
}

/// Seconds, at least one.
#[derive(Debug)]
pub(super) struct Timeout(pub(super) Duration);

impl KeyText for Timeout {
    fn read(text: &str) -> Result<Self, String> {
        match Number::read(text)? {
            Number(0) => Err(format!("\"{text}\" must be at least 1 (seconds)")),
            Number(seconds) => Ok(Self(Duration::from_secs(u64::from(seconds)))),
        }
    }

    fn remark(text: &str) -> Option<String> {
        Number::remark(text)
    }
}

/// Number of record shards.
#[derive(Debug)]
pub(super) struct Shards(pub(super) u16);

/// More shards than this only cost threads.
const MOST_SHARDS: u16 = 64;

impl KeyText for Shards {
    fn read(text: &str) -> Result<Self, String> {
        let number = text
            .parse()
            .ok()
            .filter(|shards| (1..=MOST_SHARDS).contains(shards));
        number
            .map(Self)
            .ok_or_else(|| format!("\"{text}\" is no number from 1 to {MOST_SHARDS}"))
    }
}

/// An address without port.
#[derive(Debug)]
pub(super) struct Address(pub(super) IpAddr);

impl KeyText for Address {
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_| format!("\"{text}\" is no IP address"))
    }
}

/// Address and port.
#[derive(Debug)]
pub(super) struct Listen(pub(super) SocketAddr);

impl KeyText for Listen {
    fn read(text: &str) -> Result<Self, String> {
        let form = "ADDRESS:PORT, for example 127.0.0.1:4380 or [::1]:4380";
        text.parse()
            .map(Self)
            .map_err(|_| format!("\"{text}\" does not have the form {form}"))
    }
}

/// Only `tcp` exists.
#[derive(Debug)]
pub(super) struct Transport;

impl KeyText for Transport {
    fn read(text: &str) -> Result<Self, String> {
        if text == "tcp" {
            Ok(Self)
        } else {
            Err(format!("\"{text}\": only tcp is supported"))
        }
    }
}

/// File or helper of the cluster lock.
#[derive(Debug)]
pub(super) struct Lock(pub(super) ClusterLock);

impl KeyText for Lock {
    fn read(text: &str) -> Result<Self, String> {
        let Some(command) = text.strip_prefix('!') else {
            return Ok(Self(ClusterLock::File(text.to_owned())));
        };
        // 4.17 splits at blanks and knows no quoting.
        let words: Vec<String> = command
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect();
        if words.is_empty() {
            return Err("there is no command after !".to_owned());
        }
        Ok(Self(ClusterLock::Command(words)))
    }
}

/// Where the list of nodes comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NodesList {
    File(String),
    /// Program and arguments.
    Command(Vec<String>),
}

impl KeyText for NodesList {
    fn read(text: &str) -> Result<Self, String> {
        let Some(command) = text.strip_prefix('!') else {
            return Ok(Self::File(text.to_owned()));
        };
        let words: Vec<String> = command
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect();
        match words.first() {
            Some(program) if program.starts_with('/') => Ok(Self::Command(words)),
            _ => Err("the command after ! must be an absolute path".to_owned()),
        }
    }
}

/// A file in the configuration directory; 4.17 looks at the last part of the path only.
#[derive(Debug)]
pub(super) struct Script(pub(super) String);

impl KeyText for Script {
    fn read(text: &str) -> Result<Self, String> {
        match text.rsplit('/').next() {
            Some(name) if !name.is_empty() => Ok(Self(name.to_owned())),
            _ => Err(format!("\"{text}\" names no file")),
        }
    }
}

/// Log level.
#[derive(Debug)]
pub(super) struct Level(pub(super) notice::Level);

/// The level names, ours and the seed's; 4.17 knows the last five.
const LEVELS: [(&str, notice::Level); 8] = [
    ("EMERG", notice::Level::Emerg),
    ("ALERT", notice::Level::Alert),
    ("CRIT", notice::Level::Crit),
    ("ERROR", notice::Level::Err),
    ("WARNING", notice::Level::Warning),
    ("NOTICE", notice::Level::Notice),
    ("INFO", notice::Level::Info),
    ("DEBUG", notice::Level::Debug),
];

impl KeyText for Level {
    /// Takes numbers (up to 10, where everything above 4 is DEBUG) and, as 4.17, any beginning of
    /// a name without regard to case.
    fn read(text: &str) -> Result<Self, String> {
        if let Ok(number) = text.parse::<i8>() {
            let index = usize::try_from(number.clamp(-3, 4) + 3).unwrap_or(0);
            if (-3..=10).contains(&number) {
                return Ok(Self(LEVELS[index].1));
            }
        }
        let upper = text.to_ascii_uppercase();
        // "E" has always meant ERROR, so that name is tried before EMERG.
        let order = LEVELS[3..].iter().chain(&LEVELS[..3]);
        let mut found = order.filter(|(name, _)| !upper.is_empty() && name.starts_with(&upper));
        found.next().map(|(_, level)| Self(*level)).ok_or_else(|| {
            let near = nearest(text, LEVELS.map(|(name, _)| name));
            let hint = near
                .map(|name| format!("; did you mean \"{name}\"?"))
                .unwrap_or_default();
            let names = LEVELS.map(|(name, _)| name).join(", ");
            format!("\"{text}\" is no log level ({names}){hint}")
        })
    }
}

/// Where the log goes.
#[derive(Debug)]
pub(super) struct Location(pub(super) LogLocation);

impl KeyText for Location {
    fn read(text: &str) -> Result<Self, String> {
        let location = match text {
            "file:" | "file:-" => LogLocation::Stderr,
            "syslog" => LogLocation::Syslog,
            "syslog:nonblocking" => LogLocation::SyslogNonblocking,
            "syslog:udp" => LogLocation::SyslogUdp,
            "syslog:udp-rfc5424" => LogLocation::SyslogUdpRfc5424,
            _ => match text.strip_prefix("file:") {
                Some(path) => LogLocation::File(path.to_owned()),
                None => {
                    return Err(format!(
                        "\"{text}\" is no log location (file:PATH, syslog, syslog:nonblocking, \
                         syslog:udp, syslog:udp-rfc5424)"
                    ));
                }
            },
        };
        Ok(Self(location))
    }
}

/// Shape of log lines.
#[derive(Debug)]
pub(super) struct LogShape(pub(super) LogFormat);

impl KeyText for LogShape {
    fn read(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "text" => Ok(Self(LogFormat::Text)),
            "json" => Ok(Self(LogFormat::Json)),
            _ => Err(format!("\"{text}\" is no log format (text, json)")),
        }
    }
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
