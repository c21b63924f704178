//! A database as smbd uses it: the local file under its chain locks, the daemon for migration.

use std::path::PathBuf;

use ctdb_protocol::client::database::ScheduleForDeletion;
use ctdb_protocol::client::text::Text;
use ctdb_protocol::client::{Call, CallFlags, CallId, Opcode, Payload, RecordFlags, RecordHeader};
use ctdb_tdb::{Access, OpenOptions, Tdb, TdbFlags};
use std::convert::Infallible;
use std::time::Duration;

use super::connection::Client;
use super::error::Result;

/// Kind of database to attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbKind {
    /// Records migrate.
    Volatile,
    /// On disk, changed by transactions.
    Persistent,
    /// Changed by transactions, lost when all nodes go.
    Replicated,
}

/// What [`Db::fetch_lock`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Update {
    /// How often the record had to be called here; 0 if it was here already.
    pub migrations: u32,
    /// The header under which the new data was stored.
    pub header: RecordHeader,
}

/// An attached database with a connection of its own for calls, as smbd has for this purpose.
#[derive(Debug)]
pub struct Db {
    calls: Client,
    id: u32,
    tdb: Tdb,
}

impl Client {
    /// Attaches a volatile database. A process can attach a database once only: libtdb's rule.
    pub fn attach(&mut self, name: &str) -> Result<Db> {
        self.attach_kind(name, DbKind::Volatile)
    }

    /// Attaches a database without opening its file; answers its id.
    pub fn attach_id(&mut self, name: &str, kind: DbKind) -> Result<u32> {
        let opcode = match kind {
            DbKind::Volatile => Opcode::DbAttach,
            DbKind::Persistent => Opcode::DbAttachPersistent,
            DbKind::Replicated => Opcode::DbAttachReplicated,
        };
        let answer = self.control_ok(opcode, &Text(name.into()).to_bytes())?;
        Ok(u32::parse(&answer)?)
    }

    /// Attaches a database: the id, the path, the flags, then the file.
    pub fn attach_kind(&mut self, name: &str, kind: DbKind) -> Result<Db> {
        let db_id = self.attach_id(name, kind)?;
        let path = self.control_ok(Opcode::GetDbPath, &db_id.to_bytes())?;
        let path = PathBuf::from(Text::parse(&path)?.0);
        let flags = u32::parse(&self.control_ok(Opcode::DbOpenFlags, &db_id.to_bytes())?)?;
        let options = OpenOptions {
            hash_size: 0,
            flags: TdbFlags::from_bits_retain(flags),
            access: Access::ReadWrite,
            ..OpenOptions::default()
        };
        let calls = Client::connect(self.path())?;
        Ok(Db {
            calls,
            id: db_id,
            tdb: Tdb::open(path, &options)?,
        })
    }
}

impl Db {
    /// The database's id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The local file.
    pub fn tdb(&self) -> &Tdb {
        &self.tdb
    }

    /// Has the record moved here; returns when the daemon says that it is.
    pub fn call_migrate(&mut self, key: &[u8]) -> Result<()> {
        self.call(CallId::Null, CallFlags::IMMEDIATE_MIGRATION, key)
            .map(|_| ())
    }

    /// Calls many records at once; returns when all are answered.
    pub fn call_many(&mut self, call_id: CallId, flags: CallFlags, keys: &[Vec<u8>]) -> Result<()> {
        let calls = keys.iter().map(|key| Call {
            flags,
            db_id: self.id,
            call_id,
            hop_count: 0,
            key: key.clone(),
            data: Vec::new(),
        });
        self.calls.call_many(calls)
    }

