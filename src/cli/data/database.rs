//! Finding a database by what the admin calls it.

use ctdb_protocol::client::dbmap::{DbFlags, DbMap};
use ctdb_protocol::client::text::Text;
use ctdb_protocol::client::{Opcode, Payload};
use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::command::DbName;

use super::refused;
use crate::client::{Client, ClientError, DbKind};

/// An attached database.
pub(super) struct Database {
    /// Its id.
    pub(super) id: u32,
    /// Its name.
    pub(super) name: String,
    /// Its kind.
    pub(super) flags: DbFlags,
}

impl Database {
    /// Finds it by name or id.
    pub(super) fn find(client: &mut Client, wanted: &DbName) -> Result<Self, Refusal> {
        let found = Self::look_up(client, wanted).map_err(refused)?;
        let missing = || Refusal::new(format!("No database matching '{}' found", wanted.0));
        found.ok_or_else(missing)
    }

    fn look_up(client: &mut Client, wanted: &DbName) -> Result<Option<Self>, ClientError> {
        let map = DbMap::parse(&client.control_ok(Opcode::GetDbMap, &[])?)?;
        for entry in map.dbs {
            let id = entry.db_id;
            let name = client.control_ok(Opcode::GetDbName, &id.to_bytes())?;
            let Text(name) = Text::parse(&name)?;
            if name == wanted.0 || Some(id) == wanted.id() {
                let flags = entry.flags;
                return Ok(Some(Self { id, name, flags }));
            }
        }
        Ok(None)
    }

    pub(super) const fn kind(&self) -> DbKind {
        kind(self.flags)
    }
}

/// What a database with these flags is.
pub(super) const fn kind(flags: DbFlags) -> DbKind {
    if flags.contains(DbFlags::PERSISTENT) {
        DbKind::Persistent
    } else if flags.contains(DbFlags::REPLICATED) {
        DbKind::Replicated
    } else {
        DbKind::Volatile
    }
}
