//! The open databases of one shard.
//!
//! Invariants: a file is open here at most once and under its database's id; a volatile database is in the map
//! exactly while it is in the shared [`DbTable`], others until they get a thread of their own.

use super::damage;
use super::error::{OpenError, RecordError};
use super::replica::{HealthBook, Known};
use super::table::{DbEntry, DbTable};
use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::limits::DATABASES_MAX;
use ctdb_protocol::membership::message::DbInfo;
use ctdb_protocol::notice::Notice;
use ctdb_protocol::wire::message::DbKind;
use ctdb_tdb::{
    Access, Mutexes, OpenOptions, Place, Tdb, TdbFlags, jenkins_chain, jenkins_hash, probe_mutexes,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest database name in bytes: with the node number it must be a file name.
const NAME_BYTES_MAX: usize = 240;
/// The freelist is watched for so long before an operation waits.
const FREELIST_PATIENCE: Duration = Duration::from_micros(50);
/// Permission bits of new files.
const FILE_MODE: u32 = 0o600;

/// Where and how the files of one shard are kept.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// This node: the end of all file names.
    pub own: Pnn,
    /// Directory of volatile and replicated databases.
    pub volatile_dir: PathBuf,
    /// Directory of persistent databases.
    pub persistent_dir: PathBuf,
    /// Hash chains of a new file (tunable `DatabaseHashSize`).
    pub hash_size: u32,
    /// Dead records kept per chain (tunable `DatabaseMaxDead`).
    pub max_dead: u32,
    /// Mutexes in volatile files, if the machine can (`tdb mutexes`). All processes that open a file
    /// must agree, so they follow `DB_OPEN_FLAGS`. See [`super::prepare`].
    pub mutexes: bool,
    /// Which persistent databases cannot be relied on.
    pub health: HealthBook,
    /// This shard.
    pub shard: usize,
    /// Number of shards, at least 1.
    pub shards: usize,
}

impl StoreConfig {
    /// Whether this shard keeps `db`, by the rule of [`crate::post::Post::records_of`].
    pub fn is_ours(&self, db: DbId) -> bool {
        db.0 as usize % self.shards.max(1) == self.shard
    }

    /// The file of a database.
    pub fn path(&self, name: &str, kind: DbKind) -> PathBuf {
        self.dir(kind).join(format!("{name}.{}", self.own))
    }

    /// The flags by which a database of this kind is opened, by clients too.
    pub fn flags(&self, kind: DbKind) -> TdbFlags {
        match kind {
            DbKind::Volatile if self.mutexes && probe_mutexes() => TdbFlags::CTDB_VOLATILE,
            DbKind::Volatile | DbKind::Replicated => TdbFlags::CTDB_REPLICATED,
            DbKind::Persistent => TdbFlags::CTDB_PERSISTENT,
        }
    }

    fn dir(&self, kind: DbKind) -> &Path {
        match kind {
            DbKind::Volatile | DbKind::Replicated => &self.volatile_dir,
            DbKind::Persistent => &self.persistent_dir,
        }
    }
}

/// The id of a database: the hash of its name with the final NUL (client-protocol.md section 5.1).
pub fn db_id(name: &str) -> DbId {
    let mut bytes = Vec::with_capacity(name.len() + 1);
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    DbId(jenkins_hash(&bytes))
}

/// An open database.
#[derive(Debug)]
pub struct Database {
    entry: DbEntry,
    tdb: Tdb,
    mutexes: Option<Arc<Mutexes>>,
    /// The damaged file that this one takes the place of, for the log.
    set_aside: Option<Notice>,
    /// The content of a persistent file when it was opened.
    known: Option<Known>,
}

impl Database {
    /// Opens the file, and checks that it is what it should be: nothing in a cleared file, a sound
    /// structure in a persistent one. A damaged persistent file is renamed and an empty one takes its place.
    ///
    /// Blocks: libtdb lays out 100,001 mutexes, waits for other openers and, for the check of a
    /// persistent file, for clients. So it runs where waiting is allowed; the result may then move.
    pub fn open(config: &StoreConfig, name: &str, kind: DbKind) -> Result<Self, OpenError> {
        check_name(name)?;
        let dir = config.dir(kind);
        fs::create_dir_all(dir).map_err(|source| OpenError::Directory {
            path: dir.to_owned(),
            source,
        })?;
        let path = config.path(name, kind);
        match Self::open_file(config, name, kind, &path) {
            Err(OpenError::Damaged { source, .. }) => {
                let set_aside = damage::set_aside(&config.health, name, &path, &source)?;
                let opened = Self::open_file(config, name, kind, &path)?;
                Ok(Self {
                    set_aside: Some(set_aside),
                    ..opened
                })
            }
            opened => opened,
        }
    }