    /// Changes a record: `update` sees the old data (empty if there is none) under the chain lock and
    /// gives the new one. Empty new data deletes the record. An error if the daemon is gone.
    pub fn fetch_lock(
        &mut self,
        key: &[u8],
        update: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> Result<Update> {
        let mut migrations = 0;
        loop {
            let lock = self.tdb.chain_lock(key)?;
            let record = self.tdb.fetch(key)?.unwrap_or_default();
            if let Some((header, old)) = writable(&record, self.calls.pnn()) {
                self.calls.check_open()?;
                let new = update(old);
                self.tdb.storev(key, &[&header.to_bytes(), &new])?;
                drop(lock);
                if new.is_empty() {
                    self.schedule_for_deletion(header, key)?;
                }
                return Ok(Update { migrations, header });
            }
            // The lock must be gone: the daemon needs it to put the record in place.
            drop(lock);
            self.call_migrate(key)?;
            migrations += 1;
        }
    }

    /// Lets this node have read-only copies of the database's records, as `ctdb setdbreadonly` does on each node.
    pub fn set_readonly(&mut self) -> Result<()> {
        let id = self.id.to_bytes();
        self.calls.control_ok(Opcode::SetDbReadonly, &id).map(drop)
    }

    /// Reads a record here: this node is its dmaster or has a read-only copy. `locked` sees the data under the chain
    /// lock. Answers how often a copy had to be called here.
    pub fn fetch_readonly(&mut self, key: &[u8], mut locked: impl FnMut(&[u8])) -> Result<u32> {
        let mut calls = 0;
        loop {
            let lock = self.tdb.chain_lock(key)?;
            let record = self.tdb.fetch(key)?.unwrap_or_default();
            if let Some(data) = readable(&record, self.calls.pnn()) {
                locked(data);
                return Ok(calls);
            }
            drop(lock);
            let flags = CallFlags::IMMEDIATE_MIGRATION | CallFlags::WANT_READONLY;
            self.call(CallId::Null, flags, key)?;
            calls += 1;
        }
    }

    /// Locks a record, says so by `locked`, closes the file with the lock held and ends the process after
    /// `linger`.
    pub fn abandon(
        &self,
        key: &[u8],
        locked: impl FnOnce(),
        linger: Duration,
    ) -> Result<Infallible> {
        std::mem::forget(self.tdb.chain_lock(key)?);
        locked();
        self.tdb.abandon(linger)
    }

    /// Reads a record without locking it or moving it here, unless the daemon does so.
    pub fn fetch(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let record = self.tdb.fetch(key)?;
        let mut flags = CallFlags::empty();
        if let Some(record) = &record {
            match readable(record, self.calls.pnn()) {
                Some([]) => return Ok(None),
                Some(data) => return Ok(Some(data.to_vec())),
                None => flags = CallFlags::WANT_READONLY,
            }
        }
        let data = self.call(CallId::Fetch, flags, key)?;
        Ok(if data.is_empty() { None } else { Some(data) })
    }

    fn call(&mut self, call_id: CallId, flags: CallFlags, key: &[u8]) -> Result<Vec<u8>> {
        let call = Call {
            flags,
            db_id: self.id,
            call_id,
            hop_count: 0,
            key: key.to_vec(),
            data: Vec::new(),
        };
        Ok(self.calls.call(call)?.data)
    }

    fn schedule_for_deletion(&mut self, header: RecordHeader, key: &[u8]) -> Result<()> {
        let request = ScheduleForDeletion {
            db_id: self.id,
            header,
            key: key.to_vec(),
        };
        self.calls.control_noreply(
            Opcode::ScheduleForDeletion,
            self.id.into(),
            &request.to_bytes(),
        )
    }
}

/// The parts of a record that this node may change; `None` if it may not, or there is no record.
fn writable(record: &[u8], own_pnn: u32) -> Option<(RecordHeader, &[u8])> {
    let (header, data) = RecordHeader::split(record).ok()?;
    let usable =
        header.dmaster == own_pnn && !header.flags.contains(RecordFlags::RO_HAVE_DELEGATIONS);
    usable.then_some((header, data))
}

/// The data of a record that this node may read.
fn readable(record: &[u8], own_pnn: u32) -> Option<&[u8]> {
    let (header, data) = RecordHeader::split(record).ok()?;
    let usable = header.dmaster == own_pnn || header.flags.contains(RecordFlags::RO_HAVE_READONLY);
    usable.then_some(data)
}
