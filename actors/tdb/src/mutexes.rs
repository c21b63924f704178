//! The mutexes of a file, seen from outside libtdb: who holds which, and taking one back from the dead.
//!
//! A file with [`crate::TdbFlags::MUTEX_LOCKING`] begins with an area that never moves: a copy of the
//! header, the mutex of the whole file, then one mutex for the freelist and one per chain. Each is a
//! robust `pthread_mutex_t` whose first word is a futex: the id of the owning thread (in the owner's PID
//! namespace), and two bits. The kernel sets the bit "owner died" when a thread ends with the mutex in
//! its list of robust mutexes, and the next one to lock it puts things right. A thread that unmapped the
//! file before has no such list any more, and its mutexes stay held for ever: those are what
//! [`Mutexes::take_back`] is for.

use std::ffi::c_void;
use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use rustix::thread::futex;

use crate::registry::FileId;
use crate::sys;
use crate::tdb::Tdb;

/// Bytes of a `pthread_mutex_t`.
const MUTEX_BYTES: usize = 40;
/// Where its type is kept.
const KIND_AT: usize = 16;
/// Error-checking, robust, shared between processes.
const KIND: u32 = 2 | 16 | 128;
/// Fields of the header at the start of the file.
const HASH_SIZE_AT: usize = 36;
const FEATURES_AT: usize = 60;
const AREA_BYTES_AT: usize = 64;
const HEADER_BYTES: usize = 168;
/// Feature bit: the file has mutexes.
const FEATURE_MUTEX: u32 = 1;
/// The freelist's mutex, behind that of the whole file and its state (2 bytes, aligned to 8).
const FREELIST_AT: usize = HEADER_BYTES + MUTEX_BYTES + 8;

pub(crate) const WAITERS: u32 = 0x8000_0000;
const OWNER_DIED: u32 = 0x4000_0000;
/// The bits of a word that name its owner.
pub(crate) const OWNER: u32 = 0x3fff_ffff;

const _: () = assert!(size_of::<libc::pthread_mutex_t>() == MUTEX_BYTES);

/// What a mutex protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// All chains.
    WholeFile,
    /// The list of free areas.
    Freelist,
    /// A chain.
    Chain(u32),
}

impl Place {
    /// Where its mutex is, in bytes from the start of the file.
    pub(crate) const fn offset(self) -> usize {
        match self {
            Self::WholeFile => HEADER_BYTES,
            Self::Freelist => FREELIST_AT,
            Self::Chain(number) => FREELIST_AT + MUTEX_BYTES * (number as usize + 1),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WholeFile => f.write_str("whole database"),
            Self::Freelist => f.write_str("freelist"),
            Self::Chain(number) => write!(f, "chain {number}"),
        }
    }
}

/// The mutex area of one open file, mapped a second time.
///
/// Looked at by atomic operations, so any thread may; taken by the thread of [`crate::ChainWaiter`] only. It may outlive the handle; what it then shows
/// is the file as it is.
#[derive(Debug)]
pub struct Mutexes {
    base: NonNull<u32>,
    bytes: usize,
    chains: u32,
    file: FileId,
}

// SAFETY: the mapping is this value's own and stays where it is until drop; it is only used by atomic
// operations on aligned words inside it, and as process-shared mutexes.
unsafe impl Send for Mutexes {}
// SAFETY: as above.
unsafe impl Sync for Mutexes {}

