//! Counters of the daemon: STATISTICS, `GET_STAT_HISTORY`. 488 bytes, layout of `x86_64`.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, fixed_payload, put_items, put_len, put_zeros};
use super::error::WireError;
use super::uptime::TimeVal;

/// Number of buckets of the histograms.
pub const BUCKETS: usize = 16;

/// A running minimum, maximum and sum, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Latency {
    /// How many were counted.
    pub num: i32,
    /// Shortest.
    pub min_s: f64,
    /// Longest.
    pub max_s: f64,
    /// Sum.
    pub total_s: f64,
}

fixed_payload!(Latency, "latency", 32, [num: i32, +4; min_s: f64; max_s: f64; total_s: f64]);

/// Counters of record and database locks.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LockStatistics {
    /// Locks asked for.
    pub num_calls: u32,
    /// Held now.
    pub num_current: u32,
    /// Waited for now.
    pub num_pending: u32,
    /// Not obtained.
    pub num_failed: u32,
    /// Time waited.
    pub latency: Latency,
    /// Times waited, by length.
    pub buckets: [u32; BUCKETS],
}

fixed_payload!(LockStatistics, "lock statistics", 112, [
    num_calls: u32; num_current: u32; num_pending: u32; num_failed: u32;
    latency: Latency; buckets: [u32; BUCKETS];
]);

/// Packets received from nodes, by type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodePackets {
    /// `REQ_CALL`.
    pub req_call: u32,
    /// `REPLY_CALL`.
    pub reply_call: u32,
    /// `REQ_DMASTER`.
    pub req_dmaster: u32,
    /// `REPLY_DMASTER`.
    pub reply_dmaster: u32,
    /// `REPLY_ERROR`.
    pub reply_error: u32,
    /// `REQ_MESSAGE`.
    pub req_message: u32,
    /// `REQ_CONTROL`.
    pub req_control: u32,
    /// `REPLY_CONTROL`.
    pub reply_control: u32,
    /// `REQ_TUNNEL`.
    pub req_tunnel: u32,
}

fixed_payload!(NodePackets, "node packets", 36, [
    req_call: u32; reply_call: u32; req_dmaster: u32; reply_dmaster: u32; reply_error: u32;
    req_message: u32; req_control: u32; reply_control: u32; req_tunnel: u32;
]);

/// Packets received from clients, by type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClientPackets {
    /// `REQ_CALL`.
    pub req_call: u32,
    /// `REQ_MESSAGE`.
    pub req_message: u32,
    /// `REQ_CONTROL`.
    pub req_control: u32,
    /// `REQ_TUNNEL`.
    pub req_tunnel: u32,
}

fixed_payload!(ClientPackets, "client packets", 16, [
    req_call: u32; req_message: u32; req_control: u32; req_tunnel: u32;
]);

/// The answer to STATISTICS.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Statistics {
    /// Clients connected now.
    pub num_clients: u32,
    /// Databases frozen now (0 or 1).
    pub frozen: u32,
    /// Recovery active now (0 or 1).
    pub recovering: u32,
    /// Packets to clients.
    pub client_packets_sent: u32,
    /// Packets from clients.
    pub client_packets_recv: u32,
    /// Packets to nodes.
    pub node_packets_sent: u32,
    /// Packets from nodes.
    pub node_packets_recv: u32,
    /// Keepalives to nodes.
    pub keepalive_packets_sent: u32,
    /// Keepalives from nodes.
    pub keepalive_packets_recv: u32,
    /// From nodes, by type.
    pub node: NodePackets,
    /// From clients, by type.
    pub client: ClientPackets,
    /// Calls, controls, traverses that timed out.
    pub timeouts: [u32; 3],
    /// Cluster lock, taken by the daemon.
    pub reclock_ctdbd: Latency,
    /// Cluster lock, taken by the recovery daemon.
    pub reclock_recd: Latency,
    /// Locks.
    pub locks: LockStatistics,
    /// Calls of clients.
    pub total_calls: u32,
    /// Of them pending.
    pub pending_calls: u32,
    /// Writes done in a child process.
    pub childwrite_calls: u32,
    /// Of them pending.
    pub pending_childwrite_calls: u32,
    /// Bytes of memory in use.
    pub memory_used: u32,
    /// Number of this interval in the history.
    pub counter: u32,
    /// Longest way of a call, in hops.
    pub max_hop_count: u32,
    /// Calls by hops.
    pub hop_count_buckets: [u32; BUCKETS],
    /// Duration of calls.
    pub call_latency: Latency,
    /// Duration of writes in a child.
    pub childwrite_latency: Latency,
    /// Recoveries.
    pub num_recoveries: u32,
    /// Begin of counting.
    pub start_time: TimeVal,
    /// Now.
    pub current_time: TimeVal,
    /// Read-only copies given out.
    pub total_ro_delegations: u32,
    /// Read-only copies called back.
    pub total_ro_revokes: u32,
}

fixed_payload!(Statistics, "statistics", 488, [
    num_clients: u32; frozen: u32; recovering: u32;
    client_packets_sent: u32; client_packets_recv: u32;
    node_packets_sent: u32; node_packets_recv: u32;
    keepalive_packets_sent: u32; keepalive_packets_recv: u32;
    node: NodePackets; client: ClientPackets; timeouts: [u32; 3], +4;
    reclock_ctdbd: Latency; reclock_recd: Latency; locks: LockStatistics;
    total_calls: u32; pending_calls: u32; childwrite_calls: u32; pending_childwrite_calls: u32;
    memory_used: u32; counter: u32; max_hop_count: u32; hop_count_buckets: [u32; BUCKETS], +4;
    call_latency: Latency; childwrite_latency: Latency; num_recoveries: u32, +4;
    start_time: TimeVal; current_time: TimeVal;
    total_ro_delegations: u32; total_ro_revokes: u32;
]);

/// The answer to `GET_STAT_HISTORY`; the real daemon always sends 100 entries.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StatisticsHistory {
    /// One entry per interval, the newest first.
    pub entries: Vec<Statistics>,
}

impl Payload for StatisticsHistory {
    const NAME: &'static str = "statistics history";
    const MIN_SIZE: usize = 8;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let count = cursor.count()?;
        cursor.skip(4)?;
        Ok(Self {
            entries: cursor.list(count)?,
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        put_len(out, self.entries.len());
        put_zeros(out, 4);
        put_items(out, &self.entries);
    }
}
