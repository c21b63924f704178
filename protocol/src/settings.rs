//! Validated, plain settings of one node, and the timings derived from them.
//!
//! Everything here has already been checked by the reader of the configuration files: paths are
//! absolute texts, addresses parsed, the own node found. Nothing in this module parses.
//!
//! Invariant: `cluster.pnn` indexes `cluster.nodes`, that entry is not deleted, and its address is
//! `cluster.node_address`.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::tunable::{TunableId, Tunables};

/// TCP port of the node links (registered as `ctdb`).
pub const NODE_PORT: u16 = 4379;

/// TCP port of the console.
pub const CONSOLE_PORT: u16 = 4380;

/// Everything that one node's configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Who is in the cluster and what this node may be in it.
    pub cluster: Cluster,
    /// Where and how much to log.
    pub logging: Logging,
    /// Places and shape of the databases.
    pub database: Database,
    /// Public addresses and how they move.
    pub failover: Failover,
    /// How the daemon starts.
    pub startup: Startup,
    /// Console listener.
    pub console_listen: SocketAddr,
    /// Listener of the `OpenMetrics` page; `None` switches the page off.
    pub metrics_listen: Option<SocketAddr>,
    /// Event scripts and the variables that belong to them.
    pub events: Events,
    /// Files and directories.
    pub paths: Paths,
}

/// The cluster and this node's place in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Name that all nodes must share; empty by default.
    pub name: String,
    /// The nodes; the index is the pnn.
    pub nodes: Vec<NodeEntry>,
    /// This node's number.
    pub pnn: u32,
    /// This node's private address.
    pub node_address: IpAddr,
    /// TCP port of the node links.
    pub port: u16,
    /// The cluster lock.
    pub lock: ClusterLock,
    /// May this node be leader (once called recmaster)?
    pub leader_capability: bool,
    /// May this node be location master?
    pub lmaster_capability: bool,
    /// The admin's `leader timeout`; `None` while 4.17's 5 s are not asked for.
    pub leader_timeout: Option<Duration>,
}

/// One line of the nodes file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// Private address; unspecified (`0.0.0.0`) for a deleted node.
    pub address: IpAddr,
    /// The line is commented out: the number stays taken.
    pub deleted: bool,
}

/// How the cluster keeps two leaders apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClusterLock {
    /// Leaders are found by election alone.
    None,
    /// A lock on this file of the cluster filesystem.
    File(String),
    /// A helper program with its arguments; the first word is the program.
    Command(Vec<String>),
}

/// Severity of a log record, with CTDB's numbers.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[repr(i8)]
pub enum LogLevel {
    /// -3
    Emerg = -3,
    /// -2
    Alert = -2,
    /// -1
    Crit = -1,
    /// 0
    Error = 0,
    /// 1
    Warning = 1,
    /// 2, the default
    #[default]
    Notice = 2,
    /// 3
    Info = 3,
    /// 4
    Debug = 4,
}

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogLocation {
    /// This file, reopened on SIGHUP.
    File(String),
    /// Standard error (`file:` and `file:-`).
    Stderr,
    /// The C library's way: `/dev/log`, waiting.
    Syslog,
    /// `/dev/log` without waiting.
    SyslogNonblocking,
    /// UDP to port 514 of this host, BSD format.
    SyslogUdp,
    /// UDP to port 514 of this host, RFC 5424 format.
    SyslogUdpRfc5424,
}

/// Shape of a log line in files and on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Logging.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// Where to.
    pub location: LogLocation,
    /// Records above this level are dropped.
    pub level: LogLevel,
    /// Level at which output of scripts is logged.
    pub script_level: LogLevel,
    /// Shape of a line.
    pub format: LogFormat,
}

/// Databases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Directory of volatile databases.
    pub volatile_directory: String,
    /// Directory of persistent databases.
    pub persistent_directory: String,
    /// Directory of the daemon's own state.
    pub state_directory: String,
    /// Robust mutexes in volatile databases.
    pub tdb_mutexes: bool,
    /// Program run while a lock is waited for too long.
    pub lock_debug_script: Option<String>,
    /// Number of record shards; `None` lets the daemon choose by the number of cores.
    pub record_shards: Option<u16>,
}

