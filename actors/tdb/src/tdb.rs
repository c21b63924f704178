//! The handle: open, close, and access to single records.
//!
//! Invariants of [`Tdb`]: `raw` is an open context until drop, registered under `id`; nobody else in
//! the process has that file open; `ledger` mirrors what libtdb holds for it.

use std::ffi::{CStr, CString, c_int, c_void};
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::time::Duration;

use crate::callback::{Callback, parse_callback};
use crate::error::{Error, Result};
use crate::flags::{Access, OpenOptions, TdbFlags};
use crate::locks::Ledger;
use crate::registry::{self, FileId};
use crate::sys;

/// Longest key plus value in bytes; the format counts in 32 bits and the file ends at 4 GiB.
pub const MAX_RECORD_BYTES: usize = i32::MAX as usize;

/// Most slices that [`Tdb::storev`] joins.
const MAX_PARTS: usize = 16;

/// Whether robust process-shared mutexes work on this machine, and so
/// [`TdbFlags::MUTEX_LOCKING`].
///
/// The first call forks and replaces the SIGCHLD handler for a moment: make it before threads start.
/// The answer is kept.
pub fn probe_mutexes() -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    // SAFETY: takes no arguments; the cell makes sure that it runs once, in one thread.
    *WORKS.get_or_init(|| unsafe { sys::tdb_runtime_check_for_robust_mutexes() })
}

/// An open TDB file.
///
/// `Send`, because a context has no home thread while it holds no locks; locks that outlive a call
/// remember their thread. Not `Sync`, because libtdb keeps its lock table, error code and file map in
/// the context without any protection. So handles may move, but neither they nor their guards can be
/// used from two threads:
///
/// ```compile_fail
/// fn shared(tdb: &ctdb_tdb::Tdb) {
///     std::thread::scope(|scope| { scope.spawn(|| tdb.fetch(b"key")); });
/// }
/// ```
/// ```compile_fail
/// fn unlocked_elsewhere(guard: ctdb_tdb::ChainLock<'static>) {
///     std::thread::spawn(move || drop(guard));
/// }
/// ```
/// ```
/// fn moved(tdb: ctdb_tdb::Tdb) {
///     std::thread::spawn(move || tdb.fetch(b"key"));
/// }
/// ```
#[derive(Debug)]
pub struct Tdb {
    raw: NonNull<sys::Context>,
    id: FileId,
    path: PathBuf,
    hash_size: u32,
    pub(crate) ledger: Ledger,
}

// SAFETY: the context is plain memory that any one thread may use at a time. What libtdb shares
// between contexts (the list of open files) is only touched by open and close, which the registry
// serialises. Mutexes, which belong to a thread, are released only by it (see `locks`).
unsafe impl Send for Tdb {}

