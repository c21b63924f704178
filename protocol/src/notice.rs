//! Every record that the daemon logs, as one closed enum: a stable name for monitoring, a level, fields,
//! and a message that holds the words today's monitoring greps for (ctdb-features.md section 9).
//! `docs/log.md` is generated from [`TABLE`].

use crate::flags::{NodeFlags, RunState};
use crate::id::{DbId, Generation, Pnn, Term};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// CTDB's eight levels; a higher number is less important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(i32)]
pub enum Level {
    /// The cluster is unusable.
    Emerg = -3,
    /// Somebody must act now.
    Alert = -2,
    /// A duty can't be done.
    Crit = -1,
    /// Something failed.
    Err = 0,
    /// Something is not as it should be.
    Warning = 1,
    /// A normal change of state.
    Notice = 2,
    /// Detail of normal work.
    Info = 3,
    /// For developers.
    Debug = 4,
}

impl Level {
    /// All levels, most important first.
    pub const ALL: [Self; 8] = [
        Self::Emerg,
        Self::Alert,
        Self::Crit,
        Self::Err,
        Self::Warning,
        Self::Notice,
        Self::Info,
        Self::Debug,
    ];

    /// The word of the seed manual.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emerg => "EMERG",
            Self::Alert => "ALERT",
            Self::Crit => "CRIT",
            Self::Err => "ERR",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Writes the enum, its names, levels, messages and fields from one table.
macro_rules! notices {
    ($($doc:literal $variant:ident { $($field:ident : $ty:ty),* $(,)? } $name:literal $level:ident $text:literal;)*) => {
        /// One log record.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "the fields' names say what they are; the text shows their use")]
        pub enum Notice {
            $(#[doc = $doc] $variant { $($field: $ty),* },)*
        }

        impl Notice {
            /// Stable name, the key for monitoring.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name,)* }
            }

            /// How important it is.
            pub const fn level(&self) -> Level {
                match self { $(Self::$variant { .. } => Level::$level,)* }
            }

            /// Names and values of its fields.
            pub fn fields(&self) -> Vec<(&'static str, String)> {
                match self {
                    $(Self::$variant { $($field),* } => {
                        alloc::vec![$((stringify!($field), $field.to_string())),*]
                    })*
                }
            }
        }

        impl fmt::Display for Notice {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant { $($field),* } => write!(f, $text, $($field = $field),*),)*
                }
            }
        }

        /// Name, level, message template and meaning of every record, in the order of the enum.
        pub const TABLE: &[(&str, Level, &str, &str)] = &[
            $(($name, Level::$level, $text, $doc),)*
        ];
    };
}

/// Flags as they print in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownFlags(pub NodeFlags);

impl fmt::Display for ShownFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0.bits())
    }
}

/// A database id as it prints in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownDb(pub DbId);

impl fmt::Display for ShownDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.0.0)
    }
}

