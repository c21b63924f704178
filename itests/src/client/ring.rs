//! Rings: the client of each node passes what it gets to the next node.
//!
//! They measure what Samba's `message_ring` and `fetch_ring` measure: in the first, node 0 starts
//! two tokens that go round in opposite directions; in the second one token goes round, and
//! everybody changes a record before passing it on. A token is an i32: the step to the next node.

use std::time::{Duration, Instant};

use ctdb_protocol::client::{Message, Payload};

use super::barrier::wait_for_all;
use super::connection::Client;
use super::db::Db;
use super::error::Result;

/// Srvid of the passes, that of Samba's programs.
const RING_SRVID: u64 = 0;
/// Key of the record that goes round.
const RING_KEY: &[u8] = b"testkey";
/// The record starts anew above this size, in bytes.
const MAX_RECORD_BYTES: usize = 10_000;
/// How long the others may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A ring over the nodes 0 to `nodes` - 1, one client on each.
#[derive(Debug, Clone, Copy)]
pub struct Ring {
    /// How many.
    pub nodes: u32,
    /// For how long.
    pub duration: Duration,
}

/// What one client saw.
#[derive(Debug, Clone, Copy)]
pub struct RingReport {
    /// Pnn of the client's node.
    pub pnn: u32,
    /// Tokens passed on.
    pub passes: u64,
    /// Time taken.
    pub elapsed: Duration,
    /// How often the record had to be called here (fetch ring).
    pub migrations: u64,
}

impl RingReport {
    /// Passes of this node per second.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn passes_per_s(&self) -> f64 {
        self.passes as f64 / self.elapsed.as_secs_f64()
    }
}

impl Ring {
    /// Runs the ring of bare messages.
    pub fn run_messages(&self, client: &mut Client) -> Result<RingReport> {
        self.run(client, &[1, -1], |_| Ok(0))
    }

    /// Runs the ring in which everybody adds a line to the record before it passes on.
    pub fn run_fetch(&self, client: &mut Client, db: &mut Db) -> Result<RingReport> {
        let pnn = client.pnn();
        self.run(client, &[1], |passes| {
            let update = db.fetch_lock(RING_KEY, |old| {
                let mut new = if old.len() > MAX_RECORD_BYTES {
                    Vec::new()
                } else {
                    old.to_vec()
                };
                new.extend(format!("msg_count={passes} on node {pnn}\n").bytes());
                new
            })?;
            Ok(update.migrations)
        })
    }

    /// The node `step` nodes on.
    fn next(&self, pnn: u32, step: i32) -> u32 {
        let nodes = i64::from(self.nodes);
        (i64::from(pnn) + i64::from(step)).rem_euclid(nodes) as u32
    }

    fn run(
        &self,
        client: &mut Client,
        tokens: &[i32],
        mut work: impl FnMut(u64) -> Result<u32>,
    ) -> Result<RingReport> {
        let pnn = client.pnn();
        client.register_srvid(RING_SRVID)?;
        let mut early = wait_for_all(client, self.nodes, START_LIMIT)?;
        if pnn == 0 {
            for &step in tokens {
                client.send_message(self.next(pnn, step), RING_SRVID, &step.to_bytes())?;
            }
        }
        let start = Instant::now();
        let mut report = RingReport {
            pnn,
            passes: 0,
            elapsed: Duration::ZERO,
            migrations: 0,
        };
        loop {
            report.elapsed = start.elapsed();
            let left = self.duration.saturating_sub(report.elapsed);
            if left.is_zero() {
                client.deregister_srvid(RING_SRVID)?;
                return Ok(report);
            }
            let arrived = match early.pop() {
                Some(message) => Some(message),
                None => client.recv_message(left)?,
            };
            if let Some(Message {
                srvid: RING_SRVID,
                data,
            }) = arrived
            {
                report.migrations += u64::from(work(report.passes)?);
                let step = i32::parse(&data)?;
                client.send_message(self.next(pnn, step), RING_SRVID, &data)?;
                report.passes += 1;
            }
        }
    }
}
