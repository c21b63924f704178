//! Daemon life: how `ctdbd` starts, stays alive and ends.
//!
//! ```text
//! ctdbd (admin) ──► guard ──► worker        one binary, started again with a hidden argument;
//!   waits for        restarts   the daemon  no fork, no unsafe
//!   "ready"          worker     proper
//! ```
//!
//! * The **starter** checks the configuration, starts the guard in a session of its own, and waits until the
//!   worker is ready or says why it cannot be: the text goes to the caller's stderr, the exit code is not 0.
//!   With `--interactive`, and as PID 1, the starter is the guard itself and stays in the foreground.
//! * The **guard** (`guard`) sees the end of the worker at once, however it comes, removes the public
//!   addresses that the worker had told it, and starts a new one after a pause. Signals are passed on; as
//!   PID 1 it reaps orphans.
//! * The **worker** (`worker`) is the process that the PID file names. It owns everything else.
//!
//! Invariants: nothing is restarted after an orderly shutdown, after a refusal ([`Exit::Refused`]), before
//! the first readiness, or in test mode (`CTDB_TEST_MODE` in the environment); guard and worker never wait for each other's attention (the channel
//! between them is drained by threads of its own), and either survives the other.

mod args;
mod backoff;
mod channel;
mod child;
mod exit;
mod guard;
mod limits;
mod notify;
mod pidfile;
mod signal;
mod start;
mod worker;

use std::path::PathBuf;

pub use args::{Options, Setting};
pub use channel::HeldAddress;
pub use exit::Exit;
pub use limits::apply as apply_limits;
pub use pidfile::{PidFile, PidFileError};
pub use signal::{Caught, watch as watch_signals};
pub use start::main;
pub use worker::{GuardHandle, LifeEvent, Readiness, Restart, WorkerContext};

/// The outcome of a configuration check: `--check` prints it, a start prints it only when it says no.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// Lines for the admin: errors and warnings, each with file and line.
    pub text: String,
    /// Whether the daemon would start with this configuration.
    pub ok: bool,
}

/// What daemon life needs to know before a configuration is in force.
#[derive(Debug, Clone)]
pub struct LifeSettings {
    /// Path of the PID file; its directory is created when missing.
    pub pid_file: PathBuf,
}

/// What `ctdbd` is, seen from daemon life. The same value is built in each of the three processes.
pub trait Daemon {
    /// Checks everything that can be checked without starting; never changes anything.
    fn check(&self, options: &Options) -> CheckReport;

    /// Settings of daemon life. Called only after a check that was `ok`.
    fn life(&self, options: &Options) -> LifeSettings;

    /// The worker's life: calls [`WorkerContext::ready`] once it serves, returns when it has ended.
    fn run(&self, options: &Options, context: WorkerContext) -> Exit;

    /// Removes public addresses after the end of a worker that has called [`GuardHandle::addresses`],
    /// be the last list empty or not (the lease gate may still stand). Runs in the guard and must take
    /// less than 100 ms; its stderr leads nowhere in the background.
    fn remove_addresses(&self, addresses: &[HeldAddress]);

    /// Takes away what a worker told by [`GuardHandle::leftovers`], after its addresses.
    fn remove_leftovers(&self, leftovers: &[String]);
}
