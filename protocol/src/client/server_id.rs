//! Identity of a Samba process, and the check whether it lives: `CHECK_PID_SRVID`.

use serde::{Deserialize, Serialize};

use super::cursor::fixed_payload;

/// A process in the cluster: holders of `g_lock` entries, senders of Samba's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServerId {
    /// Process id.
    pub pid: u64,
    /// Task inside the process.
    pub task_id: u32,
    /// Pnn of its node.
    pub vnn: u32,
    /// Tells processes apart that got the same pid one after the other.
    pub unique_id: u64,
}

fixed_payload!(ServerId, "server id", 24, [pid: u64; task_id: u32; vnn: u32; unique_id: u64]);

/// `CHECK_PID_SRVID`: packed, 12 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PidSrvid {
    /// Process id of a client.
    pub pid: i32,
    /// Srvid that it should have registered.
    pub srvid: u64,
}

fixed_payload!(PidSrvid, "pid and srvid", 12, [pid: i32; srvid: u64]);
