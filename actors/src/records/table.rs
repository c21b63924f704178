//! The list of open databases of all shards, for everybody who wants to look.
//!
//! Invariant: an entry stands here from the moment its file is open until it is about to be closed.
//! Whoever changes the list publishes it before anybody else can change it, so that the newest list
//! also arrives last.

use ctdb_protocol::id::DbId;
use ctdb_protocol::membership::message::DbInfo;
use ctdb_protocol::wire::message::DbKind;
use ctdb_tdb::TdbFlags;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// An open database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbEntry {
    /// Hash of the name.
    pub id: DbId,
    /// Name, as clients attach it.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// How it is kept.
    pub kind: DbKind,
    /// What clients must give to `tdb_open` (`DB_OPEN_FLAGS`; client-protocol.md section 5.2).
    pub open_flags: u32,
    /// Other nodes' clients may read copies (`SET_DB_READONLY`).
    pub is_readonly: bool,
    /// Hot records stay for a while (`SET_DB_STICKY`).
    pub is_sticky: bool,
}

impl DbEntry {
    /// The part that other nodes must know.
    pub fn info(&self) -> DbInfo {
        let (id, name, kind) = (self.id, self.name.clone(), self.kind);
        DbInfo { id, name, kind }
    }
}

/// The list; copies show the same one.
#[derive(Clone, Debug, Default)]
pub struct DbTable {
    /// Oldest first.
    entries: Arc<RwLock<Vec<DbEntry>>>,
}

impl DbTable {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// All databases, the newest attached first, as `GET_DBMAP` shows them.
    pub fn list(&self) -> Vec<DbEntry> {
        self.read().iter().rev().cloned().collect()
    }

    /// The database with this id.
    pub fn get(&self, id: DbId) -> Option<DbEntry> {
        self.read().iter().find(|entry| entry.id == id).cloned()
    }

    /// Number of databases.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether no database is open.
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// Adds `entry` or, if its id is there, replaces it.
    pub(super) fn put(&self, entry: DbEntry, publish: impl FnOnce(Vec<DbInfo>)) {
        self.change(publish, |entries| {
            match entries.iter_mut().find(|present| present.id == entry.id) {
                Some(present) => *present = entry,
                None => entries.push(entry),
            }
        });
    }

    /// Notes that the changes of `id` are counted.
    pub(super) fn enable_seqnum(&self, id: DbId) {
        self.note(id, |entry| entry.open_flags |= TdbFlags::SEQNUM.bits());
    }

    /// Notes that other nodes may have read-only copies.
    pub(super) fn set_readonly(&self, id: DbId) {
        self.note(id, |entry| entry.is_readonly = true);
    }

    /// Notes that hot records stay.
    pub(super) fn set_sticky(&self, id: DbId) {
        self.note(id, |entry| entry.is_sticky = true);
    }

    /// Changes what other nodes need not know.
    fn note(&self, id: DbId, note: impl FnOnce(&mut DbEntry)) {
        let change = |entries: &mut Vec<DbEntry>| {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.id == id) {
                note(entry);
            }
        };
        self.change(|_| (), change);
    }

    /// Takes `id` off the list.
    pub(super) fn remove(&self, id: DbId, publish: impl FnOnce(Vec<DbInfo>)) {
        self.change(publish, |entries| entries.retain(|entry| entry.id != id));
    }

    /// Publishes the list as it is.
    pub(super) fn publish(&self, publish: impl FnOnce(Vec<DbInfo>)) {
        self.change(publish, |_| ());
    }

    fn change(&self, publish: impl FnOnce(Vec<DbInfo>), change: impl FnOnce(&mut Vec<DbEntry>)) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut entries);
        publish(entries.iter().map(DbEntry::info).collect());
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<DbEntry>> {
        // Every change is one list operation: a panic elsewhere leaves the list whole.
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }
}
