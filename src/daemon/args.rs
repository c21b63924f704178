//! The command line of `ctdbd`.
//!
//! The hidden arguments name the part that a re-executed process plays. The admin's own arguments follow
//! them, so that each process reads the same configuration.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Which of the three processes this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// The parent that restarts the worker.
    Guard,
    /// The daemon proper.
    Worker,
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
