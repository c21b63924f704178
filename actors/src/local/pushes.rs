//! Messages that are records for a database of this node (`DB_PUSH_START`): they go to its shard, in the order in
//! which they and the control that ends them came.

use super::router::Router;
use crate::records::{ContentRequest, ContentStep};
use ctdb_protocol::id::DbId;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most pushes at once: one a database.
const PUSHES_MAX: usize = ctdb_protocol::limits::DATABASES_MAX;

/// The ports of all pushes under way.
#[derive(Debug, Default)]
pub(super) struct Pushes(Mutex<BTreeMap<DbId, u64>>);

impl Pushes {
    fn ports(&self) -> MutexGuard<'_, BTreeMap<DbId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Messages to `srvid` are for `db` from now on; an older push to the same port ends.
    pub(super) fn begin(&self, srvid: u64, db: DbId) {
        let mut ports = self.ports();
        ports.retain(|_, port| *port != srvid);
        if ports.len() < PUSHES_MAX {
            ports.insert(db, srvid);
        }
    }

    /// No more records come for `db`.
    pub(super) fn end(&self, db: DbId) {
        self.ports().remove(&db);
    }

    fn database(&self, srvid: u64) -> Option<DbId> {
        let ports = self.ports();
        let found = ports.iter().find(|(_, port)| **port == srvid);
        found.map(|(db, _)| *db)
    }
}

impl Router {
    /// Passes a message on if it holds records for a database here.
    pub(super) fn push_records(&self, srvid: u64, data: &[u8]) {
        let Some(db) = self.pushes.database(srvid) else {
            return;
        };
        if let Some(databases) = self.databases.get() {
            let step = ContentStep::Push(data.to_vec());
            // A full mailbox loses the records, which the count tells the tool.
            let _ = databases
                .shard(db)
                .content
                .try_send(ContentRequest { db, step });
        }
    }
}
