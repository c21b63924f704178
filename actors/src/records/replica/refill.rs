//! Another node's content in place of this one's, in one transaction: whoever reads meanwhile sees the old
//! content, and a crash leaves the old or the new one.

use super::digest::Known;
use super::worker::Desk;
use ctdb_protocol::record::replica::io::Outcome;
use ctdb_protocol::record::replica::message::Change;

/// A transaction with new content.
#[derive(Debug)]
pub(super) struct Refill {
    known: Known,
}

impl Desk {
    pub(super) fn refill(
        &mut self,
        first: bool,
        last: bool,
        changes: &[Change],
    ) -> ctdb_tdb::Result<Outcome> {
        if first {
            self.abandon();
            self.begin()?;
            let known = Known::default();
            self.refill = Some(Refill { known });
        }
        let Some(mut refill) = self.refill.take() else {
            // The beginning failed, or was given up.
            return Ok(Outcome::Failed);
        };
        match self.refill_on(&mut refill, first, last, changes) {
            Ok(()) if last => {
                self.known = Some(refill.known);
                self.stamp();
                Ok(Outcome::Done)
            }
            Ok(()) => {
                self.refill = Some(refill);
                Ok(Outcome::Done)
            }
            Err(error) => {
                self.cancel();
                Err(error)
            }
        }
    }

    fn refill_on(
        &self,
        refill: &mut Refill,
        first: bool,
        last: bool,
        changes: &[Change],
    ) -> ctdb_tdb::Result<()> {
        let tdb = self.database.tdb();
        if first {
            tdb.wipe_all()?;
        }
        for Change { key, value } in changes {
            tdb.store(key, value)?;
            refill.known.add(key, value);
        }
        if last {
            tdb.transaction_commit()?;
        }
        Ok(())
    }

    /// Gives up what is not committed.
    pub(super) fn abandon(&mut self) {
        if self.refill.take().is_some() {
            self.cancel();
        }
    }

    fn cancel(&self) {
        let tdb = self.database.tdb();
        if tdb.in_transaction()
            && let Err(error) = tdb.transaction_cancel()
        {
            self.complain(&error.to_string());
        }
    }
}
