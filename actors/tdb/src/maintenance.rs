//! Calls that concern the file as a whole: transactions, flags, sequence number, wiping, checking.

use std::ffi::c_int;
use std::ptr;

use crate::error::Result;
use crate::flags::TdbFlags;
use crate::locks::clear_errno;
use crate::sys;
use crate::tdb::Tdb;

impl Tdb {
    /// Starts a transaction; false if somebody else has one or holds a chain. Refused while this
    /// handle holds locks.
    ///
    /// libtdb only tries the transaction lock, but then takes the file's read lock *waiting*, behind
    /// any client that holds a chain (seen with 1.4.8: it waited as long as the client held on). So
    /// the whole file is tried first, and released again; a client that takes a chain in the moment
    /// between can still make us wait until it lets go. Who cannot afford even that lets a helper
    /// process hold the file and sets [`TdbFlags::NOLOCK`] around start and commit, which also skips
    /// the trial.
    pub fn transaction_start_nonblock(&self) -> Result<bool> {
        const NAME: &str = "tdb_transaction_start_nonblock";
        self.enter(NAME)?;
        if self.ledger.guards() > 0 || self.ledger.holds_locks() {
            return Err(self.lock_state(NAME, "this handle holds locks"));
        }
        if self.in_transaction() {
            if !self.ledger.owned_by_this_thread() {
                return Err(self.lock_state(NAME, "a transaction of another thread is active"));
            }
        } else if !self.flags().contains(TdbFlags::NOLOCK) {
            if !self.lock_all_nonblock()? {
                return Ok(false);
            }
            self.unlock_all()?;
        }
        clear_errno();
        // SAFETY: the context is open.
        let code = unsafe { sys::tdb_transaction_start_nonblock(self.raw()) };
        let started = self.taken(NAME, code)?;
        if started {
            self.ledger.set_owner(true);
        }
        Ok(started)
    }

    /// Writes the transaction to the disk's recovery area, so that the commit can hardly fail.
    pub fn transaction_prepare_commit(&self) -> Result<()> {
        self.end_transaction(
            "tdb_transaction_prepare_commit",
            sys::tdb_transaction_prepare_commit,
        )
    }

    /// Commits. Waits for other processes' chain locks and, without `NOSYNC`, for the disk. On an
    /// error the transaction is gone and nothing of it is in the file.
    pub fn transaction_commit(&self) -> Result<()> {
        self.end_transaction("tdb_transaction_commit", sys::tdb_transaction_commit)
    }

    /// Gives the transaction up.
    pub fn transaction_cancel(&self) -> Result<()> {
        self.end_transaction("tdb_transaction_cancel", sys::tdb_transaction_cancel)
    }

    /// Whether a transaction of this handle is active.
    pub fn in_transaction(&self) -> bool {
        // SAFETY: the context is open; reads one field.
        unsafe { sys::tdb_transaction_active(self.raw()) }
    }

    /// Treats the transaction lock as ours because a helper process holds it for us.
    pub fn transaction_write_lock_mark(&self) -> Result<()> {
        const NAME: &str = "tdb_transaction_write_lock_mark";
        self.enter(NAME)?;
        // SAFETY: the context is open; only bookkeeping.
        let code = unsafe { sys::tdb_transaction_write_lock_mark(self.raw()) };
        self.done(NAME, code)
    }

    /// Ends [`Tdb::transaction_write_lock_mark`].
    pub fn transaction_write_lock_unmark(&self) -> Result<()> {
        self.enter("tdb_transaction_write_lock_unmark")?;
        // SAFETY: the context is open; only bookkeeping.
        unsafe { sys::tdb_transaction_write_lock_unmark(self.raw()) };
        Ok(())
    }

    /// The sequence number of the file's header; changes only with [`TdbFlags::SEQNUM`] set.
    pub fn seqnum(&self) -> Result<i32> {
        self.enter("tdb_get_seqnum")?;
        // SAFETY: the context is open.
        Ok(unsafe { sys::tdb_get_seqnum(self.raw()) })
    }

    /// Counts the sequence number up by one, if the flag is set and its lock is free just now.
    pub fn increment_seqnum(&self) -> Result<()> {
        self.enter("tdb_increment_seqnum_nonblock")?;
        // SAFETY: the context is open.
        unsafe { sys::tdb_increment_seqnum_nonblock(self.raw()) };
        Ok(())
    }