/// One public address that this node may host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAddress {
    /// The address.
    pub address: IpAddr,
    /// Length of the network prefix, in bits.
    pub prefix: u8,
    /// Interfaces that may carry it, in the order of the file; never empty.
    pub interfaces: Vec<String>,
}

/// Failover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failover {
    /// No address moves at all; `ipreallocated` events still run.
    pub disabled: bool,
    /// The documented fast timings.
    pub fast: bool,
    /// Longest wait at shutdown until others took the addresses; zero switches it off.
    pub shutdown_failover_timeout: Duration,
    /// Wait after that succeeded.
    pub shutdown_extra_timeout: Duration,
    /// What this node may host, in the order of the file.
    pub public_addresses: Vec<PublicAddress>,
}

/// Start of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Startup {
    /// State to start in.
    pub state: StartState,
    /// Use a real-time scheduling class where allowed.
    pub realtime_scheduling: bool,
    /// `CTDB_TEST_MODE` is set: addresses are recorded, not set.
    pub test_mode: bool,
    /// Limit of open files (`CTDB_MAX_OPEN_FILES`).
    pub max_open_files: Option<u64>,
    /// Write no core files (`CTDB_SUPPRESS_COREFILE`).
    pub suppress_core_file: bool,
}

/// State that a node starts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StartState {
    /// Start STOPPED.
    pub stopped: bool,
    /// Start DISABLED.
    pub disabled: bool,
}

/// Event scripts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Events {
    /// Program run when an event timed out.
    pub debug_script: Option<String>,
    /// `CTDB_*` variables for LVS, NAT gateway, policy routing and scripts.
    pub script_variables: BTreeMap<String, String>,
    /// Services named by `CTDB_MANAGES_X=yes` and `CTDB_MANAGED_SERVICES`, in lower case.
    pub managed_services: BTreeSet<String>,
}

/// Files and directories, all absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paths {
    /// Configuration directory.
    pub etc: String,
    /// Sockets, PID file, tokens.
    pub run: String,
    /// State that outlives a restart.
    pub var: String,
    /// Client socket.
    pub socket: String,
    /// Socket of the event interface.
    pub event_socket: String,
    /// PID file.
    pub pid_file: String,
    /// Console token.
    pub console_token: String,
    /// Public address list.
    pub public_addresses: String,
    /// Event script directory.
    pub event_scripts: String,
    /// Notification program.
    pub notify_script: String,
}

impl Settings {
    /// Is this node in LVS mode? The seed: naming the public address switches the capability on.
    pub fn lvs_capability(&self) -> bool {
        self.has_variable("CTDB_LVS_PUBLIC_IP")
    }

    /// May this node be NAT gateway leader?
    pub fn natgw_capability(&self) -> bool {
        let follower = self
            .events
            .script_variables
            .get("CTDB_NATGW_SLAVE_ONLY")
            .is_some_and(|value| value.eq_ignore_ascii_case("yes"));
        self.has_variable("CTDB_NATGW_NODES") && !follower
    }

    fn has_variable(&self, name: &str) -> bool {
        self.events
            .script_variables
            .get(name)
            .is_some_and(|value| !value.is_empty())
    }
}

/// The longest time that any setting may ask for; keeps sums of durations far from overflow.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Failover time that the default timings promise, measured at a client of the address.
pub const PROMISED_FAILOVER: Duration = Duration::from_millis(1500);

