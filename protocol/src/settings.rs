//! Validated, plain settings of one node.
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

use crate::event::name;
use crate::natgw::config::{self, Config as NatgwConfig};
use crate::notice::Level;

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
    /// The one address of the whole cluster, if this node takes part in LVS.
    pub lvs: Option<Lvs>,
    /// The NAT gateway of this node's group, if it is in one.
    pub natgw: Option<NatGateway>,
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
    pub level: Level,
    /// Level at which output of scripts is logged.
    pub script_level: Level,
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
    /// A lock that is waited for so long is named in the log.
    pub lock_warning_time: Duration,
    /// A client that keeps us waiting for a lock for so long is killed; `None`: never.
    pub lock_eviction_time: Option<Duration>,
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
    /// A node whose health flaps is held back for a while.
    pub damp_flapping: bool,
    /// Longest wait at shutdown until others took the addresses; zero switches it off.
    pub shutdown_failover_timeout: Duration,
    /// Wait after that succeeded.
    pub shutdown_extra_timeout: Duration,
    /// What this node may host, in the order of the file.
    pub public_addresses: Vec<PublicAddress>,
}

/// One line of a group file (`lvs_nodes`, `natgw_nodes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLine {
    /// Private address of a node.
    pub address: IpAddr,
    /// `follower-only`, once `slave-only`: the node never leads the group.
    pub follower_only: bool,
}

/// LVS as this node has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lvs {
    /// The address that clients use.
    pub address: IpAddr,
    /// The interface towards them; only a node that never leads may be without.
    pub interface: Option<String>,
    /// The lines of the `lvs_nodes` file; without one the group is every node that announces the capability.
    pub group: Option<Vec<GroupLine>>,
}

/// The NAT gateway as this node has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatGateway {
    /// The variables.
    pub config: NatgwConfig,
    /// The lines of the group's file.
    pub group: Vec<GroupLine>,
    /// The variables keep this node from being the gateway.
    pub slave_only: bool,
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

impl Lvs {
    /// Whether the node with this private address may hold the LVS address.
    pub fn may_lead(&self, own: IpAddr) -> bool {
        let is_listed = |lines: &Vec<GroupLine>| {
            let mut lines = lines.iter();
            lines.any(|line| line.address == own && !line.follower_only)
        };
        self.interface.is_some() && self.group.as_ref().is_none_or(is_listed)
    }
}

impl Settings {
    /// Is this node in LVS mode? The seed: naming the public address switches the capability on.
    pub fn lvs_capability(&self) -> bool {
        self.has_variable("CTDB_LVS_PUBLIC_IP")
    }

    /// May this node be NAT gateway leader?
    pub fn natgw_capability(&self) -> bool {
        let follower = config::is_slave_only(&self.events.script_variables);
        self.has_variable(config::NODES) && !follower
    }

    /// The native scripts whose variables are set; 10.interface is always one.
    pub fn native_scripts(&self) -> BTreeSet<&'static str> {
        let is_configured = |script: &&str| match *script {
            name::NATGW => self.has_variable(config::NODES),
            name::PER_IP_ROUTING => self.has_variable("CTDB_PER_IP_ROUTING_CONF"),
            name::LVS => self.has_variable("CTDB_LVS_NODES") || self.lvs_capability(),
            _ => true,
        };
        name::NATIVE.into_iter().filter(is_configured).collect()
    }

    fn has_variable(&self, name: &str) -> bool {
        self.events
            .script_variables
            .get(name)
            .is_some_and(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests;
