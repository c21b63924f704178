//! Clients that want one record again and again: how long each turn is waited for.

use super::db::Db;
use super::error::Result;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How one client behaves.
#[derive(Debug, Clone, Copy)]
pub struct Turns {
    /// How long it goes on.
    pub duration: Duration,
    /// How long it keeps the record's lock each time.
    pub hold: Duration,
    /// Between its turns.
    pub pause: Duration,
}

/// What one client saw.
#[derive(Debug, Clone)]
pub struct TurnsReport {
    /// How long each turn was waited for, shortest first.
    pub waits: Vec<Duration>,
    /// The same of those turns for which the record had to be called here.
    pub fetches: Vec<Duration>,
    /// How often the record had to be called here.
    pub migrations: u64,
    /// How long it took in all.
    pub elapsed: Duration,
}

impl Turns {
    /// Adds 1 to the number in the record at each turn.
    pub fn run(&self, db: &mut Db, key: &[u8]) -> Result<TurnsReport> {
        let (mut waits, mut fetches, mut migrations) = (Vec::new(), Vec::new(), 0);
        let begin = Instant::now();
        while begin.elapsed() < self.duration {
            let (asked, mut waited) = (Instant::now(), Duration::ZERO);
            let update = db.fetch_lock(key, |old| {
                waited = asked.elapsed();
                if !self.hold.is_zero() {
                    sleep(self.hold);
                }
                let old = old.first_chunk().copied().unwrap_or_default();
                (u64::from_le_bytes(old) + 1).to_le_bytes().to_vec()
            })?;
            waits.push(waited);
            if update.migrations > 0 {
                fetches.push(waited);
            }
            migrations += u64::from(update.migrations);
            if !self.pause.is_zero() {
                sleep(self.pause);
            }
        }
        waits.sort_unstable();
        fetches.sort_unstable();
        Ok(TurnsReport {
            waits,
            fetches,
            migrations,
            elapsed: begin.elapsed(),
        })
    }
}

/// The wait that `percent` of all turns do not exceed, in milliseconds; 0 without turns.
pub fn percentile_ms(sorted: &[Duration], percent: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let wait = sorted.get(last * percent / 100);
    wait.map_or(0.0, |wait| wait.as_secs_f64() * 1e3)
}

/// The mean wait in milliseconds; 0 without turns.
pub fn mean_ms(waits: &[Duration]) -> f64 {
    let all: Duration = waits.iter().sum();
    let turns = u32::try_from(waits.len()).unwrap_or(u32::MAX);
    all.as_secs_f64() * 1e3 / f64::from(turns.max(1))
}