impl Mutexes {
    /// Maps the area; `None` if the file has none, or one that this code does not know.
    fn map(fd: RawFd, chains: u32, file: FileId) -> io::Result<Option<Self>> {
        let wanted = Place::Chain(chains.saturating_sub(1)).offset() + MUTEX_BYTES;
        let bytes = wanted.next_multiple_of(page_bytes());
        // SAFETY: a new mapping at a place that the kernel chooses; the descriptor is that of an open
        // context. Mapping takes no record locks away, closing would, and nothing is closed here.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd,
                0,
            )
        };
        let base = match NonNull::new(base.cast::<u32>()) {
            Some(base) if base.as_ptr().cast::<c_void>() != libc::MAP_FAILED => base,
            _ => return Err(io::Error::last_os_error()),
        };
        let area = Self {
            base,
            bytes,
            chains,
            file,
        };
        Ok(area.is_known().then_some(area))
    }

    /// Whether the area is laid out as described above.
    fn is_known(&self) -> bool {
        let field = |at| self.word_at(at).load(Ordering::Relaxed);
        let kind = |place: Place| field(place.offset() + KIND_AT);
        field(FEATURES_AT) & FEATURE_MUTEX != 0
            && field(HASH_SIZE_AT) == self.chains
            && field(AREA_BYTES_AT) as usize == self.bytes
            && [Place::WholeFile, Place::Freelist, Place::Chain(0)]
                .into_iter()
                .all(|place| kind(place) == KIND)
    }

    /// Number of chains.
    pub fn chains(&self) -> u32 {
        self.chains
    }

    /// The thread that holds the mutex of `place`, by its id in its own PID namespace.
    pub fn owner(&self, place: Place) -> Option<u32> {
        owner_of(self.word(place).load(Ordering::Acquire))
    }

    /// What keeps others out of a chain: its own mutex, or that of the whole file.
    pub fn blocker(&self, chain: u32) -> Option<(Place, u32)> {
        [Place::Chain(chain), Place::WholeFile]
            .into_iter()
            .find_map(|place| Some((place, self.owner(place)?)))
    }

    /// Shows all mutexes that are held just now, and their owners. Reads the whole area.
    pub fn held(&self, mut visit: impl FnMut(Place, u32)) {
        let chains = (0..self.chains).map(Place::Chain);
        for place in [Place::WholeFile, Place::Freelist]
            .into_iter()
            .chain(chains)
        {
            let word = self.word(place).load(Ordering::Relaxed);
            if word != 0
                && let Some(owner) = owner_of(word)
            {
                visit(place, owner);
            }
        }
    }

    /// Does what the kernel would have done at the end of the owner: marks the mutex of `place` so that
    /// the next one who wants it gets it, and wakes one who waits. False if `owner` does not hold it any
    /// more.
    ///
    /// Only for an owner that [`crate::Census::examine`] found [`crate::Verdict::Dead`] just now: two
    /// threads in one chain destroy it.
    pub fn take_back(&self, place: Place, owner: u32) -> bool {
        let word = self.word(place);
        let died =
            |word: u32| (owner_of(word) == Some(owner)).then_some(word & WAITERS | OWNER_DIED);
        let marked = word.fetch_update(Ordering::AcqRel, Ordering::Acquire, died);
        // Even without the bit: who is about to sleep sets it and looks again.
        let _ = futex::wake(word, futex::Flags::empty(), 1);
        marked.is_ok()
    }

    /// Where the mapping begins in this process.
    pub(crate) fn address(&self) -> usize {
        self.base.as_ptr() as usize
    }

    pub(crate) fn file(&self) -> FileId {
        self.file
    }

    /// The mutex as the C library knows it.
    pub(crate) fn mutex(&self, place: Place) -> *mut libc::pthread_mutex_t {
        self.word(place).as_ptr().cast()
    }

    pub(crate) fn word(&self, place: Place) -> &AtomicU32 {
        if let Place::Chain(number) = place {
            assert!(number < self.chains, "no chain {number}");
        }
        self.word_at(place.offset())
    }

    /// The half word whose first byte is at `offset`.
    pub(crate) fn half_word_at(&self, offset: usize) -> &AtomicU16 {
        let word = self.word_at(offset).as_ptr();
        // SAFETY: inside the mapping and aligned better than it needs; libtdb writes it while it holds the
        // mutex before it, and reads it without: a half word is read whole.
        unsafe { AtomicU16::from_ptr(word.cast::<u16>()) }
    }

    fn word_at(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.bytes);
        // SAFETY: inside the mapping and aligned, as asserted; other processes change the word by atomic
        // operations only. Nobody truncates the file (a rule of this crate).
        unsafe { AtomicU32::from_ptr(self.base.as_ptr().add(offset / 4)) }
    }
}

impl Drop for Mutexes {
    fn drop(&mut self) {
        // SAFETY: the mapping that `map` made; all borrows of it end with this value. Who locked a mutex
        // through it keeps it alive until the mutex is released.
        unsafe { libc::munmap(self.base.as_ptr().cast::<c_void>(), self.bytes) };
    }
}

impl Tdb {
    /// The mutexes of this file; `None` if it has none, or if their layout is not the known one.
    pub fn mutexes(&self) -> io::Result<Option<Mutexes>> {
        if !self.flags().contains(crate::TdbFlags::MUTEX_LOCKING) {
            return Ok(None);
        }
        // SAFETY: the context is open; reads one field. The descriptor is only borrowed.
        let fd = unsafe { sys::tdb_fd(self.raw()) };
        Mutexes::map(fd, self.hash_size(), self.id())
    }
}

/// The thread that holds a mutex with this word; nobody if the owner is known to be dead.
const fn owner_of(word: u32) -> Option<u32> {
    let tid = word & OWNER;
    if tid == 0 || word & OWNER_DIED != 0 {
        None
    } else {
        Some(tid)
    }
}

/// The unit in which libtdb sizes the area.
fn page_bytes() -> usize {
    // SAFETY: takes a number, touches no memory of ours.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096)
}
