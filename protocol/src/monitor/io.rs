//! What the monitor machine hears and asks for.

use crate::flags::{Health, RunState};
use crate::membership::view::MembershipView;
use crate::notice::Notice;
use alloc::string::String;
use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// An event that the monitor has run (ctdb-features.md 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Event {
    /// Before anything else.
    Init,
    /// Clients may connect.
    Setup,
    /// After the first recovery: start the services.
    Startup,
    /// Are the services fit?
    Monitor,
}

impl Event {
    /// The name that scripts get.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Setup => "setup",
            Self::Startup => "startup",
            Self::Monitor => "monitor",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the admin's notification program is told (ctdb-features.md 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notification {
    /// The `init` event has succeeded.
    Init,
    /// The `setup` event has succeeded.
    Setup,
    /// The `startup` event has succeeded.
    Startup,
    /// The node became healthy.
    Healthy,
    /// The node became unhealthy.
    Unhealthy,
}

impl Notification {
    /// The program's argument.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Setup => "setup",
            Self::Startup => "startup",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// How an event ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Every script ended with success.
    Passed,
    /// A script failed.
    Failed {
        /// Which, and what it said.
        detail: String,
    },
    /// A script did not end in time.
    TimedOut {
        /// Which, and for how long it was waited.
        detail: String,
    },
    /// Another event took precedence: this one says nothing.
    Cancelled,
}

/// Settings, changeable at any time (tunables of the same names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Longest time between two checks.
    pub monitor_interval: Duration,
    /// Checks in a row that may time out before the node counts as unhealthy.
    pub monitor_timeout_count: u32,
    /// A node that became unhealthy again and again must pass its checks for a while (`[failover] damp flapping`).
    pub damp_flapping: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            monitor_interval: Duration::from_secs(15),
            monitor_timeout_count: 2,
            damp_flapping: true,
        }
    }
}

/// Everything that can happen to the monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// From the daemon's life: the events may begin; no database is open yet.
    Ready,
    /// From the daemon's life: clients may connect.
    Listening,
    /// From membership: a recovery ended.
    Recovered,
    /// From membership: the cluster.
    View(MembershipView),
    /// The end of an [`Effect::RunEvent`].
    CheckDone {
        /// The event.
        event: Event,
        /// How it ended.
        outcome: Outcome,
    },
    /// From takeover: an interface changed, so the next check is due now.
    Recheck,
    /// From a client: the settings changed.
    Configure(Config),
    /// From the daemon's life: an orderly shutdown began.
    Shutdown,
    /// The deadline has come.
    Timeout,
}

/// Everything that the monitor can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Run the event's scripts; answer with [`Input::CheckDone`]. At most one is asked for at a time.
    RunEvent(Event),
    /// `init` has succeeded: the databases may be opened.
    Begun,
    /// Tell membership and the clients: the stage of this node's life.
    RunState(RunState),
    /// Tell membership: what the checks say of the services now.
    Health(Health),
    /// For whoever asks why the node is not healthy; nothing once it is.
    Unfit(Option<String>),
    /// Run the notification program; nobody waits for its end.
    Notify(Notification),
    /// The daemon can't begin its work and must end.
    Fatal {
        /// Why, for the log.
        reason: String,
    },
    /// Log.
    Log(Notice),
}
