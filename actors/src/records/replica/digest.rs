//! What is in the file, without reading all of it each time.
//!
//! The worker makes all changes, so it knows the new digest from the old one. A file that somebody else
//! changed (an admin with a TDB tool) has another time of change; then everything is read once more.

use super::worker::{Desk, pause};
use ctdb_protocol::record::header::HEADER_BYTES;
use ctdb_protocol::record::replica::SEQNUM_KEY;
use ctdb_protocol::record::replica::digest::record_digest;
use ctdb_protocol::record::replica::io::Outcome;
use ctdb_protocol::record::replica::message::Copy;
use ctdb_tdb::{Scan, ScanState, Tdb};
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::SystemTime;

/// Records between two looks at anything else.
const PORTION: u32 = 1_024;

/// What is known of a content.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::records) struct Known {
    pub(super) copy: Copy,
    changed: Option<SystemTime>,
}

impl Known {
    /// A record is in the content from now on.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        if value.len() > HEADER_BYTES {
            self.copy.records += 1;
            self.copy.digest = self.copy.digest.wrapping_add(record_digest(key, value));
        } else {
            self.copy.empty += 1;
        }
        if key == SEQNUM_KEY {
            let data = value.get(HEADER_BYTES..).unwrap_or_default();
            self.copy.seqnum = data.try_into().map_or(0, u64::from_le_bytes);
        }
    }

    /// A record is in it no more.
    pub(super) fn remove(&mut self, key: &[u8], value: &[u8]) {
        if value.len() > HEADER_BYTES {
            self.copy.records = self.copy.records.saturating_sub(1);
            self.copy.digest = self.copy.digest.wrapping_sub(record_digest(key, value));
        } else {
            self.copy.empty = self.copy.empty.saturating_sub(1);
        }
        if key == SEQNUM_KEY {
            self.copy.seqnum = 0;
        }
    }

    /// The file has this content now.
    pub(super) fn stamp(&mut self, path: &Path) {
        self.changed = changed(path);
    }

    /// Reads all of a file.
    pub(in crate::records) fn read(tdb: &Tdb) -> ctdb_tdb::Result<Self> {
        let changed = changed(tdb.path());
        let known = read_all(tdb)?;
        Ok(Self { changed, ..known })
    }
}

/// When the file was changed last. Looking at a path opens no file, which would cost its locks.
fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

impl Desk {
    /// Says what is here.
    pub(super) fn inspect(&mut self) -> ctdb_tdb::Result<Outcome> {
        let tdb = self.database.tdb();
        let now = changed(tdb.path());
        let known = match self.known {
            Some(known) if known.changed == now && now.is_some() => known,
            _ => Known::read(tdb)?,
        };
        self.known = Some(known);
        let healthy = self
            .answers
            .health
            .reason(&self.database.entry().name)
            .is_none();
        let copy = Copy {
            healthy,
            ..known.copy
        };
        Ok(Outcome::Copy(copy))
    }
}

fn read_all(tdb: &Tdb) -> ctdb_tdb::Result<Known> {
    let mut known = Known::default();
    // Under the lock it takes a tenth of the time; without it nobody waits for us.
    let locked = tdb.lock_all_nonblock()?;
    let mut scan = Scan::new(tdb);
    let mut tries = 0;
    let read = loop {
        match scan.advance(tdb, PORTION, &mut |key, value| known.add(key, value)) {
            Ok(ScanState::Done) => break Ok(known),
            Ok(ScanState::More) => tries = 0,
            Ok(ScanState::Busy) => {
                sleep(pause(tries));
                tries += 1;
            }
            Err(error) => break Err(error),
        }
    };
    if locked {
        tdb.unlock_all()?;
    }
    read
}
