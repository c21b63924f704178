//! The controls: what a `REQ_CONTROL` asks for.
//!
//! Numbers and names are those of 4.17 plus the four that later versions of Samba added; gaps in
//! the numbering were never used. Obsolete controls are known so that the answer (status -1) and
//! the log can name them.

use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! opcodes {
    ($($number:literal $variant:ident $name:literal $state:ident $doc:literal,)*) => {
        /// Which control.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Opcode {
            $(#[doc = $doc] $variant,)*
            /// A number without a meaning.
            Unknown(u32),
        }

        impl Opcode {
            /// Every known control, in numeric order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The control of that number.
            pub const fn from_number(number: u32) -> Self {
                match number {
                    $($number => Self::$variant,)*
                    other => Self::Unknown(other),
                }
            }

            /// Its number on the wire.
            pub const fn number(self) -> u32 {
                match self {
                    $(Self::$variant => $number,)*
                    Self::Unknown(number) => number,
                }
            }

            /// Its name in Samba's vocabulary; `UNKNOWN` for an unknown number.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Unknown(_) => "UNKNOWN",
                }
            }

            /// No longer served by 4.17, which answers status -1 without text.
            pub const fn is_obsolete(self) -> bool {
                match self {
                    $(Self::$variant => is!($state),)*
                    Self::Unknown(_) => false,
                }
            }
        }
    };
}

macro_rules! is {
    (obsolete) => {
        true
    };
    (live) => {
        false
    };
}