    fn open_file(
        config: &StoreConfig,
        name: &str,
        kind: DbKind,
        path: &Path,
    ) -> Result<Self, OpenError> {
        let keeps = kind == DbKind::Persistent;
        let exists = fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0);
        // With leave to create, libtdb starts anew over a file that it does not recognise.
        let access = if keeps && exists {
            Access::ReadWrite
        } else {
            Access::Create
        };
        let options = OpenOptions {
            hash_size: config.hash_size,
            flags: config.flags(kind),
            access,
            mode: FILE_MODE,
            max_dead: config.max_dead,
        };
        let damaged = |source| OpenError::Damaged {
            path: path.to_owned(),
            source,
        };
        let tdb = match Tdb::open(path, &options) {
            Err(error) if access == Access::ReadWrite && is_unrecognised(&error) => {
                return Err(damaged(error));
            }
            opened => opened?,
        };
        let (tdb, known) = if keeps {
            tdb.check().map_err(damaged)?;
            let known = Known::read(&tdb)?;
            drop(tdb);
            (Tdb::open(path, &unmapped(&options))?, Some(known))
        } else if tdb.is_empty()? {
            (tdb, None)
        } else {
            let path = path.to_owned();
            return Err(OpenError::LeftOver { path });
        };
        let entry = DbEntry {
            id: db_id(name),
            name: name.to_owned(),
            path: path.to_owned(),
            kind,
            open_flags: options.flags.bits(),
            is_readonly: false,
            is_sticky: false,
        };
        // Without them the file is served all the same; only locks of the dead stay.
        let mutexes = tdb.mutexes().ok().flatten().map(Arc::new);
        Ok(Self {
            entry,
            tdb,
            mutexes,
            set_aside: None,
            known,
        })
    }

    /// The content when it was opened, as far as it was read.
    pub(super) const fn known(&self) -> Option<Known> {
        self.known
    }

    /// What to log about a damaged file that this one takes the place of, once.
    pub(super) fn take_notice(&mut self) -> Option<Notice> {
        self.set_aside.take()
    }

    /// What everybody may know of it.
    pub const fn entry(&self) -> &DbEntry {
        &self.entry
    }

    /// The file.
    pub const fn tdb(&self) -> &Tdb {
        &self.tdb
    }

    /// Its mutexes, if it has any.
    pub const fn mutexes(&self) -> Option<&Arc<Mutexes>> {
        self.mutexes.as_ref()
    }

    /// Whether libtdb could allocate now. A store waits for the freelist however long somebody holds it:
    /// mostly for a moment, but a client may be stopped just there, and this thread has other databases.
    pub fn has_room(&self) -> bool {
        let Some(mutexes) = &self.mutexes else {
            return true;
        };
        let is_held = || mutexes.owner(Place::Freelist).is_some();
        if !is_held() {
            return true;
        }
        let begin = Instant::now();
        while is_held() {
            if begin.elapsed() >= FREELIST_PATIENCE {
                return false;
            }
            std::hint::spin_loop();
        }
        true
    }

    /// Whether [`Database::chain`] tells the chain of the file.
    pub fn numbers_chains(&self) -> bool {
        self.tdb.flags().contains(TdbFlags::INCOMPATIBLE_HASH)
    }

    /// Number of the chain of `key`, by which operations queue. In a persistent file, which hashes in
    /// the old way, it is a number all the same: equal keys have equal ones, and that is all it is for.
    pub fn chain(&self, key: &[u8]) -> u32 {
        jenkins_chain(key, self.tdb.hash_size().max(1))
    }

    /// Starts to count changes in the file's header.
    fn enable_seqnum(&mut self) -> Result<(), ctdb_tdb::Error> {
        self.tdb.add_flags(TdbFlags::SEQNUM)?;
        self.entry.open_flags |= TdbFlags::SEQNUM.bits();
        Ok(())
    }
}

/// All open databases of one shard.
#[derive(Debug)]
pub struct Store {
    config: StoreConfig,
    databases: BTreeMap<DbId, Database>,
    table: DbTable,
}

impl Store {
    /// A store without databases.
    pub fn new(config: StoreConfig, table: DbTable) -> Self {
        let databases = BTreeMap::new();
        Self {
            config,
            databases,
            table,
        }
    }

    /// Opens every `*.tdb.<pnn>` of the persistent directory that belongs to this shard. A file that
    /// can't be opened is left out and answered with its reason. For the start of the daemon: blocks.
    pub fn attach_persistent(&mut self) -> Vec<(String, OpenError)> {
        let mut failures = Vec::new();
        let names = match self.persistent_names() {
            Ok(names) => names,
            Err(error) => {
                let dir = self.config.persistent_dir.display().to_string();
                return vec![(dir, error)];
            }
        };
        for name in names {
            if !self.config.is_ours(db_id(&name)) {
                continue;
            }
            let opened = self
                .admit(&name, DbKind::Persistent)
                .and_then(|present| match present {
                    Some(_) => Ok(()),
                    None => Database::open(&self.config, &name, DbKind::Persistent)
                        .map(|database| self.insert(database, |_| ())),
                });
            if let Err(error) = opened {
                failures.push((name, error));
            }
        }
        failures
    }

