//! Locks: of one chain, of the whole file, and marks for locks that a helper process holds.
//!
//! libtdb's bookkeeping trusts its caller; [`Ledger`] keeps a copy of it and refuses what would spoil
//! it: release by another thread, real locks mixed with marks, a whole-file unlock under a guard.

use std::cell::Cell;
use std::ffi::c_int;
use std::io;
use std::thread::{self, ThreadId};

use crate::error::{Error, Result};
use crate::sys;
use crate::tdb::Tdb;

/// State of the whole-file lock of one handle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Whole {
    #[default]
    Free,
    Locked,
    Marked,
}

/// What one handle holds.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    in_callback: Cell<bool>,
    /// Guards of chains really locked.
    locked_chains: Cell<u32>,
    /// Guards of chains marked.
    marked_chains: Cell<u32>,
    /// Guards that stand under a whole-file lock or transaction.
    covered_chains: Cell<u32>,
    whole: Cell<Whole>,
    /// Thread of the whole-file lock or of the transaction.
    owner: Cell<Option<ThreadId>>,
}

impl Ledger {
    /// Runs a libtdb call that calls back.
    pub(crate) fn in_callback<R>(&self, call: impl FnOnce() -> R) -> R {
        self.in_callback.set(true);
        let answer = call();
        self.in_callback.set(false);
        answer
    }

    pub(crate) fn is_in_callback(&self) -> bool {
        self.in_callback.get()
    }

    /// Whether closing the file would take a held mutex away.
    pub(crate) fn holds_locks(&self) -> bool {
        self.locked_chains.get() > 0 || self.whole.get() == Whole::Locked
    }

    pub(crate) fn guards(&self) -> u32 {
        self.locked_chains.get() + self.marked_chains.get() + self.covered_chains.get()
    }

    /// Remembers a chain lock that libtdb did not release: the file must then stay open.
    pub(crate) fn count_stuck_lock(&self) {
        self.locked_chains.set(self.locked_chains.get() + 1);
    }

    pub(crate) fn set_owner(&self, owned: bool) {
        self.owner.set(owned.then(|| thread::current().id()));
    }

    pub(crate) fn owned_by_this_thread(&self) -> bool {
        self.owner
            .get()
            .is_none_or(|owner| owner == thread::current().id())
    }

    fn counter(&self, kind: Kind) -> &Cell<u32> {
        match kind {
            Kind::Locked => &self.locked_chains,
            Kind::Marked => &self.marked_chains,
            Kind::Covered => &self.covered_chains,
        }
    }
}

/// How a [`ChainLock`] came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Locked,
    Marked,
    Covered,
}

/// The chain of a key, held until drop. Locks of one chain nest, also by different keys.
///
/// While it lives, record calls for keys of this chain do not wait for other processes. It borrows
/// the handle, hence stays in its thread; never keep one while waiting for the network.
#[derive(Debug)]
#[must_use = "the chain is unlocked when the guard is dropped"]
pub struct ChainLock<'a> {
    tdb: &'a Tdb,
    key: &'a [u8],
    kind: Kind,
}

impl ChainLock<'_> {
    /// The handle whose chain is held.
    pub fn tdb(&self) -> &Tdb {
        self.tdb
    }

    /// The key by which the chain was locked.
    pub fn key(&self) -> &[u8] {
        self.key
    }
}

impl Drop for ChainLock<'_> {
    fn drop(&mut self) {
        let raw = self.tdb.raw();
        let key = sys::Datum {
            data: self.key.as_ptr().cast_mut(),
            len: self.key.len(),
        };
        let counter = self.tdb.ledger.counter(self.kind);
        // SAFETY: the borrow keeps the context open, the key is alive, and the guard was made in
        // this thread by the matching lock or mark, which nothing else releases. It touches no
        // record, so it is sound inside a record callback as well.
        let code = unsafe {
            match self.kind {
                Kind::Locked => sys::tdb_chainunlock(raw, key),
                Kind::Marked => sys::tdb_chainlock_unmark(raw, key),
                Kind::Covered => 0,
            }
        };
        // A lock that could not be released stays counted: the file will then not be closed.
        if code == 0 {
            counter.set(counter.get() - 1);
        }
    }
}