impl Tdb {
    /// Opens the file at `path`. May wait for other openers' start-up lock, which is held briefly.
    pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self> {
        let path = path.as_ref();
        let bad = |what: String| Error::BadOptions {
            path: path.to_owned(),
            what,
        };
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::BadPath {
            path: path.to_owned(),
        })?;
        let hash_size = c_int::try_from(options.hash_size)
            .map_err(|_| bad(format!("hash size {} is too large", options.hash_size)))?;
        let max_dead = c_int::try_from(options.max_dead)
            .map_err(|_| bad(format!("max dead {} is too large", options.max_dead)))?;
        let unknown = options.flags.bits() & !TdbFlags::all().bits();
        if unknown != 0 {
            return Err(bad(format!("unknown flags {unknown:#x}")));
        }
        let clears = options.flags.contains(TdbFlags::CLEAR_IF_FIRST);
        if options.access == Access::ReadOnly && clears {
            return Err(bad("a read-only open cannot clear the file".to_owned()));
        }
        if options.flags.contains(TdbFlags::MUTEX_LOCKING) {
            if !clears {
                return Err(bad("mutexes need CLEAR_IF_FIRST".to_owned()));
            }
            if !probe_mutexes() {
                return Err(bad("robust mutexes do not work on this machine".to_owned()));
            }
        }
        let (raw, id) =
            registry::open_once(path, || open_raw(path, &name, hash_size, max_dead, options))?;
        // SAFETY: `raw` was opened just now and nobody else knows it.
        let hash_size = unsafe { sys::tdb_hash_size(raw.as_ptr()) }.cast_unsigned();
        Ok(Self {
            raw,
            id,
            path: path.to_owned(),
            hash_size,
            ledger: Ledger::default(),
        })
    }

    /// The path given to [`Tdb::open`].
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of hash chains.
    pub fn hash_size(&self) -> u32 {
        self.hash_size
    }

    /// Bytes of the file that are mapped; grows when other processes' growth is noticed.
    pub fn map_size(&self) -> usize {
        // SAFETY: the context is open; reads one field.
        unsafe { sys::tdb_map_size(self.raw()) }
    }

    /// The flags in force, bits that libtdb set itself included.
    pub fn flags(&self) -> TdbFlags {
        // SAFETY: the context is open; reads one field.
        let bits = unsafe { sys::tdb_get_flags(self.raw()) };
        TdbFlags::from_bits_retain(bits.cast_unsigned())
    }

    /// Copy of the value of `key`. Blocks unless the chain is held, see the crate documentation.
    pub fn fetch(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.parse(key, <[u8]>::to_vec)
    }

    /// Shows the value of `key` in place to `look`. Blocks unless the chain is held; the chain stays
    /// locked for reading until `look` returns, and meanwhile this handle refuses other calls.
    pub fn parse<R>(&self, key: &[u8], look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        self.enter("tdb_parse_record")?;
        let key = self.datum(key)?;
        let mut look = Some(look);
        let mut seen: Option<R> = None;
        let mut call = |_: &[u8], value: &[u8]| {
            if let Some(look) = look.take() {
                seen = Some(look(value));
            }
            0
        };
        let mut callback = Callback::new(&mut call);
        let code = self.ledger.in_callback(|| {
            // SAFETY: the context is open, `key` outlives the call, and `parse_callback` gets the
            // `Callback` it expects, which outlives the call too.
            unsafe {
                sys::tdb_parse_record(
                    self.raw(),
                    key,
                    parse_callback,
                    (&raw mut callback).cast::<c_void>(),
                )
            }
        });
        callback.resume();
        if code != 0 && self.code() != sys::ERR_NOEXIST {
            return Err(self.failure("tdb_parse_record"));
        }
        Ok(seen)
    }

    /// Whether `key` has a record. Blocks unless the chain is held.
    pub fn exists(&self, key: &[u8]) -> Result<bool> {
        self.enter("tdb_exists")?;
        let key = self.datum(key)?;
        // SAFETY: the context is open and `key` outlives the call.
        if unsafe { sys::tdb_exists(self.raw(), key) } != 0 {
            return Ok(true);
        }
        if self.code() == sys::ERR_NOEXIST {
            Ok(false)
        } else {
            Err(self.failure("tdb_exists"))
        }
    }

    /// Writes `value` as the record of `key`, new or not. Blocks unless the chain is held.
    pub fn store(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.enter("tdb_store")?;
        self.check_len(key.len().saturating_add(value.len()))?;
        let (key, value) = (self.datum(key)?, self.datum(value)?);
        // SAFETY: the context is open; key and value outlive the call and are only read.
        let code = unsafe { sys::tdb_store(self.raw(), key, value, sys::REPLACE) };
        self.done("tdb_store", code)
    }

    /// Like [`Tdb::store`] with the value in up to 16 pieces, so that a record header and its data
    /// need not be joined first.
    pub fn storev(&self, key: &[u8], parts: &[&[u8]]) -> Result<()> {
        self.enter("tdb_storev")?;
        if parts.len() > MAX_PARTS {
            return Err(self.misuse("tdb_storev", format!("{} pieces", parts.len())));
        }
        let lens = parts.iter().map(|part| part.len());
        self.check_len(lens.fold(key.len(), usize::saturating_add))?;
        let key = self.datum(key)?;
        let mut pieces = [sys::Datum {
            data: ptr::null_mut(),
            len: 0,
        }; MAX_PARTS];
        for (piece, part) in pieces.iter_mut().zip(parts) {
            *piece = self.datum(part)?;
        }
        let count = c_int::try_from(parts.len()).unwrap_or(c_int::MAX);
        // SAFETY: the context is open; the first `count` (at most MAX_PARTS) pieces are set, and
        // what they and `key` point to outlives the call and is only read.
        let code =
            unsafe { sys::tdb_storev(self.raw(), key, pieces.as_ptr(), count, sys::REPLACE) };
        self.done("tdb_storev", code)
    }

    /// Removes the record of `key`; false if there was none. Blocks unless the chain is held.
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        self.enter("tdb_delete")?;
        let key = self.datum(key)?;
        // SAFETY: the context is open and `key` outlives the call.
        if unsafe { sys::tdb_delete(self.raw(), key) } == 0 {
            return Ok(true);
        }
        if self.code() == sys::ERR_NOEXIST {
            Ok(false)
        } else {
            Err(self.failure("tdb_delete"))
        }
    }

    /// Ends the process as a faulty client does: the file is closed first, whatever of it is locked, and
    /// the end follows after `linger`. For tests of those who have to live with such a client.
    ///
    /// Never returns, since this thread's list of robust mutexes may lead nowhere from then on.
    pub fn abandon(&self, linger: Duration) -> ! {
        // SAFETY: the context is open and this is its last use: the borrow is this thread's alone and
        // never ends. No mutex is touched by this thread any more, so nothing follows its list into the
        // memory that is gone.
        let _ = unsafe { sys::tdb_close(self.raw()) };
        std::thread::sleep(linger);
        process::exit(0)
    }

    /// The context, for the other modules of this crate.
    pub(crate) fn raw(&self) -> *mut sys::Context {
        self.raw.as_ptr()
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Refuses `operation` while a callback looks into the file.
    pub(crate) fn enter(&self, operation: &'static str) -> Result<()> {
        if self.ledger.is_in_callback() {
            return Err(Error::InCallback {
                path: self.path.clone(),
                operation,
            });
        }
        Ok(())
    }

    /// `bytes` as libtdb wants them: read only, though the C type says otherwise.
    pub(crate) fn datum(&self, bytes: &[u8]) -> Result<sys::Datum> {
        self.check_len(bytes.len())?;
        Ok(sys::Datum {
            data: bytes.as_ptr().cast_mut(),
            len: bytes.len(),
        })
    }

    fn check_len(&self, len: usize) -> Result<()> {
        if len > MAX_RECORD_BYTES {
            return Err(Error::TooLong {
                path: self.path.clone(),
                len,
            });
        }
        Ok(())
    }

    /// libtdb's code of the last failure.
    pub(crate) fn code(&self) -> c_int {
        // SAFETY: the context is open; reads one field.
        unsafe { sys::tdb_error(self.raw()) }
    }

    /// The result of an `int` function that answers nonzero on failure.
    pub(crate) fn done(&self, operation: &'static str, code: c_int) -> Result<()> {
        if code == 0 {
            Ok(())
        } else {
            Err(self.failure(operation))
        }
    }

    /// The error of a call that failed just now.
    pub(crate) fn failure(&self, operation: &'static str) -> Error {
        let source = io::Error::last_os_error();
        // SAFETY: the context is open; the answer is a static NUL-terminated string.
        let text = unsafe { CStr::from_ptr(sys::tdb_errorstr(self.raw())) };
        Error::Library {
            path: self.path.clone(),
            operation,
            code: self.code(),
            text: text.to_string_lossy().into_owned(),
            source,
        }
    }

    pub(crate) fn misuse(&self, operation: &'static str, why: String) -> Error {
        Error::Misuse {
            path: self.path.clone(),
            operation,
            why,
        }
    }
}

