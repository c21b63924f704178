//! Sequence numbers of volatile files: a change on one node counts on all (client-protocol.md section 5.9).
//!
//! Each `SeqnumInterval` a node looks whether the number of a file, which clients raise with each change, is
//! another one than it last knew, and then has all others raise theirs. What is raised that way is known and
//! comes back to nobody. Files of other kinds need none of this: all nodes make the same changes to them.

use super::controls::Ask;
use super::databases::Databases;
use super::remote::control_message;
use super::router::Router;
use crate::records::{BumpSeqnum, GetSeqnum, RecordError};
use actix::clock::sleep;
use ctdb_protocol::client::{ControlFlags, Opcode, Payload};
use ctdb_protocol::id::DbId;
use ctdb_protocol::tunable::TunableId;
use ctdb_protocol::wire::message::DbKind;
use ctdb_tdb::TdbFlags;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Shortest pause between two looks.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// The numbers that the others know of.
#[derive(Debug, Default)]
pub(super) struct Seqnums(Mutex<BTreeMap<DbId, u64>>);

impl Seqnums {
    fn known(&self) -> MutexGuard<'_, BTreeMap<DbId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the others of changes for as long as the arbiter lives.
pub(super) async fn keep_telling(router: Arc<Router>) {
    loop {
        let interval = router.tunable(TunableId::SeqnumInterval);
        sleep(Duration::from_millis(interval.into()).max(PAUSE_MIN)).await;
        let Some(databases) = router.databases.get() else {
            continue;
        };
        let counted = counted(databases);
        router.seqnums.known().retain(|db, _| counted.contains(db));
        for db in counted {
            // It went away meanwhile: the next look does not find it.
            let Ok(now) = number(databases, db).await else {
                continue;
            };
            let known = router.seqnums.known().insert(db, now);
            if known.is_some_and(|known| known != now) {
                tell(&router, db);
            }
        }
    }
}

/// Volatile databases whose changes are counted.
fn counted(databases: &Databases) -> Vec<DbId> {
    let all = databases.table.list().into_iter();
    let counted = all.filter(|entry| {
        entry.kind == DbKind::Volatile && entry.open_flags & TdbFlags::SEQNUM.bits() != 0
    });
    counted.map(|entry| entry.id).collect()
}

fn tell(router: &Router, db: DbId) {
    let data = db.0.to_bytes();
    let ask = Ask {
        opcode: Opcode::UpdateSeqnum,
        srvid: 0,
        flags: ControlFlags::NOREPLY,
        data: &data,
        client: None,
        peer: None,
    };
    for peer in router.context.links.connected() {
        router.send_peer(peer, control_message(0, &ask));
    }
}

/// Another node's number rose. Changes of our own that the others do not know of stay untold until the next look.
pub(super) async fn raise(router: &Router, db: DbId) -> Result<(), RecordError> {
    let databases = router.databases.get();
    let databases = databases.ok_or(RecordError::NoDatabase(db))?;
    let before = number(databases, db).await?;
    let bumped = databases.shard(db).bump_seqnum.send(BumpSeqnum(db)).await;
    bumped.unwrap_or(Err(RecordError::Ending))?;
    let after = number(databases, db).await?;
    let mut known = router.seqnums.known();
    if known.get(&db).is_none_or(|known| *known == before) {
        known.insert(db, after);
    }
    Ok(())
}

async fn number(databases: &Databases, db: DbId) -> Result<u64, RecordError> {
    let answer = databases.shard(db).seqnum.send(GetSeqnum(db)).await;
    answer.unwrap_or(Err(RecordError::Ending))
}
