//! Safe binding to Debian's libtdb (1.4), the only unsafe code of ctdb.
//!
//! Samba's processes and the daemon share one TDB file per database, so the format and the locks must
//! be libtdb's own. This crate declares the library's functions by hand (in a private module), links
//! it dynamically and turns its rules into types.
//!
//! # The rules of libtdb, and who keeps them
//!
//! | rule | kept by |
//! |---|---|
//! | One open per file per process: a second one, even a refused one, drops all record locks. | a process-wide registry by device and inode, asked before libtdb opens anything ([`Error::AlreadyOpen`]); [`is_open_here`] for code that opens files otherwise |
//! | `open` and `close` walk a list that is not made for threads. | the same registry's lock |
//! | A context belongs to one thread at a time. | [`Tdb`] is `Send` but not `Sync` |
//! | A mutex must be released by the thread that took it. | [`ChainLock`] borrows the handle and cannot leave its thread; whole-file locks and transactions remember theirs ([`Error::LockState`]) |
//! | A file must not be unmapped while this thread holds a mutex in it. | dropping a [`Tdb`] that still holds locks keeps the file open instead of closing it |
//! | A record seen in place moves when the file is remapped. | while a callback looks at a record, every other call on that handle is refused ([`Error::InCallback`]) |
//! | Callbacks must not unwind through C. | panics are caught, carried around libtdb and go on behind it |
//! | A lock that another thread took for us is released by that thread. | [`Grant`], which is the leave to mark the chain and sends it back on drop |
//! | Chain locks and whole-file locks do not mix. | under a whole-file lock or a transaction a [`ChainLock`] is granted without touching the file |
//! | Marks (bookkeeping for a lock that a helper process holds) and real locks do not mix. | refused with [`Error::LockState`] |
//! | A mutex is taken back only from a thread that can't use it any more. | [`Census::examine`] looks, [`Mutexes::take_back`] acts on what it found |
//! | The mutex probe forks. | [`probe_mutexes`], once, before threads |
//!
//! # What stays with the caller
//!
//! * [`Tdb::fetch`], [`Tdb::parse`], [`Tdb::store`], [`Tdb::delete`] and [`Tdb::exists`] **block** if
//!   another process holds the key's chain. Take [`Tdb::chain_lock_nonblock`] first: under it they do
//!   not wait (but for the freelist, which others hold for microseconds only).
//! * A transaction start waits for chain locks of others, see [`Tdb::transaction_start_nonblock`].
//! * [`Tdb::wipe_all`], [`Tdb::check`] and [`Tdb::repack`] lock the whole file, blocking, unless this
//!   handle holds it.
//! * **Never call such a function from a thread that also grants chains**: while it waits for a client's
//!   chain, a [`ChainWaiter`] may have been granted another one for that thread, and keeps it until the
//!   thread comes back; should the client wait for that one, nobody ever goes on. That is why nothing of
//!   the daemon repacks or wipes a file in a shard's thread without having locked it as a whole, without
//!   waiting, before.
//! * Every opener of a file must use the same mutex flag.
//! * All processes that map the file are trusted to respect its locks, and with
//!   [`TdbFlags::NOLOCK`] set so is the caller: the bytes shown by [`Tdb::parse`] and by scans are
//!   shared memory, quiet only because the lock is held. Nobody may truncate the file.

mod callback;
mod claims;
mod error;
mod flags;
mod hash;
mod locks;
mod maintenance;
mod mutexes;
mod owner;
mod process;
mod registry;
mod scan;
mod sys;
mod tdb;
mod waiter;

pub use error::{Error, Result};
pub use flags::{Access, OpenOptions, TdbFlags};
pub use hash::{jenkins_chain, jenkins_hash};
pub use locks::ChainLock;
pub use mutexes::{Mutexes, Place};
pub use owner::{Census, Death, Verdict};
pub use process::Process;
pub use registry::is_open_here;
pub use scan::{ChainVisit, Scan, ScanState};
pub use tdb::{MAX_RECORD_BYTES, Tdb, probe_mutexes};
pub use waiter::{ChainWaiter, Grant, Turn, Wanted};
