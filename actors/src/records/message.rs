//! What sessions and the console ask of the actor that keeps a database.
//!
//! Each message goes to the shard of its database. An answer may come later: files open on another
//! thread, and a record may be locked by a client.

use super::content::{ContentStep, Progress};
use super::error::{OpenError, RecordError};
use super::table::DbEntry;
use super::walk::TraverseSink;
use actix::prelude::Message;
use ctdb_protocol::id::DbId;
use ctdb_protocol::record::header::RecordHeader;
use ctdb_protocol::record::replica::message::Change;
use ctdb_protocol::record::vacuum::VacuumReport;
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_protocol::wire::message::DbKind;
use std::time::Duration;

/// Opens a database, or finds it open. While the recovery mode is active the session holds it back.
#[derive(Clone, Debug)]
pub struct Attach {
    /// Its name.
    pub name: String,
    /// How it is kept. `Volatile` finds a database that is open in any way.
    pub kind: DbKind,
}

impl Message for Attach {
    type Result = Result<DbEntry, OpenError>;
}

/// Closes a database; a persistent file stays.
#[derive(Clone, Copy, Debug)]
pub struct Detach(pub DbId);

impl Message for Detach {
    type Result = Result<(), RecordError>;
}

/// Counts changes of a database from now on (client-protocol.md section 5.9).
#[derive(Clone, Copy, Debug)]
pub struct EnableSeqnum(pub DbId);

impl Message for EnableSeqnum {
    type Result = Result<(), RecordError>;
}

/// `TRANS3_COMMIT`: applies a transaction on all nodes. The answer is one of
/// [`ctdb_protocol::record::replica::io::status`].
#[derive(Clone, Debug)]
pub struct Commit {
    /// The database.
    pub db: DbId,
    /// All records of the transaction.
    pub changes: Vec<Change>,
    /// How long the client waits.
    pub patience: Duration,
}

impl Message for Commit {
    type Result = Result<i32, RecordError>;
}

/// `UPDATE_RECORD` of a persistent or replicated database: stores records on this node, all or none.
#[derive(Clone, Debug)]
pub struct UpdateRecords {
    /// The database.
    pub db: DbId,
    /// The records.
    pub changes: Vec<Change>,
}

impl Message for UpdateRecords {
    type Result = Result<(), RecordError>;
}

/// One step of replacing the content of a database.
#[derive(Clone, Debug)]
pub struct ContentRequest {
    /// The database.
    pub db: DbId,
    /// The step.
    pub step: ContentStep,
}

impl Message for ContentRequest {
    type Result = Result<Progress, RecordError>;
}

/// Vacuums a volatile database now (`DB_VACUUM`); answered when the run is over. Runs of one database
/// follow each other.
#[derive(Clone, Copy, Debug)]
pub struct VacuumDb {
    /// The database.
    pub db: DbId,
    /// Go through the whole database.
    pub full: bool,
    /// How long the run may take.
    pub patience: Duration,
}

impl Message for VacuumDb {
    type Result = Result<VacuumReport, RecordError>;
}

/// Reads a database's sequence number: the file's for a volatile one, otherwise that of its
/// transactions.
#[derive(Clone, Copy, Debug)]
pub struct GetSeqnum(pub DbId);

impl Message for GetSeqnum {
    type Result = Result<u64, RecordError>;
}

/// Counts a volatile database's sequence number up by one because another node's did.
#[derive(Clone, Copy, Debug)]
pub struct BumpSeqnum(pub DbId);

impl Message for BumpSeqnum {
    type Result = Result<(), RecordError>;
}

/// A record as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its header.
    pub header: RecordHeader,
    /// Its data.
    pub data: Vec<u8>,
}

/// Reads the local copy of a record, whoever is its dmaster.
#[derive(Clone, Debug)]
pub struct ReadRecord {
    /// The database.
    pub db: DbId,
    /// The key.
    pub key: Bytes,
}

impl Message for ReadRecord {
    type Result = Result<Option<StoredRecord>, RecordError>;
}

/// Writes the data of a volatile record of which this node is dmaster; the header stays.
#[derive(Clone, Debug)]
pub struct WriteRecord {
    /// The database.
    pub db: DbId,
    /// The key.
    pub key: Bytes,
    /// The data, without header.
    pub data: Bytes,
}

impl Message for WriteRecord {
    type Result = Result<(), RecordError>;
}

/// `UPDATE_RECORD` of a volatile database: newer data under a newer number for a record that exists and of which
/// this node is dmaster.
#[derive(Clone, Debug)]
pub struct RenewRecord {
    /// The database.
    pub db: DbId,
    /// The key.
    pub key: Bytes,
    /// Number and data.
    pub record: StoredRecord,
}

impl Message for RenewRecord {
    type Result = Result<(), RecordError>;
}

/// Shows the records of a database to `sink`: of a volatile one those of which this node is dmaster,
/// of others all (client-protocol.md section 5.7).
pub struct Traverse {
    /// The database.
    pub db: DbId,
    /// Volatile records without data too.
    pub with_empty: bool,
    /// Gets them.
    pub sink: Box<dyn TraverseSink>,
}

impl Message for Traverse {
    type Result = Result<(), RecordError>;
}
