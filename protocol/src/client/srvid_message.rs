//! Payloads of messages that ask a daemon for something, and of a client's last words.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, fixed_payload, put, put_counted};
use super::error::WireError;
use super::nodemap::NodeFlags;
use super::uptime::TimeVal;

/// "Do it and answer there": `TAKEOVER_RUN`, `MEM_DUMP`, GETLOG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SrvidMessage {
    /// Node of the asker.
    pub pnn: u32,
    /// Where the answer goes.
    pub srvid: u64,
}

fixed_payload!(SrvidMessage, "srvid message", 16, [pnn: u32, +4; srvid: u64]);

/// "Do not do it for a while": `DISABLE_TAKEOVER_RUNS`, `DISABLE_RECOVERIES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DisableMessage {
    /// Node of the asker.
    pub pnn: u32,
    /// Where the answer goes.
    pub srvid: u64,
    /// For how long, in seconds; 0 allows it again.
    pub timeout_s: u32,
}

fixed_payload!(DisableMessage, "disable message", 24, [
    pnn: u32, +4; srvid: u64; timeout_s: u32, +4;
]);

/// A vote of a real recovery daemon: ELECTION.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ElectionMessage {
    /// How many nodes the candidate sees.
    pub num_connected: u32,
    /// Since when it has been up.
    pub priority_time: TimeVal,
    /// The candidate.
    pub pnn: u32,
    /// Its flags.
    pub flags: NodeFlags,
}

fixed_payload!(ElectionMessage, "election message", 32, [
    num_connected: u32, +4; priority_time: TimeVal; pnn: u32; flags: NodeFlags;
]);

/// `REGISTER_NOTIFY`: sent to all connected nodes when the client is gone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NotifyData {
    /// Srvid of the message.
    pub srvid: u64,
    /// Its payload.
    pub data: Vec<u8>,
}

impl Payload for NotifyData {
    const NAME: &'static str = "notify registration";
    const MIN_SIZE: usize = 12;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let srvid = cursor.u64()?;
        Ok(Self {
            srvid,
            data: cursor.counted_bytes()?.to_vec(),
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        put(out, self.srvid);
        put_counted(out, &self.data);
    }
}

/// `ECHO_DATA`: comes back unchanged after the timeout.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EchoData {
    /// How long to wait, in milliseconds.
    pub timeout_ms: u32,
    /// What to send back.
    pub data: Vec<u8>,
}

impl Payload for EchoData {
    const NAME: &'static str = "echo";
    const MIN_SIZE: usize = 8;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let timeout_ms = cursor.u32()?;
        Ok(Self {
            timeout_ms,
            data: cursor.counted_bytes()?.to_vec(),
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        put(out, self.timeout_ms);
        put_counted(out, &self.data);
    }
}