impl Tdb {
    /// Locks the chain of `key`; `None` if another process holds it. Never waits for a client.
    pub fn chain_lock_nonblock<'a>(&'a self, key: &'a [u8]) -> Result<Option<ChainLock<'a>>> {
        self.lock_chain("tdb_chainlock_nonblock", key, sys::tdb_chainlock_nonblock)
    }

    /// Locks the chain of `key`, waiting as long as it takes. For helpers and test clients.
    pub fn chain_lock<'a>(&'a self, key: &'a [u8]) -> Result<ChainLock<'a>> {
        match self.lock_chain("tdb_chainlock", key, sys::tdb_chainlock)? {
            Some(guard) => Ok(guard),
            None => Err(self.failure("tdb_chainlock")),
        }
    }

    /// Treats the chain of `key` as locked because a helper process holds it for us. No system call.
    pub fn chain_mark<'a>(&'a self, key: &'a [u8]) -> Result<ChainLock<'a>> {
        const NAME: &str = "tdb_chainlock_mark";
        self.enter(NAME)?;
        if self.is_covered() {
            return Ok(self.guard(key, Kind::Covered));
        }
        if self.ledger.locked_chains.get() > 0 {
            return Err(self.lock_state(NAME, "this handle holds a real chain lock"));
        }
        let datum = self.datum(key)?;
        // SAFETY: the context is open and `key` outlives the call.
        let code = unsafe { sys::tdb_chainlock_mark(self.raw(), datum) };
        self.done(NAME, code)?;
        Ok(self.guard(key, Kind::Marked))
    }

    /// Locks the whole file; false if anybody holds any part of it. Stores, deletes, scans and
    /// [`Tdb::wipe_all`] then need no further lock. Refused while a [`ChainLock`] lives.
    ///
    /// Walks every chain, so under load it may never get through; see [`Tdb::lock_all`].
    pub fn lock_all_nonblock(&self) -> Result<bool> {
        self.lock_whole(
            "tdb_lockall_nonblock",
            Whole::Locked,
            sys::tdb_lockall_nonblock,
        )
    }

    /// Locks the whole file, waiting; newcomers queue behind. For a helper process only: in a thread
    /// that answers clients it can deadlock with a client that holds a chain and waits for us.
    pub fn lock_all(&self) -> Result<()> {
        if self.lock_whole("tdb_lockall", Whole::Locked, sys::tdb_lockall)? {
            return Ok(());
        }
        Err(self.failure("tdb_lockall"))
    }

    /// Releases [`Tdb::lock_all`] or [`Tdb::lock_all_nonblock`], in the same thread.
    pub fn unlock_all(&self) -> Result<()> {
        self.unlock_whole("tdb_unlockall", Whole::Locked, sys::tdb_unlockall)
    }

    /// Treats the whole file as locked because a helper process holds it for us. No system call.
    pub fn lock_all_mark(&self) -> Result<()> {
        if self.lock_whole("tdb_lockall_mark", Whole::Marked, sys::tdb_lockall_mark)? {
            return Ok(());
        }
        Err(self.failure("tdb_lockall_mark"))
    }

    /// Ends [`Tdb::lock_all_mark`].
    pub fn unlock_all_mark(&self) -> Result<()> {
        self.unlock_whole("tdb_lockall_unmark", Whole::Marked, sys::tdb_lockall_unmark)
    }

    /// Releases whatever can be released before a close.
    pub(crate) fn release_all(&self) -> Result<()> {
        if self.in_transaction() && self.ledger.owned_by_this_thread() {
            self.cancel_for_close();
        }
        match self.ledger.whole.get() {
            Whole::Free => Ok(()),
            Whole::Locked => self.unlock_all(),
            Whole::Marked => self.unlock_all_mark(),
        }
    }

    /// Whether this handle holds the whole file, by lock, mark or transaction.
    pub(crate) fn is_covered(&self) -> bool {
        self.ledger.whole.get() != Whole::Free || self.in_transaction()
    }