/// The timings of failure detection and leases.
///
/// Until the admin sets 4.17's tunables, ours apply; what he sets counts literally. A takeover
/// waits for `lease_hold + lease_gate + lease_drift` after the last proof of the old holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Between two keepalives to a node.
    pub keepalive_interval: Duration,
    /// Silence after which a node counts as lost.
    pub dead_after: Duration,
    /// A node refreshes its address lease for so long after its last acknowledged keepalive.
    pub lease_hold: Duration,
    /// Life of one refresh of the traffic gate.
    pub lease_gate: Duration,
    /// Allowance for the drift between two nodes' clocks while a lease is waited out.
    pub lease_drift: Duration,
    /// Between two refreshes of the traffic gate.
    pub lease_refresh: Duration,
    /// Between two broadcasts of the leader.
    pub leader_broadcast: Duration,
    /// Without a leader broadcast for so long, an election starts even if the leader answers.
    pub leader_timeout: Duration,
    /// Wait between the loss of the leader and the election; zero unless the admin set it.
    pub leader_loss_wait: Duration,
    /// Quiet that ends an election without cluster lock; `None` leaves it to the election.
    pub election_timeout: Option<Duration>,
    /// Pause between two recoveries; zero unless the admin set it.
    pub rerecovery_pause: Duration,
}

impl Timing {
    /// Derives the timings; see `docs/configuration.md` for the same rules as a table.
    pub fn from(tunables: &Tunables, settings: &Settings) -> Self {
        let mut timing = if settings.failover.fast {
            Self::fast()
        } else {
            Self::promised()
        };
        let interval = tunables.explicit(TunableId::KeepaliveInterval);
        let limit = tunables.explicit(TunableId::KeepaliveLimit);
        if interval.is_some() || limit.is_some() {
            // Zero would mean a busy loop; one second is the shortest that the unit can say.
            let seconds = tunables.get(TunableId::KeepaliveInterval).max(1);
            let intervals = tunables.get(TunableId::KeepaliveLimit).saturating_add(1);
            timing.keepalive_interval = seconds_of(seconds);
            timing.dead_after = timing
                .keepalive_interval
                .saturating_mul(intervals)
                .min(LONGEST);
            timing.lease_hold = timing.dead_after;
        }
        if let Some(wait) = settings.cluster.leader_timeout {
            timing.leader_timeout = wait.min(LONGEST);
            timing.leader_loss_wait = timing.leader_timeout;
        }
        timing.election_timeout = tunables
            .explicit(TunableId::ElectionTimeout)
            .map(seconds_of);
        timing.rerecovery_pause = tunables
            .explicit(TunableId::RerecoveryTimeout)
            .map_or(Duration::ZERO, seconds_of);
        timing
    }

    /// Longest time from a node's last proof of life until its addresses may be taken, plus the
    /// waits that the admin asked for.
    pub fn takeover_after(&self) -> Duration {
        self.dead_after
            .max(self.lease_hold + self.lease_gate + self.lease_drift)
            + self.leader_loss_wait
            + self.election_timeout.unwrap_or(Duration::ZERO)
    }

    /// Did the admin's values make failover slower than [`PROMISED_FAILOVER`]?
    pub fn is_slower_than_promised(&self) -> bool {
        self.takeover_after() > PROMISED_FAILOVER
    }

    fn promised() -> Self {
        Self {
            keepalive_interval: Duration::from_millis(100),
            dead_after: Duration::from_millis(700),
            lease_hold: Duration::from_millis(800),
            lease_gate: Duration::from_millis(400),
            lease_drift: Duration::from_millis(30),
            lease_refresh: Duration::from_millis(100),
            leader_broadcast: Duration::from_secs(1),
            leader_timeout: Duration::from_secs(5),
            leader_loss_wait: Duration::ZERO,
            election_timeout: None,
            rerecovery_pause: Duration::ZERO,
        }
    }

    fn fast() -> Self {
        Self {
            keepalive_interval: Duration::from_millis(50),
            dead_after: Duration::from_millis(300),
            lease_hold: Duration::from_millis(300),
            lease_gate: Duration::from_millis(250),
            lease_refresh: Duration::from_millis(50),
            ..Self::promised()
        }
    }
}

/// A tunable's seconds, within [`LONGEST`].
fn seconds_of(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds)).min(LONGEST)
}

#[cfg(test)]
mod tests;
