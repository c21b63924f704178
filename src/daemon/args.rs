//! The command line of `ctdbd`.
//!
//! The hidden arguments name the part that a re-executed process plays. The admin's own arguments follow
//! them, so that each process reads the same configuration.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, ValueEnum};

/// Which of the three processes this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// The parent that restarts the worker.
    Guard,
    /// The daemon proper.
    Worker,
}

/// One setting of `ctdb.conf` given as an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Section of `ctdb.conf`.
    pub section: String,
    /// Key in that section; may contain blanks.
    pub key: String,
    /// Its text.
    pub value: String,
}

impl FromStr for Setting {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('=').and_then(|(name, value)| {
            let (section, key) = name.split_once('.')?;
            Some((section.trim(), key.trim(), value.trim()))
        });
        match parts {
            Some((section, key, value)) if !section.is_empty() && !key.is_empty() => Ok(Self {
                section: section.into(),
                key: key.into(),
                value: value.into(),
            }),
            _ => Err("expected SECTION.KEY=VALUE"),
        }
    }
}

/// Cluster daemon: a clustered TDB, monitoring, and public addresses that stay on healthy nodes.
#[derive(Debug, Clone, Parser)]
#[command(name = "ctdbd", version, disable_help_subcommand = true)]
pub struct Options {
    /// Stay in the foreground and log to stderr too.
    #[arg(short = 'i', long)]
    pub interactive: bool,

    /// Check all configuration files, print a report, and exit (0: the daemon would start, 1: it would not).
    #[arg(long)]
    pub check: bool,

    /// A setting that wins over all files and the environment, e.g. `cluster.recovery lock=/gfs/lock`.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub settings: Vec<Setting>,

    /// The part that this process plays.
    #[arg(long = "internal-role", hide = true, value_enum)]
    pub role: Option<Role>,

    /// The PID file, as the starter found it.
    #[arg(long = "internal-pid-file", hide = true, value_name = "FILE")]
    pub internal_pid_file: Option<PathBuf>,

    /// The guard stands in the foreground: as `--interactive`, said by the guard.
    #[arg(long = "internal-foreground", hide = true)]
    pub internal_foreground: bool,

    /// Restarts so far.
    #[arg(long = "internal-restarts", hide = true, default_value_t = 0)]
    pub internal_restarts: u32,

    /// How the worker before this one ended.
    #[arg(long = "internal-previous-end", hide = true)]
    pub internal_previous_end: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_split_at_the_first_dot_and_the_first_equals_sign() {
        let setting: Setting = "cluster.recovery lock = !/bin/x a=b.c".parse().unwrap();
        assert_eq!(
            (setting.section.as_str(), setting.key.as_str()),
            ("cluster", "recovery lock")
        );
        assert_eq!(setting.value, "!/bin/x a=b.c");
        for text in ["", "cluster", "cluster.key", "=x", ".key=x", "cluster.=x"] {
            assert!(text.parse::<Setting>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_part_accepts_the_administrators_arguments_behind_its_own() {
        let arguments = [
            "ctdbd",
            "--internal-role=worker",
            "--internal-pid-file=/p",
            "-i",
            "--set",
            "a.b=c",
        ];
        let options = Options::try_parse_from(arguments).unwrap();
        assert_eq!(options.role, Some(Role::Worker));
        assert!(options.interactive);
        assert_eq!(options.settings.len(), 1);
    }
}
