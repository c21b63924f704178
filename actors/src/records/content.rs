//! Replacing the content of a database as the tool does it (`ctdb wipedb`, `restoredb`): freeze it, begin, wipe,
//! push records, confirm, commit, thaw, each on every node.
//!
//! What is wiped and pushed is collected here and applied by the commit: in one transaction of the file by
//! the thread of a persistent or replicated database, under the lock of the whole file for a volatile one,
//! a slice at a time. So a cancelled replacement leaves the old content, and nobody sees half of one.
//!
//! Invariants: a volatile database that is frozen is locked as a whole by this thread; a recovery ends every
//! replacement first ([`Contents::take_all`]).

use super::error::RecordError;
use super::store::Database;
use ctdb_protocol::client::Payload;
use ctdb_protocol::client::marshall::Marshall;
use ctdb_protocol::id::DbId;
use ctdb_protocol::record::header::{HEADER_BYTES, RecordFlags, RecordHeader};
use ctdb_protocol::record::replica::message::Change;
use ctdb_protocol::wire::bytes::Bytes;
use std::collections::{BTreeMap, btree_map};
use std::time::{Duration, Instant};

/// A slice of a commit begins no new record after this time.
const SLICE: Duration = Duration::from_micros(600);

/// One step of a replacement.
#[derive(Clone, Debug)]
pub enum ContentStep {
    /// Let nobody change the content.
    Freeze,
    /// Let it be changed again.
    Thaw,
    /// `DB_TRANSACTION_START` with its id.
    Begin(u32),
    /// `WIPE_DATABASE`.
    Wipe(u32),
    /// `DB_PUSH_START`.
    PushStart,
    /// A marshall buffer with records.
    Push(Vec<u8>),
    /// `DB_PUSH_CONFIRM`: [`Progress::Done`] with the number of records pushed.
    PushConfirm,
    /// `DB_TRANSACTION_COMMIT`.
    Commit(u32),
    /// `DB_TRANSACTION_CANCEL`.
    Cancel,
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is done.
    Done(u32),
    /// Ask for it again: somebody holds a lock, or there is more to do.
    Again,
}

/// Records on their way.
#[derive(Debug, Default)]
struct Pushed {
    count: u32,
    failed: bool,
}

/// A database that is being replaced.
#[derive(Debug, Default)]
struct Content {
    tid: Option<u32>,
    wiped: bool,
    records: BTreeMap<Bytes, Bytes>,
    push: Option<Pushed>,
    /// A commit that is not at its end; it cannot be undone any more.
    storing: Option<btree_map::IntoIter<Bytes, Bytes>>,
    /// Something was committed.
    changed: bool,
}

/// What a commit has to do.
pub(super) struct Replacement {
    pub(super) wipe: bool,
    pub(super) changes: Vec<Change>,
}

/// All that are being replaced in one shard.
#[derive(Debug, Default)]
pub(super) struct Contents(BTreeMap<DbId, Content>);

impl Contents {
    /// Whether nobody may change the content.
    pub(super) fn is_frozen(&self, db: DbId) -> bool {
        self.0.contains_key(&db)
    }

    /// The database is frozen from now on.
    pub(super) fn freeze(&mut self, db: DbId) {
        self.0.entry(db).or_default();
    }

    /// It is frozen no more; answers whether its content was replaced.
    pub(super) fn thaw(&mut self, db: DbId) -> Option<bool> {
        self.0.remove(&db).map(|content| content.changed)
    }

    /// Ends all replacements; what was not committed is gone.
    pub(super) fn take_all(&mut self) -> Vec<DbId> {
        std::mem::take(&mut self.0).into_keys().collect()
    }

    fn get(&mut self, db: DbId) -> Result<&mut Content, RecordError> {
        self.0
            .get_mut(&db)
            .ok_or(RecordError::Content("it is not frozen"))
    }

