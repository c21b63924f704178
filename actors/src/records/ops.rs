//! What is done with one record while its chain is held.

use super::error::RecordError;
use super::message::StoredRecord;
use super::store::Database;
use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::record::header::{RecordFlags, RecordHeader};
use ctdb_protocol::record::io::Input;
use ctdb_protocol::record::local::{self, Change, LocalOp, LocalOutcome};
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_protocol::wire::message::DbKind;
use ctdb_tdb::{ChainLock, Grant};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// Where the answer to a request goes. A requester that is gone is no error.
pub(super) type Answer<T> = oneshot::Sender<Result<T, RecordError>>;

/// What to do with one record.
#[derive(Debug)]
pub(super) enum ChainOp {
    /// For the machine.
    Machine(LocalOp),
    /// Look at it.
    Read(Answer<Option<StoredRecord>>),
    /// New data under the present header, if this node is dmaster.
    Write(Bytes, Answer<()>),
    /// The same with a newer number, if the record exists; its data has to be newer too.
    Renew(StoredRecord, Answer<()>),
}

impl ChainOp {
    /// Whether the operation waits while a client holds the chain.
    pub(super) const fn waits(&self) -> bool {
        match self {
            Self::Machine(op) => op.waits(),
            _ => true,
        }
    }

    /// Ends an operation that could not be done.
    pub(super) fn fail(
        self,
        db: DbId,
        key: Bytes,
        error: RecordError,
        answers: &mut VecDeque<Input>,
    ) {
        match self {
            Self::Machine(_) => {
                let outcome = LocalOutcome::Failed;
                answers.push_back(Input::Local { db, key, outcome });
            }
            Self::Read(answer) => drop(answer.send(Err(error))),
            Self::Write(_, answer) | Self::Renew(_, answer) => drop(answer.send(Err(error))),
        }
    }
}

/// What came of a try.
pub(super) enum Performed {
    Busy(ChainOp),
    Answered,
    Outcome(LocalOutcome),
    Failed(ChainOp, ctdb_tdb::Error),
}

/// Does `op` under the chain's lock: the one that was granted, or else unless somebody holds it.
pub(super) fn perform(
    database: &Database,
    key: &[u8],
    op: ChainOp,
    own: Pnn,
    grant: Option<&Grant>,
) -> Performed {
    let locked = match grant {
        Some(grant) => grant.lock(database.tdb(), key).map(Some),
        None => database.tdb().chain_lock_nonblock(key),
    };
    let guard = match locked {
        Ok(Some(guard)) => guard,
        Ok(None) => return Performed::Busy(op),
        Err(error) => return Performed::Failed(op, error),
    };
    if !database.has_room() {
        return Performed::Busy(op);
    }
    match op {
        ChainOp::Machine(op) => match apply(&guard, &op, own) {
            Ok(outcome) => return Performed::Outcome(outcome),
            Err(error) => return Performed::Failed(ChainOp::Machine(op), error),
        },
        ChainOp::Read(answer) => drop(answer.send(read(&guard).map_err(Into::into))),
        ChainOp::Write(data, answer) => {
            drop(answer.send(write(&guard, database, &data, own)));
        }
        ChainOp::Renew(record, answer) => drop(answer.send(renew(&guard, &record, own))),
    }
    Performed::Answered
}

/// One step of the machine on the record whose chain is held. The old value is looked at in place.
fn apply(guard: &ChainLock<'_>, op: &LocalOp, own: Pnn) -> ctdb_tdb::Result<LocalOutcome> {
    let (tdb, key) = (guard.tdb(), guard.key());
    let present = tdb.parse(key, |value| local::apply(op, own, Some(value)))?;
    let (outcome, change) = present.unwrap_or_else(|| local::apply(op, own, None));
    match change {
        Change::Nothing => {}
        Change::Store(value) => tdb.store(key, &value)?,
        Change::Delete => drop(tdb.delete(key)?),
    }
    Ok(outcome)
}

fn read(guard: &ChainLock<'_>) -> ctdb_tdb::Result<Option<StoredRecord>> {
    let split = |value: &[u8]| {
        let (header, data) = RecordHeader::split(value)?;
        Some(StoredRecord {
            header,
            data: data.to_vec(),
        })
    };
    Ok(guard.tdb().parse(guard.key(), split)?.flatten())
}

/// Stores new data as a client does: the header stays (client-protocol.md section 5.4).
fn write(
    guard: &ChainLock<'_>,
    database: &Database,
    data: &[u8],
    own: Pnn,
) -> Result<(), RecordError> {
    if database.entry().kind != DbKind::Volatile {
        return Err(RecordError::NotVolatile(database.entry().name.clone()));
    }
    let head = |value: &[u8]| RecordHeader::split(value).map(|(header, _)| header);
    let header = guard.tdb().parse(guard.key(), head)?.flatten();
    match header.filter(|header| is_writable(*header, own)) {
        Some(header) => Ok(guard
            .tdb()
            .storev(guard.key(), &[&header.to_bytes(), data])?),
        None => Err(RecordError::NotDmaster),
    }
}

/// Whether clients of this node may write: it is dmaster, and no other node has read-only copies.
fn is_writable(header: RecordHeader, own: Pnn) -> bool {
    header.dmaster == own && !header.flags.contains(RecordFlags::RO_HAVE_DELEGATIONS)
}

/// As 4.17's `UPDATE_RECORD` for volatile databases: what does not exist is not made, and a number that is not
/// higher is refused, unless the data is the same. Dmaster and flags are the cluster's and stay.
fn renew(guard: &ChainLock<'_>, new: &StoredRecord, own: Pnn) -> Result<(), RecordError> {
    let Some(old) = read(guard)? else {
        return Ok(());
    };
    if !is_writable(old.header, own) {
        return Err(RecordError::NotDmaster);
    }
    if old.header.rsn >= new.header.rsn {
        let same = old.data == new.data;
        return if same {
            Ok(())
        } else {
            Err(RecordError::Older)
        };
    }
    let header = RecordHeader {
        rsn: new.header.rsn,
        ..old.header
    };
    let value: [&[u8]; 2] = [&header.to_bytes(), &new.data];
    Ok(guard.tdb().storev(guard.key(), &value)?)
}
