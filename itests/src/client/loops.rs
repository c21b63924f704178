//! Clients on all nodes that do the same thing again and again, beginning together.

use std::time::{Duration, Instant};

use super::barrier::wait_for_all;
use super::connection::Client;
use super::error::Result;

/// How long the others may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// One client on each of the nodes 0 to `nodes` - 1.
#[derive(Debug, Clone, Copy)]
pub struct Loop {
    /// How many.
    pub nodes: u32,
    /// For how long.
    pub duration: Duration,
}

/// What one client did.
#[derive(Debug, Clone, Copy)]
pub struct LoopReport {
    /// Pnn of the client's node.
    pub pnn: u32,
    /// Turns done.
    pub turns: u64,
    /// Time taken.
    pub elapsed: Duration,
}

impl LoopReport {
    /// Turns per second.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn turns_per_s(&self) -> f64 {
        self.turns as f64 / self.elapsed.as_secs_f64()
    }
}

impl Loop {
    /// Waits for the others, then does `turn` until the time is over.
    pub fn run(
        &self,
        client: &mut Client,
        mut turn: impl FnMut(&mut Client) -> Result<()>,
    ) -> Result<LoopReport> {
        wait_for_all(client, self.nodes, START_LIMIT)?;
        let start = Instant::now();
        let mut turns = 0;
        while start.elapsed() < self.duration {
            turn(client)?;
            turns += 1;
        }
        Ok(LoopReport {
            pnn: client.pnn(),
            turns,
            elapsed: start.elapsed(),
        })
    }
}
