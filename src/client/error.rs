//! What can go wrong for a client.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ctdb_protocol::client::{FrameError, Opcode, WireError};
use thiserror::Error;

/// Result of a client call.
pub type Result<T> = std::result::Result<T, ClientError>;

/// An error of a client. After one of the first five the connection is of no use any more.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The socket could not be reached.
    #[error("cannot connect to {}: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The daemon ended the connection.
    #[error("the daemon closed the connection")]
    Closed,
    /// Reading or writing failed.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
    /// The daemon's byte stream makes no sense.
    #[error("stream of the daemon: {0}")]
    Frame(#[from] FrameError),
    /// A packet or payload of the daemon makes no sense.
    #[error("packet of the daemon: {0}")]
    Wire(#[from] WireError),
    /// No answer in time. A late one will be dropped.
    #[error("no answer to {what} within {waited:?}")]
    Timeout {
        /// The request.
        what: String,
        /// The limit.
        waited: Duration,
    },
    /// A control was refused.
    #[error("{opcode} failed with status {status}: {text}")]
    Control {
        /// Which.
        opcode: Opcode,
        /// Its status.
        status: i32,
        /// The daemon's words.
        text: String,
    },
    /// A call was refused.
    #[error("call on database {db_id:#010x} failed with status {status}")]
    Call {
        /// The database.
        db_id: u32,
        /// Its status.
        status: i32,
    },
    /// The local file.
    #[error(transparent)]
    Tdb(#[from] ctdb_tdb::Error),
    /// Messages come faster than they are read; the bound of the queue.
    #[error("more than {0} messages wait to be read")]
    TooManyMessages(usize),
}