    /// Sets flags of this handle: `SEQNUM`, `NOLOCK`, `NOSYNC` and the nesting flags only.
    pub fn add_flags(&self, flags: TdbFlags) -> Result<()> {
        self.check_changeable("tdb_add_flags", flags)?;
        // SAFETY: the context is open; these bits are only looked at by later calls.
        unsafe { sys::tdb_add_flags(self.raw(), flags.bits()) };
        Ok(())
    }

    /// Clears flags of this handle, the same ones as [`Tdb::add_flags`].
    pub fn remove_flags(&self, flags: TdbFlags) -> Result<()> {
        self.check_changeable("tdb_remove_flags", flags)?;
        // SAFETY: the context is open; these bits are only looked at by later calls.
        unsafe { sys::tdb_remove_flags(self.raw(), flags.bits()) };
        Ok(())
    }

    /// Removes every record. Locks the whole file, blocking, unless this handle holds it.
    pub fn wipe_all(&self) -> Result<()> {
        self.whole_file("tdb_wipe_all", |raw| {
            // SAFETY: the context is open and no callback looks at its records.
            unsafe { sys::tdb_wipe_all(raw) }
        })
    }

    /// Rewrites the file without holes, in a transaction. May wait for clients.
    pub fn repack(&self) -> Result<()> {
        self.whole_file("tdb_repack", |raw| {
            // SAFETY: the context is open and no callback looks at its records.
            unsafe { sys::tdb_repack(raw) }
        })
    }

    /// Number of free areas; CTDB repacks above 10000. Waits for the freelist lock.
    pub fn freelist_size(&self) -> Result<u32> {
        const NAME: &str = "tdb_freelist_size";
        self.enter(NAME)?;
        // SAFETY: the context is open.
        let size = unsafe { sys::tdb_freelist_size(self.raw()) };
        u32::try_from(size).map_err(|_| self.failure(NAME))
    }

    /// Verifies the structure of the file. Locks the whole file for reading, blocking, unless this
    /// handle holds it.
    pub fn check(&self) -> Result<()> {
        self.whole_file("tdb_check", |raw| {
            // SAFETY: the context is open; without a callback only the structure is looked at.
            unsafe { sys::tdb_check(raw, None, ptr::null_mut()) }
        })
    }

    /// Cancels every level of the transaction of a handle that is about to close.
    pub(crate) fn cancel_for_close(&self) {
        while self.in_transaction() {
            // SAFETY: the context is open and this thread started the transaction.
            if unsafe { sys::tdb_transaction_cancel(self.raw()) } != 0 {
                break;
            }
        }
        self.ledger.set_owner(false);
    }

    fn end_transaction(
        &self,
        operation: &'static str,
        end: unsafe extern "C" fn(*mut sys::Context) -> c_int,
    ) -> Result<()> {
        self.enter(operation)?;
        if !self.in_transaction() {
            return Err(self.lock_state(operation, "no transaction is active"));
        }
        if !self.ledger.owned_by_this_thread() {
            return Err(self.lock_state(operation, "started by another thread"));
        }
        if self.ledger.guards() > 0 {
            return Err(self.lock_state(operation, "a chain guard still relies on it"));
        }
        // SAFETY: `end` is one of libtdb's transaction functions, and this thread started the
        // transaction of the open context.
        let code = unsafe { end(self.raw()) };
        let answer = self.done(operation, code);
        if !self.in_transaction() {
            self.ledger.set_owner(false);
        }
        answer
    }

    fn whole_file(
        &self,
        operation: &'static str,
        call: impl FnOnce(*mut sys::Context) -> c_int,
    ) -> Result<()> {
        self.enter(operation)?;
        let code = call(self.raw());
        self.done(operation, code)
    }

    fn check_changeable(&self, operation: &'static str, flags: TdbFlags) -> Result<()> {
        self.enter(operation)?;
        let fixed = flags.difference(TdbFlags::CHANGEABLE);
        if fixed.is_empty() {
            return Ok(());
        }
        Err(self.misuse(
            operation,
            format!("flags {:#x} cannot change", fixed.bits()),
        ))
    }
}
