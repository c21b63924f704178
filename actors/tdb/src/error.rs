//! What can go wrong, and what it left behind.
//!
//! A lock that somebody else holds is not an error: the non-blocking calls answer `None` or `Busy`.

use std::io;
use std::path::PathBuf;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of the TDB layer. Unless a variant says otherwise nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This process has the file open already. Refused before libtdb touched the file, so that the
    /// locks of the other handle stay.
    #[error("{path}: already open in this process (as {first})", path = path.display(), first = first.display())]
    AlreadyOpen {
        /// The path asked for.
        path: PathBuf,
        /// The path under which the same file (device and inode) is open.
        first: PathBuf,
    },
    /// The path cannot be given to libtdb (it holds a NUL byte).
    #[error("{path}: a TDB path must not contain a NUL byte", path = path.display())]
    BadPath {
        /// The path asked for.
        path: PathBuf,
    },
    /// An option of `open` is out of range or the flags do not fit together.
    #[error("{path}: {what}", path = path.display())]
    BadOptions {
        /// The path asked for.
        path: PathBuf,
        /// Which option and why.
        what: String,
    },
    /// libtdb could not open or create the file.
    #[error("{path}: cannot open TDB: {source}", path = path.display())]
    Open {
        /// The path asked for.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A call of libtdb failed. A store that failed may have left the old value or, if the disk is
    /// full, no record.
    #[error("{path}: {operation}: {text} ({source})", path = path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// Name of the libtdb function.
        operation: &'static str,
        /// `enum TDB_ERROR` of libtdb.
        code: i32,
        /// libtdb's words for it.
        text: String,
        /// The system's error at that moment; meaningless for errors of libtdb's own.
        source: io::Error,
    },
    /// A key or value is longer than [`crate::MAX_RECORD_BYTES`].
    #[error("{path}: record of {len} bytes is too long for a TDB", path = path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length in bytes.
        len: usize,
    },
    /// A record callback called back into the handle whose memory it is looking at.
    #[error("{path}: {operation} called from inside a record callback", path = path.display())]
    InCallback {
        /// The file.
        path: PathBuf,
        /// The refused operation.
        operation: &'static str,
    },
    /// The call does not fit the locks that this handle holds; `why` tells which.
    #[error("{path}: {operation}: {why}", path = path.display())]
    LockState {
        /// The file.
        path: PathBuf,
        /// The refused operation.
        operation: &'static str,
        /// The rule that was about to be broken.
        why: &'static str,
    },
    /// A chain number, flag or handle that does not belong here: a mistake of the caller.
    #[error("{path}: {operation}: {why}", path = path.display())]
    Misuse {
        /// The file.
        path: PathBuf,
        /// The refused operation.
        operation: &'static str,
        /// What was wrong.
        why: String,
    },
}
