//! Databases that clients of other nodes attached.

use super::router::Router;
use ctdb_protocol::wire::message::DbKind;
use std::sync::Arc;

impl Router {
    /// Opens a database because a peer's client attached it. The shard logs what goes wrong; a recovery
    /// opens what is still missing.
    pub(super) fn attach_for_peer(self: &Arc<Self>, name: String, kind: DbKind) {
        let router = self.clone();
        actix::spawn(async move {
            if let Some(databases) = router.databases.get() {
                let _ = databases.attach(name, kind).await;
            }
        });
    }
}