    /// Collects what a step says. Commits are prepared by [`Contents::replacement`].
    pub(super) fn note(&mut self, db: DbId, step: ContentStep) -> Result<Progress, RecordError> {
        let content = self.get(db)?;
        match step {
            ContentStep::Begin(tid) => {
                *content = Content {
                    tid: Some(tid),
                    changed: content.changed,
                    ..Content::default()
                };
            }
            ContentStep::Wipe(tid) => {
                content.check(tid)?;
                content.wiped = true;
                content.records.clear();
            }
            ContentStep::PushStart => content.push = Some(Pushed::default()),
            ContentStep::Push(buffer) => content.pushed(&buffer),
            ContentStep::PushConfirm => {
                let push = content.push.take();
                let push = push.ok_or(RecordError::Content("no push was begun"))?;
                // The tool compares the number with that of the records in its file.
                return Ok(Progress::Done(push.count));
            }
            ContentStep::Cancel => {
                if content.tid.take().is_none() {
                    return Err(RecordError::Content("no transaction was begun"));
                }
                content.wiped = false;
                content.records.clear();
            }
            ContentStep::Freeze | ContentStep::Thaw | ContentStep::Commit(_) => {}
        }
        Ok(Progress::Done(0))
    }

    /// What a commit has to do to a database that has a thread.
    pub(super) fn replacement(&mut self, db: DbId, tid: u32) -> Result<Replacement, RecordError> {
        let content = self.get(db)?;
        content.check(tid)?;
        content.tid = None;
        content.changed = true;
        let wipe = std::mem::take(&mut content.wiped);
        let records = std::mem::take(&mut content.records).into_iter();
        let changes = records.map(|(key, value)| Change { key, value }).collect();
        Ok(Replacement { wipe, changes })
    }

    /// A slice of a commit to a volatile database, which is locked as a whole.
    pub(super) fn store(&mut self, database: &Database, tid: u32) -> Result<Progress, RecordError> {
        let content = self.get(database.entry().id)?;
        content.check(tid)?;
        let tdb = database.tdb();
        let mut records = if let Some(records) = content.storing.take() {
            records
        } else {
            content.changed = true;
            if content.wiped {
                tdb.wipe_all()?;
            }
            std::mem::take(&mut content.records).into_iter()
        };
        let until = Instant::now() + SLICE;
        for (key, value) in records.by_ref() {
            tdb.store(&key, &everywhere(&value))?;
            if Instant::now() >= until {
                content.storing = Some(records);
                return Ok(Progress::Again);
            }
        }
        content.tid = None;
        content.wiped = false;
        Ok(Progress::Done(0))
    }
}

impl Content {
    fn check(&self, tid: u32) -> Result<(), RecordError> {
        match self.tid {
            Some(own) if own == tid => Ok(()),
            Some(_) => Err(RecordError::Content("another transaction is active")),
            None => Err(RecordError::Content("no transaction was begun")),
        }
    }

    /// Takes the records of a buffer in; one that makes no sense ends the push.
    fn pushed(&mut self, buffer: &[u8]) {
        let Some(push) = &mut self.push else {
            return;
        };
        // Whatever database the buffer names: the tool restores a backup under another name too.
        let Ok(Marshall { records, .. }) = Marshall::parse(buffer) else {
            push.failed = true;
            return;
        };
        // The number is then not the tool's, which makes the tool give up.
        if push.failed {
            return;
        }
        for record in records {
            let Some(value) = restored(&record.data) else {
                push.failed = true;
                return;
            };
            self.records.insert(record.key.into(), value.into());
            push.count += 1;
        }
    }
}

/// The value for a volatile database, with the flag that it is on other nodes too: all get the same.
fn everywhere(value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    if let Some((header, _)) = RecordHeader::split(&value) {
        let header = RecordHeader {
            flags: header.flags | RecordFlags::MIGRATED_WITH_DATA,
            ..header
        };
        value[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    }
    value
}

/// The value that is stored for a pushed one: read-only copies are called back by a recovery, so no flag of
/// theirs stays (client-protocol.md section 6.5).
fn restored(value: &[u8]) -> Option<Vec<u8>> {
    let (header, data) = RecordHeader::split(value)?;
    let header = RecordHeader {
        flags: header.flags - RecordFlags::RO_ANY,
        ..header
    };
    let mut value = Vec::with_capacity(HEADER_BYTES + data.len());
    value.extend_from_slice(&header.to_bytes());
    value.extend_from_slice(data);
    Some(value)
}
