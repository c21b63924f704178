//! Why a database could not be opened, or a request about one not be done.

use ctdb_protocol::id::DbId;
use ctdb_protocol::wire::message::DbKind;
use std::io;
use std::path::PathBuf;

/// A database could not be opened. Each text says which file or name, and what to do where something
/// can be done.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The name can't be a file name.
    #[error("database name {name:?}: {why}")]
    BadName {
        /// The name asked for.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The directory for the file could not be made or read.
    #[error("{}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Records stand in a file that was just cleared.
    #[error(
        "{0}: still in use by a process of an earlier daemon, its records are not those of the \
         cluster: find the process with 'fuser {0}', end it, and attach again",
        path.display()
    )]
    LeftOver {
        /// The file.
        path: PathBuf,
    },
    /// The structure of a persistent file is broken.
    #[error(
        "{}: damaged ({source}): move it away, other nodes have copies and send one; on the last \
         node restore a backup instead",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What libtdb found.
        source: ctdb_tdb::Error,
    },
    /// The database is open in another way.
    #[error("database {name} is attached as {}, not as {}", kind_name(*present), kind_name(*asked))]
    KindDiffers {
        /// Its name.
        name: String,
        /// How it is open.
        present: DbKind,
        /// How it was asked for.
        asked: DbKind,
    },
    /// Two names with one hash.
    #[error("database {name}: its id 0x{:08x} is taken by database {other}", id.0)]
    IdTaken {
        /// The name asked for.
        name: String,
        /// The name that has the id.
        other: String,
        /// The id.
        id: DbId,
    },
    /// It belongs to another shard, which must be asked.
    #[error("database {name} was asked for at the wrong shard")]
    WrongShard {
        /// The name asked for.
        name: String,
    },
    /// [`ctdb_protocol::limits::DATABASES_MAX`] are open.
    #[error("database {name}: too many databases are attached")]
    TooMany {
        /// The name asked for.
        name: String,
    },
    /// libtdb's reason.
    #[error(transparent)]
    Tdb(#[from] ctdb_tdb::Error),
    /// The worker ends.
    #[error("the daemon is ending")]
    Ending,
}

/// A request about a database was not done.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not open here.
    #[error("no database with id 0x{:08x}", .0.0)]
    NoDatabase(DbId),
    /// Its records change by transactions only.
    #[error("database {0} is not volatile: use a transaction")]
    NotVolatile(String),
    /// The record must be migrated here first.
    #[error("this node may not write the record")]
    NotDmaster,
    /// `UPDATE_RECORD` with a number that is not above that of the record here.
    #[error("the record here is as new as the one that came")]
    Older,
    /// Too much waits for chains that clients hold.
    #[error("too many requests wait for locked records")]
    TooManyWait,
    /// A step of replacing a content that does not fit what was done before.
    #[error("the content can't be replaced so: {0}")]
    Content(&'static str),
    /// A record here is as new as one that came, or the database is not healthy.
    #[error("the records were refused")]
    Refused,
    /// The database was detached meanwhile.
    #[error("the database was detached")]
    Detached,
    /// libtdb's reason.
    #[error(transparent)]
    Tdb(#[from] ctdb_tdb::Error),
    /// The worker ends.
    #[error("the daemon is ending")]
    Ending,
}

const fn kind_name(kind: DbKind) -> &'static str {
    match kind {
        DbKind::Volatile => "volatile",
        DbKind::Persistent => "persistent",
        DbKind::Replicated => "replicated",
    }
}