impl Drop for Tdb {
    /// Closes the file: whole-file locks are released and a transaction is cancelled. If that is not
    /// possible (locks of another thread, a leaked guard) the context stays open for good, since
    /// unmapping a mutex that a thread holds would leave a dangling entry in that thread's list.
    fn drop(&mut self) {
        let released = self.release_all().is_ok();
        if !released || self.ledger.holds_locks() || self.in_transaction() {
            return;
        }
        let raw = self.raw();
        registry::close(self.id, || {
            // SAFETY: the context is open and this is its last use. A failed close has freed it as
            // well, and nobody is left to tell.
            let _ = unsafe { sys::tdb_close(raw) };
        });
    }
}

fn open_raw(
    path: &Path,
    name: &CStr,
    hash_size: c_int,
    max_dead: c_int,
    options: &OpenOptions,
) -> Result<(NonNull<sys::Context>, FileId)> {
    let failed = |source| Error::Open {
        path: path.to_owned(),
        source,
    };
    let open_flags = match options.access {
        Access::ReadOnly => libc::O_RDONLY,
        Access::ReadWrite => libc::O_RDWR,
        Access::Create => libc::O_RDWR | libc::O_CREAT,
    };
    // SAFETY: `name` is NUL-terminated and outlives the call; no log context and no hash override
    // are allowed by the interface. The registry's lock is held, so no other open or close runs.
    let raw = unsafe {
        sys::tdb_open_ex(
            name.as_ptr(),
            hash_size,
            options.flags.bits().cast_signed(),
            open_flags,
            options.mode,
            ptr::null(),
            None,
        )
    };
    let raw = NonNull::new(raw).ok_or_else(|| failed(io::Error::last_os_error()))?;
    // SAFETY: the context was opened just now. The descriptor is borrowed for one fstat: the `File`
    // is never dropped, so it is not closed (which would also drop the process's record locks).
    let metadata = unsafe {
        sys::tdb_set_max_dead(raw.as_ptr(), max_dead);
        ManuallyDrop::new(File::from_raw_fd(sys::tdb_fd(raw.as_ptr()))).metadata()
    };
    match metadata {
        Ok(metadata) => Ok((raw, FileId::of(&metadata))),
        Err(source) => {
            // SAFETY: the context is open and not used again; the registry's lock is still held.
            let _ = unsafe { sys::tdb_close(raw.as_ptr()) };
            Err(failed(source))
        }
    }
}
