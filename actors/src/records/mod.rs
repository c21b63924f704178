//! The shell of the record machines: all that touches TDB files.
//!
//! ```text
//!              Feed<Input>                    Effect
//!  post ─────────────────────► Records ──────────────────► DataOut (peers), CallDone (clients),
//!  sessions, console ─message─►   │                        membership, log
//!                                 ├── Store   one open handle per database of this shard
//!                                 ├── Chains  operations that wait for a chain which a client holds
//!                                 ├── Replicas  a thread for each persistent or replicated database
//!                                 ├── Walk    scans, wipes, traverses, a slice at a time
//!                                 └── LockWatch  a thread: locks of dead clients, and who holds one for long
//! ```
//!
//! * One shard is one [`Records`] actor on one arbiter, and only that thread touches its volatile files:
//!   a TDB handle and its mutexes belong to a thread. Databases spread over the shards by id
//!   ([`crate::post::Post::records_of`]), and all shards share one [`DbTable`], which sessions read
//!   without asking anybody.
//! * Nothing here waits for a client: chains are locked without blocking, those that are held are waited
//!   for by a thread of the shard ([`ctdb_tdb::ChainWaiter`]), opening and closing (which
//!   can block) happen on a blocking thread while the handle is nobody's, long walks are cut into
//!   slices of less than a millisecond.
//! * The machine's directory lives in memory only. When the actor dies the directory is gone while
//!   records stay claimed all over the cluster, so its death ends the worker
//!   ([`crate::fatal::Fatal`]): the other nodes then see a lost node and recover.

mod actor;
mod alarm;
mod chains;
mod content;
mod counters;
mod damage;
mod error;
mod handlers;
mod hot_keys;
mod locks;
mod message;
mod opening;
mod ops;
mod replica;
mod shell;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod vacuum;
mod walk;

pub use actor::{Records, Wiring};
pub use content::{ContentStep, Progress};
pub use counters::DbCounters;
pub use error::{OpenError, RecordError};
pub use locks::{LockLimits, LockWatch};
pub use message::{
    Attach, BumpSeqnum, Commit, ContentRequest, Detach, EnableSeqnum, GetSeqnum, ReadRecord,
    RenewRecord, StoredRecord, Traverse, UpdateRecords, VacuumDb, WriteRecord,
};
pub use replica::HealthBook;
pub use store::{Database, Store, StoreConfig, db_id};
pub use table::{DbEntry, DbTable};
pub use walk::{SinkState, TraverseRecord, TraverseSink};

use ctdb_protocol::id::Pnn;
use ctdb_protocol::record::io::CallId;
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_protocol::wire::message::DataMessage;

/// What must happen before the first thread starts: libtdb finds out by a fork whether mutexes work.
pub fn prepare() {
    ctdb_tdb::probe_mutexes();
}

/// The data lanes to the peers.
pub trait DataOut: Send + 'static {
    /// Sends to a peer, or drops the message if the peer is not connected: membership will say so.
    fn send_data(&self, peer: Pnn, message: DataMessage);
}

/// The end of a local client's call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallDone {
    /// Names the call.
    pub call: CallId,
    /// What the client gets.
    pub data: Bytes,
}