notices! {
    // ---- daemon life
    "The daemon begins its work." DaemonStarting { version: String, pid: u32 } "daemon.starting" Notice "Starting CTDBD (Version {version}) as PID: {pid}";
    "The node knows its number." PnnIs { pnn: Pnn } "daemon.pnn" Notice "PNN is {pnn}";
    "Clients may connect." ListeningClients { path: String } "daemon.listening" Notice "Listening to ctdb socket {path}";
    "The stage of the daemon's life changed." RunStateSet { state: RunState, number: u32 } "daemon.runstate" Notice "Set runstate to {state} ({number})";
    "An orderly shutdown began." ShutdownStarted { reason: String } "daemon.shutdown_started" Notice "Shutdown sequence commencing: {reason}";
    "An orderly shutdown ended." ShutdownDone {} "daemon.shutdown_done" Notice "Shutdown sequence complete, exiting. CTDB daemon shutting down";
    "The guard process is gone; addresses are protected by leases alone." GuardGone {} "daemon.guard_gone" Alert "The guard process is gone: restart the daemon at the next opportunity; until then leases alone protect the public addresses";
    "A configuration file says something odd that does not stop us." ConfigWarning { file: String, line: u32, text: String } "config.warning" Warning "{file}:{line}: {text}";
    "A duty's actor failed and was started anew." DutyRestarted { duty: String, cause: String, restarts: u32 } "actor.restarted" Err "{duty} failed ({cause}) and was started again, restart {restarts}";
    "A duty could not be kept alive; the worker ends and the guard takes over." DutyGivenUp { duty: String, cause: String } "actor.given_up" Crit "{duty} can't be kept alive ({cause}): ending this process so that the guard starts a new one";
    "The queue of a connection is full; the connection was closed." QueueFull { connection: String, queued: u64 } "queue.full" Err "Queue of {connection} is full ({queued} messages): closing it";

    "The nodes file was read again, and what it says is in force." NodesReloaded { nodes: u32, lines: u32 } "nodes.reloaded" Notice "Reloaded the nodes file: {nodes} nodes on {lines} lines";

    "Another node has a different nodes file in force for more than a moment." NodesDiffer { peer: Pnn, line: u32, there: String, here: String } "nodes.differ" Warning "Nodes file of node {peer} differs from the one here: node {line} is {there} there and {here} here: make the files of all nodes the same, then run 'ctdb reloadnodes'";
    "A node's nodes file is the same as here again." NodesAgree { peer: Pnn } "nodes.agree" Notice "Nodes file of node {peer} is the same as here again";

    // ---- links and heartbeat
    "A peer's link is up and the peer was accepted." LinkUp { peer: Pnn, address: String } "link.up" Notice "Node {peer}: connected to {address}";
    "A peer is lost." NodeDead { peer: Pnn, reason: String, connected: u32 } "link.node_dead" Err "Node {peer} is dead: {reason}: {connected} connected";
    "A hello was refused; both sides log it." HelloRefused { peer: String, reason: String } "link.hello_refused" Err "Hello of {peer} refused: {reason}";
    "A peer sent something that can't be; its connection was closed." BadPeer { peer: String, reason: String } "link.bad_peer" Err "Closing connection with {peer}: {reason}";
    "A node's flags changed." FlagsChanged { node: Pnn, old: ShownFlags, new: ShownFlags } "node.flags" Notice "Node {node} has changed flags - {old} -> {new}";

    // ---- lease
    "Public addresses may be answered again." LeaseRegained {} "lease.regained" Notice "Lease of public addresses regained";
    "Public addresses are silent until the cluster acknowledges this node again." LeaseExpired { reason: String } "lease.expired" Err "Lease of public addresses expired: {reason}";
    "No nftables hooks: addresses are leased by their lifetime alone." LeaseWithoutGate { reason: String } "lease.no_gate" Warning "nftables gate not usable ({reason}): addresses are leased by their lifetime alone, a failover takes up to 4 s";
    "Somebody removed our nftables table; it was rebuilt." GateRebuilt {} "lease.gate_rebuilt" Warning "nftables table 'ctdb' had vanished and was rebuilt";

    // ---- election and cluster lock
    "No leader is known; an election begins." ElectionStarted { reason: String } "election.started" Notice "Start election: {reason}";
    "This node leads." BecameLeader { pnn: Pnn, term: Term } "election.won" Notice "Took leadership, leader={pnn} term={term}";
    "Another node leads." LeaderIs { leader: Pnn, term: Term } "election.leader" Notice "Received leader broadcast, leader={leader} term={term}";
    "The leader is gone." LeaderLost { leader: Pnn, reason: String } "election.leader_lost" Notice "Leader broadcast timeout: leader {leader} lost: {reason}";
    "This node leads no more." SteppedDown { reason: String } "election.stepped_down" Warning "Stepping down as leader: {reason}";
    "The cluster lock is wanted." LockWanted {} "lock.wanted" Info "Attempting to take cluster lock";
    "The cluster lock was taken." LockTaken { pnn: Pnn } "lock.taken" Notice "Took cluster lock, leader={pnn}";
    "Another node holds the cluster lock." LockContended {} "lock.contended" Info "Unable to take cluster lock - contention";
    "The cluster lock helper failed." LockError { reason: String } "lock.error" Err "Unable to take cluster lock - {reason}";
    "The cluster lock was lost." LockLost { reason: String } "lock.lost" Err "Cluster lock helper terminated: {reason}";
    "There is no cluster lock." NoClusterLock {} "lock.none" Warning "No cluster lock is configured: a majority of nodes decides, and two nodes alone can't tell a cut cable from a dead peer";
    "This side of the cluster is the smaller one and waits." MinoritySide { connected: u32, nodes: u32 } "election.minority" Warning "Cluster incomplete: {connected} of {nodes} nodes connected, not enough to lead";

    // ---- membership and recovery
    "A recovery began." RecoveryStarted { generation: Generation, reason: String } "recovery.started" Err "Recovery has started, generation={generation}: {reason}";
    "A recovery ended." RecoveryFinished { generation: Generation, duration_ms: u64, databases: u32 } "recovery.finished" Err "Recovery has finished, generation={generation}: {databases} of {databases} databases recovered in {duration_ms} ms. Recovery complete";
    "The recovery mode changed." RecoveryMode { mode: String } "recovery.mode" Notice "Recovery mode set to {mode}";
    "How much a recovery goes through is decided." RecoveryScope { generation: Generation, scope: String } "recovery.scope" Notice "Recovery of generation {generation} goes through {scope}";
    "A recovery was given up and is repeated." RecoveryAborted { generation: Generation, reason: String } "recovery.aborted" Warning "Recovery of generation {generation} aborted: {reason}";
    "This node's volatile data is older than the cluster's and was dropped." StaleDataDropped { generation: Generation } "recovery.stale_dropped" Notice "This node comes back from generation {generation}: its volatile records are dropped";
    "A node was banned." Banned { node: Pnn, seconds: u32, reason: String } "ban.banned" Err "Banning node {node} for {seconds} seconds: {reason}";
    "This node's ban ended." Unbanned { node: Pnn } "ban.ended" Notice "Unbanning this node {node}: Banning timed out or lifted";

    // ---- records
    "A record's dmaster was not known; the nodes were asked." RecordSought { db: ShownDb, key: String } "record.sought" Info "Record {key} of database {db}: asking all nodes for its newest copy";
    "A request wandered over many nodes." HighHopcount { db: ShownDb, hops: u32 } "record.hops" Warning "High hopcount {hops} for a record of database {db}";
    "A database was attached." DatabaseAttached { name: String, db: ShownDb } "database.attached" Notice "Attached to database {name} ({db})";
    "A database could not be opened." DatabaseFailed { name: String, reason: String } "database.failed" Err "Failed to open database {name}: {reason}";
    "A transaction could not be applied to a persistent or replicated database here, or its file failed." TransactionFailed { name: String, reason: String } "database.transaction_failed" Err "Transaction on database {name} failed: {reason}";
    "The structure of a persistent file was damaged: it was set aside, and the other nodes' content takes its place." DatabaseSetAside { name: String, file: String, reason: String } "database.set_aside" Crit "Database {name} is damaged ({reason}): its file is now {file}; the other nodes send a copy";
    "A record lock could not be had for a long time; names who holds it, and where in the kernel that one is." LockWaiting { name: String, seconds: u64, key: String, holder: String, stack: String } "database.lock_waiting" Warning "Unable to get RECORD lock on database {name} for {seconds} seconds (key {key}): {holder} [{stack}]";
    "A client ended with a lock that it had not released; the daemon took it back." LockTakenBack { name: String, what: String, client: String, reason: String } "database.lock_taken_back" Warning "Took back {what} of database {name} from {client}: {reason}";
    "A lock whose owner may be dead was not taken back: that would not be safe." LockLeft { name: String, what: String, client: String, reason: String } "database.lock_left" Err "Lock on {what} of database {name} stays with {client}: {reason}";
    "A client held a lock for longer than the admin allowed; it was killed." LockHolderKilled { name: String, client: String } "database.lock_holder_killed" Err "Killed {client}, which held a lock of database {name} for too long";

    // ---- monitor
    "The node's services became healthy." BecameHealthy {} "monitor.healthy" Notice "Node became HEALTHY: monitor event OK - node re-enabled";
    "The checks pass, but the node became unhealthy too often lately to be trusted at once." HealthDamped { falls: u32, seconds: u64 } "monitor.damped" Warning "Node became unhealthy {falls} times in ten minutes: HEALTHY again when its checks pass for {seconds} s more (look for what makes it flap; [failover] damp flapping = false switches this off)";
    "The node's services failed a check." BecameUnhealthy { reason: String } "monitor.unhealthy" Notice "Node became UNHEALTHY: monitor event failed - disabling node: {reason}";
    "The daemon does the work of these scripts itself." ScriptsNative { scripts: String } "event.native" Notice "The work of these event scripts is done by the daemon itself, they are not run: {scripts}";
    "A script whose work is the daemon's own was changed by the admin: what it does besides is not done." NativeScriptChanged { script: String, file: String } "event.native_changed" Warning "{file} differs from every shipped version of {script}, which is not run: changes in it have no effect, put them into a script of another name";
    "A script's variables are set but the script is not enabled: the daemon does not do its work." NativeScriptOff { script: String, directory: String } "event.native_off" Warning "{script} is configured but not enabled in {directory}, so its work is not done: 'ctdb event script enable legacy {script}' enables it";
    "Links are not checked." InterfacesNotChecked { directory: String } "event.interfaces_not_checked" Warning "10.interface is not enabled in {directory}: the links of public interfaces do not count for this node's health";
    "A script failed, and with it the event." EventFailed { event: String, script: String, result: i32 } "event.failed" Notice "{event} event failed: {script} ended with {result}";
    "A script did not end in time." EventTimedOut { event: String, script: String } "event.timed_out" Notice "{event} event timed out: {script}";
    "An event could not be run." EventNotRun { event: String, error_number: i32 } "event.not_run" Err "{event} event could not be run: error {error_number}";
    "Too many events wait; the newest was refused." EventRefused { event: String } "event.refused" Err "{event} event refused: too many events wait";
    "A script hangs: what one of its processes does." HungScript { script: String, pid: i32, command: String, state: String, stack: String } "event.hung" Err "event_debug: {script}: pid {pid} ({command}) state {state}: {stack}";
    "The end of the processes of a script that hung." HungScriptKilled { script: String, group: i32 } "event.killed" Err "Ending process group {group} of hung script {script}";
    "The notification program ended." Notified { event: String, result: String } "notify.done" Notice "Notification {event}: {result}";
    "The notification program failed." NotifyFailed { event: String, result: String } "notify.failed" Err "Notification {event} failed: {result}";

    // ---- public addresses
    "A takeover run began." TakeoverStarted { reason: String } "takeover.started" Notice "Takeover run starting: {reason}";
    "A takeover run ended." TakeoverDone { moved: u32, duration_ms: u64 } "takeover.done" Notice "Takeover run completed successfully: {moved} addresses moved in {duration_ms} ms";
    "This node took an address." AddressTaken { address: IpAddr, interface: String } "takeover.taken" Notice "Takeover of IP {address} on interface {interface}";
    "This node gave up an address." AddressReleased { address: IpAddr, interface: String } "takeover.released" Notice "Release of IP {address} on interface {interface}";
    "An address changed its interface within the node." AddressMoved { address: IpAddr, from: String, to: String } "takeover.moved" Notice "Update of IP {address} from interface {from} to {to}";
    "An address of this node was taken off its interface by somebody else; it was put back." AddressRestored { address: IpAddr, interface: String } "takeover.restored" Warning "Assigned IP {address} not on an interface: somebody took it off {interface}, it was put back";
    "A public address that is not this node's now was put on an interface by somebody else; it was removed." AddressIntruded { address: IpAddr, interface: String } "takeover.intruded" Warning "IP {address} incorrectly on an interface: somebody put it on {interface}, it was removed";
    "All addresses were dropped." AddressesDropped { reason: String } "takeover.dropped" Notice "Dropping all public IP addresses: {reason}";
    "No node can host an address." AddressUnhosted { address: IpAddr } "takeover.unhosted" Warning "Failed to find node to cover ip {address}";
    "The kernel refused an address operation." AddressFailed { address: IpAddr, reason: String } "takeover.failed" Err "Public address {address}: {reason}";
    "This node receives what clients send to the LVS address." LvsReceives { address: IpAddr } "lvs.receives" Notice "LVS: this node is the leader for {address}";
    "The nodes changed that new connections to the LVS address go to." LvsServers { address: IpAddr, nodes: String } "lvs.servers" Notice "LVS: new connections to {address} go to nodes {nodes}";
    "The LVS address, its rules or the settings for it could not be brought into the kernel." LvsFailed { address: IpAddr, reason: String } "lvs.failed" Err "LVS address {address}: {reason}";
    "A node is in the files of two LVS groups; it belongs to the one whose address it has itself." LvsTwoGroups { node: Pnn, address: IpAddr, other: IpAddr } "lvs.two_groups" Warning "LVS: node {node} is in the groups of {address} and of {other}, and can be in one only: take it out of the file of the other";
    "The NAT gateway of this node's group is another node than before." NatgwChosen { gateway: Pnn, address: IpAddr } "natgw.chosen" Notice "NAT gateway of the group is node {gateway} ({address})";
    "No node of the group can be the NAT gateway." NatgwNone {} "natgw.none" Warning "There is no NATGW leader node";
    "This node is the NAT gateway now: it has the address." NatgwServing { address: IpAddr } "natgw.serving" Notice "This node is the NAT gateway: it has {address}";
    "This node is the NAT gateway no more." NatgwStopped { address: IpAddr } "natgw.stopped" Notice "This node is not the NAT gateway any more: {address} is released";
    "This node takes no part in NAT gateways." NatgwRefused { reason: String } "natgw.refused" Err "No NAT gateway here: {reason}";
    "Something of the NAT gateway could not be set up; it is tried again." NatgwFailed { reason: String } "natgw.failed" Err "NAT gateway: {reason}";
    "Rules or routes that the daemon keeps had gone, by somebody's hand or with a link; they are back." RoutesRepaired { count: u64 } "routing.repaired" Notice "{count} rules and routes were missing and are added again";
    "The kernel does not take a rule or route; it is tried again every second." RoutesFailed { reason: String } "routing.failed" Err "Routing: {reason}";
    "The names of the routing tables could not be written: tables show as numbers." TableNamesFailed { reason: String } "routing.names_failed" Warning "Names of routing tables: {reason}";
    "Policy routing cannot be done for an address, or not as the file says." PolicyRoutingFailed { reason: String } "routing.policy_failed" Err "Policy routing: {reason}";
    "An interface's link changed." InterfaceLink { interface: String, old: String, new: String } "interface.link" Err "iface[{interface}] has changed it's link status {old} => {new}";
}
