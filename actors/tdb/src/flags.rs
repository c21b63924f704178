//! Flags and options of an open TDB.

use bitflags::bitflags;

bitflags! {
    /// TDB flags with the bits of `tdb.h`, which are also the bits of the client protocol
    /// (`DB_OPEN_FLAGS`).
    ///
    /// Left out on purpose: `INTERNAL` (no file) and the two endianness bits that libtdb sets itself;
    /// [`crate::Tdb::flags`] may still report the latter.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub struct TdbFlags: u32 {
        /// The first opener wipes the file.
        const CLEAR_IF_FIRST = 1;
        /// Take no locks. Only around calls during which a helper process holds them.
        const NOLOCK = 4;
        /// Read and write instead of mapping.
        const NOMMAP = 8;
        /// Transactions do not wait for the disk.
        const NOSYNC = 0x40;
        /// Count changes in the header.
        const SEQNUM = 0x80;
        /// Keep up to five dead records per chain for reuse.
        const VOLATILE = 0x100;
        /// Transactions may nest.
        const ALLOW_NESTING = 0x200;
        /// Transactions may not nest.
        const DISALLOW_NESTING = 0x400;
        /// Jenkins hash instead of the old one.
        const INCOMPATIBLE_HASH = 0x800;
        /// Robust mutexes instead of record locks; every opener must agree.
        const MUTEX_LOCKING = 0x1000;
    }
}

impl TdbFlags {
    /// Volatile database with mutexes (0x1c41).
    pub const CTDB_VOLATILE: Self = Self::from_bits_retain(0x1c41);
    /// Replicated database, or a volatile one with mutexes switched off (0xc41).
    pub const CTDB_REPLICATED: Self = Self::from_bits_retain(0xc41);
    /// Persistent database (0x400).
    pub const CTDB_PERSISTENT: Self = Self::from_bits_retain(0x400);

    /// The flags that may change while the file is open.
    pub(crate) const CHANGEABLE: Self = Self::SEQNUM
        .union(Self::NOLOCK)
        .union(Self::NOSYNC)
        .union(Self::ALLOW_NESTING)
        .union(Self::DISALLOW_NESTING);
}

/// How the file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Existing file, reading only. Does not fit [`TdbFlags::CLEAR_IF_FIRST`].
    ReadOnly,
    /// Existing file, as the clients of CTDB open it.
    ReadWrite,
    /// Created if missing, as the daemon opens it.
    Create,
}

/// Options of [`crate::Tdb::open`]. The default is what CTDB gives to a persistent database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Number of hash chains of a new file, 0 for libtdb's 131; an existing file keeps its own.
    pub hash_size: u32,
    /// See [`TdbFlags`].
    pub flags: TdbFlags,
    /// See [`Access`].
    pub access: Access,
    /// Permission bits of a new file, before the umask.
    pub mode: u32,
    /// Dead records kept per chain for reuse; CTDB uses 5.
    pub max_dead: u32,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            hash_size: 100_001,
            flags: TdbFlags::CTDB_PERSISTENT,
            access: Access::Create,
            mode: 0o600,
            max_dead: 5,
        }
    }
}