    /// Names of the persistent files of this node, sorted. A missing directory has none.
    fn persistent_names(&self) -> Result<Vec<String>, OpenError> {
        let dir = &self.config.persistent_dir;
        let failed = |source| OpenError::Directory {
            path: dir.clone(),
            source,
        };
        if !dir.exists() {
            return Ok(Vec::new());
        }
        let ending = format!(".{}", self.config.own);
        let mut names = Vec::new();
        for file in fs::read_dir(dir).map_err(failed)? {
            let file = file.map_err(failed)?.file_name();
            let Some(name) = file.to_str().and_then(|file| file.strip_suffix(&ending)) else {
                continue;
            };
            if Path::new(name)
                .extension()
                .is_some_and(|kind| kind == "tdb")
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Whether `name` may be attached as `kind`: the entry if it is open already. Asking for a
    /// volatile database finds one of any kind, as in the seed daemon.
    pub fn admit(&self, name: &str, kind: DbKind) -> Result<Option<DbEntry>, OpenError> {
        check_name(name)?;
        let id = db_id(name);
        let name = name.to_owned();
        if !self.config.is_ours(id) {
            return Err(OpenError::WrongShard { name });
        }
        let Some(entry) = self.table.get(id) else {
            if self.table.len() >= DATABASES_MAX {
                return Err(OpenError::TooMany { name });
            }
            return Ok(None);
        };
        if entry.name != name {
            let other = entry.name;
            return Err(OpenError::IdTaken { name, other, id });
        }
        if kind != DbKind::Volatile && kind != entry.kind {
            let present = entry.kind;
            return Err(OpenError::KindDiffers {
                name,
                present,
                asked: kind,
            });
        }
        Ok(Some(entry))
    }

    /// Takes an open database in.
    pub fn insert(&mut self, database: Database, publish: impl FnOnce(Vec<DbInfo>)) {
        let entry = database.entry.clone();
        self.databases.insert(entry.id, database);
        self.table.put(entry, publish);
    }

    /// Lets a database go; its handle closes the file when it is dropped, which may wait.
    pub fn remove(&mut self, db: DbId, publish: impl FnOnce(Vec<DbInfo>)) -> Option<Database> {
        let database = self.databases.remove(&db)?;
        self.table.remove(db, publish);
        Some(database)
    }

    /// Takes all databases out whose content is replicated, for their threads; they stay in the list.
    pub(super) fn take_replicas(&mut self) -> Vec<Database> {
        let is_replica = |database: &&Database| database.entry.kind != DbKind::Volatile;
        let ids = self.databases.values().filter(is_replica);
        let ids: Vec<DbId> = ids.map(|database| database.entry.id).collect();
        ids.iter()
            .filter_map(|id| self.databases.remove(id))
            .collect()
    }

    /// Starts to count changes of `db`, which `DB_OPEN_FLAGS` tells from then on.
    pub fn enable_seqnum(&mut self, db: DbId) -> Result<(), RecordError> {
        let database = self
            .databases
            .get_mut(&db)
            .ok_or(RecordError::NoDatabase(db))?;
        database.enable_seqnum()?;
        self.table.put(database.entry.clone(), |_| ());
        Ok(())
    }

    /// A database.
    pub fn get(&self, db: DbId) -> Option<&Database> {
        self.databases.get(&db)
    }

    /// A database, or the error that says that it is not here.
    pub fn expect(&self, db: DbId) -> Result<&Database, RecordError> {
        self.get(db).ok_or(RecordError::NoDatabase(db))
    }

    /// All databases of this shard, in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Database> {
        self.databases.values()
    }

    /// Where and how the files are kept.
    pub const fn config(&self) -> &StoreConfig {
        &self.config
    }

    /// The list that this store and those of the other shards fill.
    pub const fn table(&self) -> &DbTable {
        &self.table
    }
}

/// How the daemon keeps a persistent file open: without mapping it, libtdb makes four writes of a commit sure
/// instead of eight (measured on a busy disk: 9 ms instead of 23 ms). Clients map it as ever.
const fn unmapped(options: &OpenOptions) -> OpenOptions {
    OpenOptions {
        flags: options.flags.union(TdbFlags::NOMMAP),
        access: Access::ReadWrite,
        ..*options
    }
}

/// Whether libtdb read the file but found no TDB in it.
fn is_unrecognised(error: &ctdb_tdb::Error) -> bool {
    let ctdb_tdb::Error::Open { source, .. } = error else {
        return false;
    };
    source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

fn check_name(name: &str) -> Result<(), OpenError> {
    let why = if name.is_empty() {
        "it is empty"
    } else if name.len() > NAME_BYTES_MAX {
        "it is too long"
    } else if name.starts_with('.') {
        "it must not begin with a dot"
    } else if name.contains(['/', '\0']) {
        "it must not contain '/' or NUL"
    } else {
        return Ok(());
    };
    let name = name.to_owned();
    Err(OpenError::BadName { name, why })
}