opcodes! {
    0 ProcessExists "PROCESS_EXISTS" live "Is a process with this pid (i32) connected here?",
    1 Statistics "STATISTICS" live "Counters of the daemon.",
    3 Ping "PING" live "Status: number of clients.",
    4 GetDbPath "GETDBPATH" live "Path of a database file.",
    5 GetVnnMap "GETVNNMAP" live "The lmaster map.",
    6 SetVnnMap "SETVNNMAP" live "Sets the lmaster map.",
    7 GetDebug "GET_DEBUG" live "Log level (i32).",
    8 SetDebug "SET_DEBUG" live "Sets the log level.",
    9 GetDbMap "GET_DBMAP" live "The attached databases, newest first.",
    10 GetNodeMapV4 "GET_NODEMAPv4" obsolete "Node map without IPv6.",
    11 SetDmaster "SET_DMASTER" obsolete "Sets the dmaster of all records.",
    13 PullDb "PULL_DB" obsolete "Whole database in one reply.",
    14 PushDb "PUSH_DB" obsolete "Whole database in one request.",
    15 GetRecMode "GET_RECMODE" live "Status: 0 normal, 1 recovery active.",
    16 SetRecMode "SET_RECMODE" live "Starts or ends a recovery.",
    17 StatisticsReset "STATISTICS_RESET" live "Zeroes the counters.",
    18 DbAttach "DB_ATTACH" live "Attaches a volatile database.",
    19 SetCall "SET_CALL" obsolete "Registers a call function.",
    20 TraverseStart "TRAVERSE_START" live "Starts a cluster-wide traverse.",
    21 TraverseAll "TRAVERSE_ALL" live "Traverse between daemons.",
    22 TraverseData "TRAVERSE_DATA" live "Traverse record between daemons.",
    23 RegisterSrvid "REGISTER_SRVID" live "Receive messages of the header's srvid.",
    24 DeregisterSrvid "DEREGISTER_SRVID" live "Receive them no longer; status 2: never did.",
    25 GetDbName "GET_DBNAME" live "Name of a database.",
    26 EnableSeqnum "ENABLE_SEQNUM" live "Propagate the sequence number of a database.",
    27 UpdateSeqnum "UPDATE_SEQNUM" live "Sequence number raised elsewhere.",
    29 DumpMemory "DUMP_MEMORY" live "Report of memory use, text without NUL.",
    30 GetPid "GET_PID" live "Status: pid of the daemon.",
    31 GetRecmaster "GET_RECMASTER" obsolete "The leader is announced by message only.",
    32 SetRecmaster "SET_RECMASTER" obsolete "The leader is announced by message only.",
    33 Freeze "FREEZE" live "Freezes all databases.",
    34 Thaw "THAW" obsolete "Thaws all databases.",
    35 GetPnn "GET_PNN" live "Status: pnn of the node; every client's first control.",
    36 Shutdown "SHUTDOWN" live "Stops the daemon.",
    37 GetMonMode "GET_MONMODE" obsolete "Is monitoring on?",
    42 TakeoverIpV4 "TAKEOVER_IPv4" obsolete "Takes an IPv4 address.",
    43 ReleaseIpV4 "RELEASE_IPv4" obsolete "Releases an IPv4 address.",
    44 TcpClient "TCP_CLIENT" live "A client's TCP connection, to be tickled after a move.",
    45 TcpAdd "TCP_ADD" live "The same between daemons.",
    46 TcpRemove "TCP_REMOVE" live "Forgets a TCP connection.",
    47 Startup "STARTUP" live "A node tells the others that it started.",
    48 SetTunable "SET_TUNABLE" live "Sets a tunable.",
    49 GetTunable "GET_TUNABLE" live "Value of a tunable; status -22 if unknown.",
    50 ListTunables "LIST_TUNABLES" live "Names of the tunables.",
    51 GetPublicIpsV4 "GET_PUBLIC_IPSv4" obsolete "Public addresses without IPv6.",
    52 ModifyFlags "MODIFY_FLAGS" live "Node flags between daemons.",
    53 GetAllTunables "GET_ALL_TUNABLES" live "All values in wire order.",
    54 KillTcp "KILL_TCP" obsolete "Kills a TCP connection.",
    55 GetTcpTickleList "GET_TCP_TICKLE_LIST" live "Connections of a public address.",
    56 SetTcpTickleList "SET_TCP_TICKLE_LIST" live "Sets them.",
    57 RegisterServerId "REGISTER_SERVER_ID" obsolete "Server ids.",
    58 UnregisterServerId "UNREGISTER_SERVER_ID" obsolete "Server ids.",
    59 CheckServerId "CHECK_SERVER_ID" obsolete "Server ids.",
    60 GetServerIdList "GET_SERVER_ID_LIST" obsolete "Server ids.",
    61 DbAttachPersistent "DB_ATTACH_PERSISTENT" live "Attaches a persistent database.",
    62 PersistentStore "PERSISTENT_STORE" obsolete "Store in a persistent database.",
    63 UpdateRecord "UPDATE_RECORD" live "Stores records of a marshall buffer.",
    64 SendGratuitousArp "SEND_GRATUITOUS_ARP" live "Announces an address.",
    65 TransactionStart "TRANSACTION_START" obsolete "Cluster-wide transaction.",
    66 TransactionCommit "TRANSACTION_COMMIT" obsolete "Cluster-wide transaction.",
    67 WipeDatabase "WIPE_DATABASE" live "Empties a database inside a transaction.",
    69 Uptime "UPTIME" live "Times of start and of the last recovery.",
    70 StartRecovery "START_RECOVERY" live "Runs the startrecovery event.",
    71 EndRecovery "END_RECOVERY" live "Runs the recovered event.",
    72 ReloadNodesFile "RELOAD_NODES_FILE" live "Reads the nodes file again.",
    74 TryDeleteRecords "TRY_DELETE_RECORDS" live "Vacuum between daemons.",
    75 EnableMonitor "ENABLE_MONITOR" obsolete "Monitoring on.",
    76 DisableMonitor "DISABLE_MONITOR" obsolete "Monitoring off.",
    77 AddPublicIp "ADD_PUBLIC_IP" live "Adds a public address.",
    78 DelPublicIp "DEL_PUBLIC_IP" live "Removes a public address.",
    79 RunEventscripts "RUN_EVENTSCRIPTS" obsolete "Runs event scripts.",
    80 GetCapabilities "GET_CAPABILITIES" live "Capability bits (u32).",
    81 StartPersistentUpdate "START_PERSISTENT_UPDATE" live "Marked obsolete, still accepted.",
    82 CancelPersistentUpdate "CANCEL_PERSISTENT_UPDATE" live "Marked obsolete, still accepted.",
    83 Trans2Commit "TRANS2_COMMIT" obsolete "Older transactions.",
    84 Trans2CommitRetry "TRANS2_COMMIT_RETRY" obsolete "Older transactions.",
    85 Trans2Finished "TRANS2_FINISHED" obsolete "Older transactions.",
    86 Trans2Error "TRANS2_ERROR" obsolete "Older transactions.",
    87 RecdPing "RECD_PING" live "The recovery daemon lives.",
    88 ReleaseIp "RELEASE_IP" live "Releases a public address.",
    89 TakeoverIp "TAKEOVER_IP" live "Takes a public address.",
    90 GetPublicIps "GET_PUBLIC_IPS" live "The public addresses.",
    91 GetNodeMap "GET_NODEMAP" live "The nodes and their flags.",
    96 GetEventScriptStatus "GET_EVENT_SCRIPT_STATUS" obsolete "Now asked of eventd.",
    97 TraverseKill "TRAVERSE_KILL" live "Ends a traverse between daemons.",
    98 RecdReclockLatency "RECD_RECLOCK_LATENCY" live "Latency of the cluster lock (f64).",
    99 GetReclockFile "GET_RECLOCK_FILE" live "The cluster lock setting, or nothing.",
    100 SetReclockFile "SET_RECLOCK_FILE" obsolete "Sets the cluster lock.",
    101 StopNode "STOP_NODE" live "Sets the STOPPED flag.",
    102 ContinueNode "CONTINUE_NODE" live "Clears the STOPPED flag.",
    103 SetNatgwState "SET_NATGWSTATE" obsolete "NAT gateway capability.",
    104 SetLmasterRole "SET_LMASTERROLE" live "Lmaster capability on (1) or off.",
    105 SetRecmasterRole "SET_RECMASTERROLE" live "Leader capability on (1) or off.",
    107 EnableScript "ENABLE_SCRIPT" obsolete "Now asked of eventd.",
    108 DisableScript "DISABLE_SCRIPT" obsolete "Now asked of eventd.",
    109 SetBanState "SET_BAN_STATE" live "Bans a node, 0 seconds to unban.",
    110 GetBanState "GET_BAN_STATE" live "The ban of a node.",
    111 SetDbPriority "SET_DB_PRIORITY" obsolete "Priority of a database.",
    112 GetDbPriority "GET_DB_PRIORITY" obsolete "Priority of a database.",
    113 TransactionCancel "TRANSACTION_CANCEL" obsolete "Cluster-wide transaction.",
    114 RegisterNotify "REGISTER_NOTIFY" live "Message to send when the client goes.",
    115 DeregisterNotify "DEREGISTER_NOTIFY" live "Takes that back.",
    116 Trans2Active "TRANS2_ACTIVE" obsolete "Older transactions.",
    117 GetLog "GET_LOG" obsolete "The log ring.",
    118 ClearLog "CLEAR_LOG" obsolete "The log ring.",
    119 Trans3Commit "TRANS3_COMMIT" live "Commits a transaction.",
    120 GetDbSeqnum "GET_DB_SEQNUM" live "Transaction sequence number of a database.",
    121 DbSetHealthy "DB_SET_HEALTHY" live "Declares a database healthy.",
    122 DbGetHealth "DB_GET_HEALTH" live "Nothing, or why a database is unhealthy.",
    123 GetPublicIpInfo "GET_PUBLIC_IP_INFO" live "One public address and its interfaces.",
    124 GetIfaces "GET_IFACES" live "The interfaces of public addresses.",
    125 SetIfaceLinkState "SET_IFACE_LINK_STATE" live "Link state of an interface.",
    126 TcpAddDelayedUpdate "TCP_ADD_DELAYED_UPDATE" live "Adds a connection to tickle.",
    127 GetStatHistory "GET_STAT_HISTORY" live "Counters of past intervals.",
    128 ScheduleForDeletion "SCHEDULE_FOR_DELETION" live "Queues an empty record for vacuum.",
    129 SetDbReadonly "SET_DB_READONLY" live "Turns on read-only copies on one node.",
    130 CheckSrvids "CHECK_SRVIDS" obsolete "Which srvids are registered?",
    131 TraverseStartExt "TRAVERSE_START_EXT" live "Traverse, empty records optional.",
    132 GetDbStatistics "GET_DB_STATISTICS" live "Counters of a database.",
    133 SetDbSticky "SET_DB_STICKY" live "Turns on sticky records.",
    134 ReloadPublicIps "RELOAD_PUBLIC_IPS" live "Reads the public addresses file again.",
    135 TraverseAllExt "TRAVERSE_ALL_EXT" live "Traverse between daemons.",
    136 ReceiveRecords "RECEIVE_RECORDS" obsolete "Vacuum between daemons.",
    137 IpReallocated "IPREALLOCATED" live "Runs the ipreallocated event.",
    138 GetRunstate "GET_RUNSTATE" live "Run state (u32).",
    139 DbDetach "DB_DETACH" live "Detaches a database.",
    140 GetNodesFile "GET_NODES_FILE" live "The nodes file as a node map.",
    141 DbFreeze "DB_FREEZE" live "Freezes one database.",
    142 DbThaw "DB_THAW" live "Thaws one database.",
    143 DbTransactionStart "DB_TRANSACTION_START" live "Recovery transaction.",
    144 DbTransactionCommit "DB_TRANSACTION_COMMIT" live "Recovery transaction.",
    145 DbTransactionCancel "DB_TRANSACTION_CANCEL" live "Recovery transaction.",
    146 DbPull "DB_PULL" live "Records of a database, as messages.",
    147 DbPushStart "DB_PUSH_START" live "Records will come as messages.",
    148 DbPushConfirm "DB_PUSH_CONFIRM" live "How many came (u32).",
    149 DbOpenFlags "DB_OPEN_FLAGS" live "With which flags to open the file (i32).",
    150 DbAttachReplicated "DB_ATTACH_REPLICATED" live "Attaches a replicated database.",
    151 CheckPidSrvid "CHECK_PID_SRVID" live "Has that pid registered that srvid?",
    152 TunnelRegister "TUNNEL_REGISTER" live "Receive packets of a tunnel.",
    153 TunnelDeregister "TUNNEL_DEREGISTER" live "Receive them no longer.",
    154 VacuumFetch "VACUUM_FETCH" live "Vacuum between daemons.",
    155 DbVacuum "DB_VACUUM" live "Vacuums a database now.",
    156 EchoData "ECHO_DATA" live "Waits, then echoes.",
    157 DisableNode "DISABLE_NODE" live "Sets the DISABLED flag.",
    158 EnableNode "ENABLE_NODE" live "Clears the DISABLED flag.",
    159 TcpClientDisconnected "TCP_CLIENT_DISCONNECTED" live "A connection ended (after 4.17).",
    160 TcpClientPassed "TCP_CLIENT_PASSED" live "A connection changed process (after 4.17).",
    161 StartIpReallocate "START_IPREALLOCATE" live "Runs that event (after 4.17).",
    162 PushRecord "PUSH_RECORD" live "Pushes one record (after 4.17).",
    // Ours, far from what Samba may add.
    4096 WhyNotOk "WHY_NOT_OK" live "Ours: why the node is unhealthy or banned, as a text; empty if it is neither.",
}

impl Opcode {
    /// The answer is the status itself, without data.
    pub const fn answers_in_status(self) -> bool {
        matches!(
            self,
            Self::GetPnn
                | Self::GetPid
                | Self::GetRecMode
                | Self::Ping
                | Self::ProcessExists
                | Self::CheckPidSrvid
        )
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(number) => write!(f, "UNKNOWN({number})"),
            known => f.write_str(known.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_maps_back_to_itself() {
        for number in 0..=300 {
            assert_eq!(Opcode::from_number(number).number(), number);
        }
        let numbers: alloc::vec::Vec<u32> = Opcode::ALL.iter().map(|o| o.number()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn the_gaps_are_those_of_the_real_numbering() {
        let gaps: alloc::vec::Vec<u32> = (0..=162)
            .filter(|&n| matches!(Opcode::from_number(n), Opcode::Unknown(_)))
            .collect();
        assert_eq!(
            gaps,
            [2, 12, 28, 38, 39, 40, 41, 68, 73, 92, 93, 94, 95, 106]
        );
    }
}
