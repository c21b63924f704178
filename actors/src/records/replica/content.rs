//! The content for other nodes, a portion at a time. A recovery is under way: nothing changes it.

use super::worker::{Desk, pause};
use ctdb_protocol::record::header::HEADER_BYTES;
use ctdb_protocol::record::replica::io::Outcome;
use ctdb_protocol::record::replica::message::Change;
use ctdb_tdb::{Scan, ScanState};
use std::thread::sleep;

/// Bytes of a portion; the last record may exceed it.
const PORTION_BYTES: usize = 1 << 20;
/// Records and empty chains between two looks at the size.
const PORTION_RECORDS: u32 = 256;

/// How far the reading is.
pub(super) type Reading = Scan;

impl Desk {
    /// The next portion.
    pub(super) fn read(&mut self, first: bool) -> ctdb_tdb::Result<Outcome> {
        let tdb = self.database.tdb();
        let mut scan = match self.reading.take() {
            Some(scan) if !first => scan,
            _ => Scan::new(tdb),
        };
        let (mut changes, mut bytes, mut tries) = (Vec::new(), 0, 0);
        let locked = tdb.lock_all_nonblock()?;
        let end = loop {
            let state = scan.advance(tdb, PORTION_RECORDS, &mut |key, value| {
                if value.len() > HEADER_BYTES {
                    bytes += key.len() + value.len();
                    let (key, value) = (key.into(), value.into());
                    changes.push(Change { key, value });
                }
            });
            match state {
                Ok(ScanState::Done) => break Ok(true),
                Ok(ScanState::More) if bytes < PORTION_BYTES => tries = 0,
                Ok(ScanState::More) => break Ok(false),
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
        let last = end?;
        self.reading = (!last).then_some(scan);
        Ok(Outcome::Portion { changes, last })
    }
}
