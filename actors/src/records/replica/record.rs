//! Operations on one record for clients and console: they only read, since the content changes by
//! transactions alone.

use super::worker::Desk;
use crate::records::error::RecordError;
use crate::records::message::StoredRecord;
use crate::records::ops::ChainOp;
use ctdb_protocol::record::header::RecordHeader;
use ctdb_protocol::record::io::Input;
use ctdb_protocol::record::local::{self, Change, LocalOp, LocalOutcome};
use ctdb_protocol::wire::bytes::Bytes;
use std::collections::VecDeque;

impl Desk {
    /// Answers an operation; waits while a client holds the record's chain.
    pub(super) fn record(&self, key: Bytes, op: ChainOp) -> Option<Input> {
        let db = self.database.entry().id;
        match op {
            ChainOp::Machine(op) => {
                let outcome = self.look(&key, &op);
                Some(Input::Local { db, key, outcome })
            }
            ChainOp::Read(answer) => {
                let value = self.database.tdb().fetch(&key);
                // A requester that is gone is no error.
                drop(answer.send(value.map(|value| stored(&value?)).map_err(Into::into)));
                None
            }
            other @ (ChainOp::Write(..) | ChainOp::Renew(..)) => {
                let mut answers = VecDeque::new();
                let name = self.database.entry().name.clone();
                other.fail(db, key, RecordError::NotVolatile(name), &mut answers);
                answers.pop_front()
            }
        }
    }

    fn look(&self, key: &[u8], op: &LocalOp) -> LocalOutcome {
        match self.database.tdb().fetch(key) {
            Ok(value) => match local::apply(op, self.answers.own, value.as_deref()) {
                (outcome, Change::Nothing) => outcome,
                // No record of such a database is ever given, taken, settled or vacuumed.
                (_, Change::Store(_) | Change::Delete) => LocalOutcome::Failed,
            },
            Err(error) => {
                self.complain(&error.to_string());
                LocalOutcome::Failed
            }
        }
    }
}

fn stored(value: &[u8]) -> Option<StoredRecord> {
    let (header, data) = RecordHeader::split(value)?;
    let data = data.to_vec();
    Some(StoredRecord { header, data })
}
