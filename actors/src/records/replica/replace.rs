//! Replacing the content for the tool: while it is frozen no transaction of a client is applied.

use super::digest::Known;
use super::worker::Desk;
use crate::records::content::Replacement;
use crate::records::error::RecordError;

impl Desk {
    /// Applies what was collected, in one transaction.
    pub(super) fn replace(&mut self, replacement: &Replacement) -> Result<(), RecordError> {
        self.begin()?;
        let stored = self.replace_all(replacement);
        let tdb = self.database.tdb();
        // Only some of what was there is known to be replaced: it is read anew when somebody asks.
        self.known = None;
        match stored {
            Ok(known) => {
                tdb.transaction_commit()?;
                self.known = known;
                self.stamp();
                Ok(())
            }
            Err(error) => {
                tdb.transaction_cancel()?;
                Err(error.into())
            }
        }
    }

    fn replace_all(&self, replacement: &Replacement) -> ctdb_tdb::Result<Option<Known>> {
        let tdb = self.database.tdb();
        let mut known = Known::default();
        if replacement.wipe {
            tdb.wipe_all()?;
        }
        for change in &replacement.changes {
            tdb.store(&change.key, &change.value)?;
            known.add(&change.key, &change.value);
        }
        Ok(replacement.wipe.then_some(known))
    }
}
