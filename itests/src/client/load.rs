//! Many records, and how long a database makes its clients wait.

use std::time::{Duration, Instant};

use ctdb_protocol::client::{CallFlags, CallId, RecordHeader};

use super::connection::Client;
use super::db::Db;
use super::error::Result;

/// Calls that are under way at once while records are made.
const WINDOW: usize = 512;
/// Records that the probes of all nodes pass round: enough that every lmaster has some.
const PROBES: u64 = 24;
/// Rest of a probe between two records.
const PROBE_REST: Duration = Duration::from_micros(500);

/// Makes the records `PREFIX-0` to `PREFIX-(count - 1)` with `size` bytes here.
pub fn fill(db: &mut Db, prefix: &str, count: u64, size: usize) -> Result<()> {
    let data = vec![b'x'; size];
    let keys: Vec<Vec<u8>> = (0..count)
        .map(|number| format!("{prefix}-{number:012}").into_bytes())
        .collect();
    for window in keys.chunks(WINDOW) {
        db.call_many(CallId::Null, CallFlags::IMMEDIATE_MIGRATION, window)?;
        for key in window {
            db.fetch_lock(key, |_| data.clone())?;
        }
    }
    Ok(())
}

/// What a local file holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Held {
    /// Records with data of which this node is dmaster.
    pub own: u64,
    /// All records, copies and empty ones too.
    pub all: u64,
}

/// Counts the records of the local file whose keys begin with `prefix`.
pub fn count(client: &Client, db: &Db, prefix: &str) -> Result<Held> {
    let mut held = Held::default();
    let own = client.pnn();
    let mut scan = ctdb_tdb::Scan::new(db.tdb());
    let mut visit = |key: &[u8], value: &[u8]| {
        if !key.starts_with(prefix.as_bytes()) {
            return;
        }
        held.all += 1;
        if let Ok((header, data)) = RecordHeader::split(value) {
            held.own += u64::from(header.dmaster == own && !data.is_empty());
        }
    };
    while scan.advance(db.tdb(), 10_000, &mut visit)? != ctdb_tdb::ScanState::Done {}
    Ok(held)
}

/// What a probe saw.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pauses {
    /// Records changed.
    pub updates: u64,
    /// Of these, records that came from another node.
    pub migrations: u64,
    /// The longest time that one change took.
    pub longest: Duration,
    /// The longest time that a change of a record that stays on this node took.
    pub longest_local: Duration,
}

/// Changes records that the probes of all nodes want, and one that only this one wants, in turn.
pub fn probe(db: &mut Db, pnn: u32, duration: Duration) -> Result<Pauses> {
    let mut pauses = Pauses::default();
    let start = Instant::now();
    let local = format!("probe-of-{pnn}").into_bytes();
    while start.elapsed() < duration {
        let shared = format!("probe-{}", pauses.updates % PROBES).into_bytes();
        let (migrations, took) = change(db, &shared)?;
        pauses.migrations += migrations;
        pauses.longest = pauses.longest.max(took);
        let (_, took) = change(db, &local)?;
        pauses.longest_local = pauses.longest_local.max(took);
        pauses.updates += 1;
        std::thread::sleep(PROBE_REST);
    }
    Ok(pauses)
}

fn change(db: &mut Db, key: &[u8]) -> Result<(u64, Duration)> {
    let begin = Instant::now();
    let update = db.fetch_lock(key, |_| b"probe".to_vec())?;
    Ok((update.migrations.into(), begin.elapsed()))
}