    pub(crate) fn lock_state(&self, operation: &'static str, why: &'static str) -> Error {
        Error::LockState {
            path: self.path().to_owned(),
            operation,
            why,
        }
    }

    /// The result of a non-blocking lock call: taken, busy (false) or failed. `errno` must have been
    /// cleared by [`clear_errno`] before, since libtdb's own refusals do not set it.
    pub(crate) fn taken(&self, operation: &'static str, code: c_int) -> Result<bool> {
        if code == 0 {
            return Ok(true);
        }
        let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
        let busy = matches!(
            errno,
            libc::EAGAIN | libc::EACCES | libc::EDEADLK | libc::EBUSY
        );
        if busy && matches!(self.code(), sys::ERR_LOCK | sys::ERR_NOLOCK) {
            return Ok(false);
        }
        Err(self.failure(operation))
    }

    fn lock_chain<'a>(
        &'a self,
        operation: &'static str,
        key: &'a [u8],
        lock: unsafe extern "C" fn(*mut sys::Context, sys::Datum) -> c_int,
    ) -> Result<Option<ChainLock<'a>>> {
        self.enter(operation)?;
        if self.is_covered() {
            return Ok(Some(self.guard(key, Kind::Covered)));
        }
        if self.ledger.marked_chains.get() > 0 {
            return Err(self.lock_state(operation, "this handle has a chain marked"));
        }
        let datum = self.datum(key)?;
        clear_errno();
        // SAFETY: `lock` is one of libtdb's chain lock functions, the context is open, and `key`
        // outlives the call.
        let code = unsafe { lock(self.raw(), datum) };
        Ok(self
            .taken(operation, code)?
            .then(|| self.guard(key, Kind::Locked)))
    }

    fn guard<'a>(&'a self, key: &'a [u8], kind: Kind) -> ChainLock<'a> {
        let counter = self.ledger.counter(kind);
        counter.set(counter.get() + 1);
        ChainLock {
            tdb: self,
            key,
            kind,
        }
    }

    fn lock_whole(
        &self,
        operation: &'static str,
        becomes: Whole,
        lock: unsafe extern "C" fn(*mut sys::Context) -> c_int,
    ) -> Result<bool> {
        self.enter(operation)?;
        if self.ledger.guards() > 0 {
            return Err(self.lock_state(operation, "this handle holds a chain"));
        }
        if self.ledger.whole.get() != Whole::Free {
            return Err(self.lock_state(operation, "this handle holds the whole file already"));
        }
        if becomes == Whole::Locked && self.in_transaction() {
            return Err(self.lock_state(operation, "a transaction is active"));
        }
        clear_errno();
        // SAFETY: `lock` is one of libtdb's whole-file lock functions and the context is open.
        let code = unsafe { lock(self.raw()) };
        let taken = self.taken(operation, code)?;
        if taken {
            self.ledger.whole.set(becomes);
            if becomes == Whole::Locked {
                self.ledger.set_owner(true);
            }
        }
        Ok(taken)
    }

    fn unlock_whole(
        &self,
        operation: &'static str,
        was: Whole,
        unlock: unsafe extern "C" fn(*mut sys::Context) -> c_int,
    ) -> Result<()> {
        self.enter(operation)?;
        if self.ledger.whole.get() != was {
            return Err(self.lock_state(operation, "this handle does not hold the whole file so"));
        }
        if self.ledger.guards() > 0 {
            return Err(self.lock_state(operation, "a chain guard still relies on it"));
        }
        if was == Whole::Locked && !self.ledger.owned_by_this_thread() {
            return Err(self.lock_state(operation, "locked by another thread"));
        }
        // SAFETY: `unlock` is the counterpart of the function that took the lock in this thread, and
        // the context is open.
        let code = unsafe { unlock(self.raw()) };
        self.done(operation, code)?;
        self.ledger.whole.set(Whole::Free);
        if was == Whole::Locked {
            self.ledger.set_owner(false);
        }
        Ok(())
    }
}

/// Forgets an older system error, so that the next one is known to be new.
pub(crate) fn clear_errno() {
    // SAFETY: the C library gives a valid pointer to this thread's own variable.
    unsafe { *libc::__errno_location() = 0 };
}
