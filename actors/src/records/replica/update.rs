//! A client's transaction, as a whole or not at all; and the tidying up after a recovery.

use super::worker::Desk;
use ctdb_protocol::record::header::HEADER_BYTES;
use ctdb_protocol::record::replica::apply::may_replace;
use ctdb_protocol::record::replica::io::Outcome;
use ctdb_protocol::record::replica::message::Change;
use ctdb_tdb::{Scan, ScanState};

/// Records between two looks at anything else.
const PORTION: u32 = 1_024;

/// Bytes of a key shown in the log.
const SHOWN_KEY_BYTES: usize = 64;

impl Desk {
    pub(super) fn update(&mut self, changes: &[Change]) -> ctdb_tdb::Result<Outcome> {
        if let Some(reason) = self.answers.health.reason(&self.database.entry().name) {
            self.complain(&format!("it is not healthy: {reason}"));
            return Ok(Outcome::Failed);
        }
        self.begin()?;
        let mut known = self.known;
        let stored = self.store(changes, |old, change| {
            if let Some(known) = &mut known {
                if let Some(old) = old {
                    known.remove(&change.key, old);
                }
                known.add(&change.key, &change.value);
            }
        });
        match stored {
            Ok(None) => {
                self.database.tdb().transaction_commit()?;
                self.known = known;
                self.stamp();
                Ok(Outcome::Done)
            }
            Ok(Some(refused)) => {
                self.database.tdb().transaction_cancel()?;
                let shown = &refused.key[..refused.key.len().min(SHOWN_KEY_BYTES)];
                let key = shown.escape_ascii();
                self.complain(&format!(
                    "the record {key} here is as new as the one that came"
                ));
                Ok(Outcome::Failed)
            }
            Err(error) => {
                self.database.tdb().transaction_cancel()?;
                Err(error)
            }
        }
    }

    /// Stores all changes up to one that is refused, which is answered.
    fn store<'a>(
        &self,
        changes: &'a [Change],
        mut seen: impl FnMut(Option<&[u8]>, &Change),
    ) -> ctdb_tdb::Result<Option<&'a Change>> {
        let tdb = self.database.tdb();
        for change in changes {
            let old = tdb.fetch(&change.key)?;
            if !may_replace(old.as_deref(), &change.value) {
                return Ok(Some(change));
            }
            tdb.store(&change.key, &change.value)?;
            seen(old.as_deref(), change);
        }
        Ok(None)
    }

    /// The file now has the content that is known.
    pub(super) fn stamp(&mut self) {
        if let Some(known) = &mut self.known {
            known.stamp(self.database.tdb().path());
        }
    }

    /// Deletes records without data and notes whether the content can be relied on.
    pub(super) fn settle(&mut self, healthy: bool) -> ctdb_tdb::Result<Outcome> {
        let name = &self.database.entry().name;
        if let Err(error) = self.answers.health.settle(name, healthy) {
            self.complain(&format!("its health could not be noted: {error}"));
        }
        self.begin()?;
        match self.delete_empty() {
            Ok(()) => {
                self.database.tdb().transaction_commit()?;
                if let Some(known) = &mut self.known {
                    known.copy.empty = 0;
                }
                self.stamp();
                Ok(Outcome::Done)
            }
            Err(error) => {
                self.database.tdb().transaction_cancel()?;
                Err(error)
            }
        }
    }

    fn delete_empty(&self) -> ctdb_tdb::Result<()> {
        let tdb = self.database.tdb();
        let mut empty = Vec::new();
        let mut scan = Scan::new(tdb);
        // The transaction holds all locks: no chain is busy.
        while scan.advance(tdb, PORTION, &mut |key, value| {
            if value.len() <= HEADER_BYTES {
                empty.push(key.to_vec());
            }
        })? != ScanState::Done
        {}
        for key in empty {
            tdb.delete(&key)?;
        }
        Ok(())
    }
}
