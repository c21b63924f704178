//! Where the log goes: the values of `[logging] location` in `ctdb.conf`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// How syslog is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syslog {
    /// `/dev/log`, waiting when it is full.
    Local,
    /// `/dev/log`, dropping when it is full.
    NonBlocking,
    /// UDP to 127.0.0.1:514, RFC 3164.
    Udp,
    /// UDP to 127.0.0.1:514, RFC 5424.
    UdpRfc5424,
}

/// A place for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `file:PATH`; a plain absolute path is taken as one.
    File(PathBuf),
    /// `stderr`.
    Stderr,
    /// `syslog`, `syslog:nonblocking`, `syslog:udp`, `syslog:udp-rfc5424`.
    Syslog(Syslog),
}

/// Not a place for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a log location: expected file:PATH, stderr, syslog, syslog:nonblocking, syslog:udp or \
     syslog:udp-rfc5424"
)]
pub struct ParseTargetError(String);

impl FromStr for Target {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "stderr" => return Ok(Self::Stderr),
            "syslog" => return Ok(Self::Syslog(Syslog::Local)),
            "syslog:nonblocking" => return Ok(Self::Syslog(Syslog::NonBlocking)),
            "syslog:udp" => return Ok(Self::Syslog(Syslog::Udp)),
            "syslog:udp-rfc5424" => return Ok(Self::Syslog(Syslog::UdpRfc5424)),
            _ => {}
        }
        match text.strip_prefix("file:") {
            Some(path) if !path.is_empty() => Ok(Self::File(path.into())),
            None if text.starts_with('/') => Ok(Self::File(text.into())),
            _ => Err(ParseTargetError(text.into())),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Stderr => f.write_str("stderr"),
            Self::Syslog(Syslog::Local) => f.write_str("syslog"),
            Self::Syslog(Syslog::NonBlocking) => f.write_str("syslog:nonblocking"),
            Self::Syslog(Syslog::Udp) => f.write_str("syslog:udp"),
            Self::Syslog(Syslog::UdpRfc5424) => f.write_str("syslog:udp-rfc5424"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_read_and_printed_alike() {
        let all = [
            "file:/var/log/ctdb/log.ctdb",
            "stderr",
            "syslog",
            "syslog:nonblocking",
        ];
        for text in all.into_iter().chain(["syslog:udp", "syslog:udp-rfc5424"]) {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        assert_eq!("/a/b".parse(), Ok(Target::File("/a/b".into())));
        for text in ["", "file:", "syslog:tcp", "log.ctdb"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
