//! Message ids (SRVID): 64-bit names under which clients and daemons receive messages.
//!
//! The top byte tells the owner: 0x00 process ids, 0xAE tests, 0xBE clients, 0xCE the `ctdb` tool,
//! 0xDE iSCSI, 0xEE NFS, 0xFE Samba, 0xF0-0xFC the daemons themselves.

/// Registering it receives everything that is delivered on the node.
pub const ALL: u64 = u64::MAX;
/// Base for database pull and push.
pub const RECOVERY: u64 = 0xF001 << 48;
/// Ban notices between daemons; payload pnn u32.
pub const BANNING: u64 = 0xF002 << 48;
/// Votes between daemons; 32 bytes.
pub const ELECTION: u64 = 0xF100 << 48;
/// The leader's pnn (u32), to all connected nodes every second; `ctdb status` waits for it.
pub const LEADER: u64 = 0xF101 << 48;
/// Empty; to all connected nodes after each recovery.
pub const RECONFIGURE: u64 = 0xF200 << 48;
/// Address text with NUL; to the node's own clients after an address was released.
pub const RELEASE_IP: u64 = 0xF300 << 48;
/// Address text with NUL; to the node's own clients after an address was taken.
pub const TAKE_IP: u64 = 0xF301 << 48;
/// Empty; local clients, after that event (Samba after 4.17).
pub const IPREALLOCATED: u64 = 0xF302 << 48;
/// Empty; local clients, before addresses move (Samba after 4.17).
pub const START_IPREALLOCATE: u64 = 0xF303 << 48;
/// Obsolete.
pub const SET_NODE_FLAGS: u64 = 0xF400 << 48;
/// Address moves between daemons; [`super::public_ip::PublicIp`].
pub const RECD_UPDATE_IP: u64 = 0xF500 << 48;
/// Records for their lmaster to fetch and vacuum; a marshall buffer.
pub const VACUUM_FETCH: u64 = 0xF700 << 48;
/// A database to be detached; `db_id` u32.
pub const DETACH_DATABASE: u64 = 0xF701 << 48;
/// Asks for a memory dump; [`super::srvid_message::SrvidMessage`].
pub const MEM_DUMP: u64 = 0xF800 << 48;
/// Asks for the log ring; [`super::srvid_message::SrvidMessage`].
pub const GETLOG: u64 = 0xF801 << 48;
/// Empties the log ring.
pub const CLEARLOG: u64 = 0xF802 << 48;
/// Node flag changes between daemons; 12 bytes.
pub const PUSH_NODE_FLAGS: u64 = 0xF900 << 48;
/// Asks to read the nodes file again; empty.
pub const RELOAD_NODES: u64 = 0xFA00 << 48;
/// Asks the leader for a takeover run; [`super::srvid_message::SrvidMessage`], answered by i32.
pub const TAKEOVER_RUN: u64 = 0xFB00 << 48;
/// Asks for addresses to be moved to a node; pnn u32.
pub const REBALANCE_NODE: u64 = 0xFB01 << 48;
/// Forbids takeover runs; [`super::srvid_message::DisableMessage`], answered by i32.
pub const DISABLE_TAKEOVER_RUNS: u64 = 0xFB03 << 48;
/// Forbids recoveries; [`super::srvid_message::DisableMessage`], answered by i32.
pub const DISABLE_RECOVERIES: u64 = 0xFB04 << 48;
/// Suspends the check of address ownership; seconds u32.
pub const DISABLE_IP_CHECK: u64 = 0xFC00 << 48;

/// Samba's change-notify service.
pub const SAMBA_NOTIFY: u64 = 0xFE00_0000_0000_0000;
/// Samba's notify proxy; one message a second to all connected nodes.
pub const SAMBA_NOTIFY_PROXY: u64 = 0xFE00_0000_0000_0001;
/// Every process of Samba registers it.
pub const SAMBA_PROCESS: u64 = 0xFE00_0000_0000_0002;
/// Base of the ids of the `ctdb` tool's own traverses; the low bits are the pid.
pub const CLIENT_BASE: u64 = 0xBE00_0000_0000_0000;
/// Base of the reply ids of the `ctdb` tool: `| (pid & 0xFFFF) << 16 | sequence`.
pub const TOOL_BASE: u64 = 0xCE01_0000_0000_0000;
/// Base of the push of `ctdb restoredb`.
pub const RESTORE_BASE: u64 = 0xCE02_0000_0000_0000;
/// Start barrier of Samba's test programs: a client joins.
pub const TEST_JOIN: u64 = 0xAE00_0000_0000_0001;
/// Start barrier of Samba's test programs: everyone is there.
pub const TEST_SYNC: u64 = 0xAE00_0000_0000_0002;
/// Tunnel id of the test programs.
pub const TUNNEL_TEST: u64 = 0xFFFF_FFFF_0000_0000;
