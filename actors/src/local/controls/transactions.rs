//! Transactions on persistent and replicated databases (client-protocol.md section 5.8).

use super::{Answer, Ask, Done, Refused, done};
use crate::local::router::Router;
use crate::records::{Commit, DbEntry, RecordError, RenewRecord, StoredRecord, UpdateRecords};
use actix::{MailboxError, Recipient};
use ctdb_protocol::client::marshall::Marshall;
use ctdb_protocol::client::traverse::RecordData;
use ctdb_protocol::client::{ControlReply, Opcode};
use ctdb_protocol::id::{ClientId, DbId};
use ctdb_protocol::membership::view::RecoveryMode;
use ctdb_protocol::record::header::RecordHeader;
use ctdb_protocol::record::replica::io::status;
use ctdb_protocol::record::replica::message::Change;
use ctdb_protocol::tunable::TunableId;
use ctdb_protocol::wire::message::DbKind;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Clients that wait for the answer of a commit.
#[derive(Debug, Default)]
pub(in crate::local) struct Committing(Mutex<BTreeSet<ClientId>>);

impl Committing {
    fn clients(&self) -> MutexGuard<'_, BTreeSet<ClientId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One client's commit: over when it is answered, or the client is gone. What it began goes on: all nodes get
/// the transaction, or a recovery makes them equal.
struct Turn {
    router: Arc<Router>,
    client: ClientId,
}

impl Turn {
    fn begin(router: &Arc<Router>, client: ClientId) -> Result<Self, Refused> {
        if !router.committing.clients().insert(client) {
            return Err(Refused::because("this client has a commit under way"));
        }
        let router = router.clone();
        Ok(Self { router, client })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.router.committing.clients().remove(&self.client);
    }
}

pub(super) fn answer(router: &Arc<Router>, ask: &Ask<'_>) -> Option<Answer> {
    match ask.opcode {
        Opcode::Trans3Commit => Some(commit(router, ask).into()),
        Opcode::UpdateRecord => Some(update(router, ask).into()),
        // Once they told of changes to come, without which nothing is lost: accepted from clients.
        Opcode::StartPersistentUpdate | Opcode::CancelPersistentUpdate => {
            let accepted: Done = ask.client().and_then(|_| done());
            Some(accepted.into())
        }
        _ => None,
    }
}

fn commit(router: &Arc<Router>, ask: &Ask<'_>) -> Result<Answer, Refused> {
    let client = ask.client()?;
    let Marshall { db_id, records } = ask.parse()?;
    if router.context.board.view().mode != RecoveryMode::Normal {
        return Err(Refused::because("a recovery is active"));
    }
    let entry = replica(router, db_id)?;
    let turn = Turn::begin(router, client)?;
    let seconds = router.tunable(TunableId::ControlTimeout);
    let request = Commit {
        db: entry.id,
        changes: records.into_iter().map(change).collect(),
        patience: Duration::from_secs(seconds.into()),
    };
    let shard = super::databases::databases(router)?.shard(entry.id);
    let answer = shard.commit.send(request);
    Ok(Answer::later_result(async move {
        let answer = answer.await;
        drop(turn);
        let status = answer.map_err(|_| Refused::because("the daemon is ending"))?;
        let status = status.map_err(|error| Refused::because(error.to_string()))?;
        Ok(reply(status))
    }))
}

/// Stores records on this node alone: all or none of a persistent or replicated database, as a recovery of 4.17
/// does; of a volatile one those that exist here, one after the other.
fn update(router: &Arc<Router>, ask: &Ask<'_>) -> Result<Answer, Refused> {
    let Marshall { db_id, records } = ask.parse()?;
    if router.context.board.view().mode != RecoveryMode::Normal {
        return Err(Refused::because("a recovery is active"));
    }
    let entry = super::databases::find(router, db_id)?;
    let shard = super::databases::databases(router)?.shard(entry.id);
    if entry.kind == DbKind::Volatile {
        return renew(shard.renew.clone(), entry.id, records);
    }
    let answer = shard.update.send(UpdateRecords {
        db: entry.id,
        changes: records.into_iter().map(change).collect(),
    });
    Ok(Answer::later_result(async move { stored(answer.await) }))
}

fn renew(
    shard: Recipient<RenewRecord>,
    db: DbId,
    records: Vec<RecordData>,
) -> Result<Answer, Refused> {
    let records: Result<Vec<_>, _> = records.into_iter().map(|r| renewal(db, r)).collect();
    let records = records?;
    Ok(Answer::later_result(async move {
        for record in records {
            stored(shard.send(record).await)?;
        }
        done()
    }))
}

fn renewal(db: DbId, record: RecordData) -> Result<RenewRecord, Refused> {
    let split = RecordHeader::split(&record.data);
    let (header, data) = split.ok_or_else(|| Refused::because("a record without header"))?;
    let data = data.to_vec();
    Ok(RenewRecord {
        db,
        record: StoredRecord { header, data },
        key: record.key.into(),
    })
}

fn stored(answer: Result<Result<(), RecordError>, MailboxError>) -> Done {
    let stored = answer.map_err(|_| Refused::because("the daemon is ending"))?;
    stored.map_err(|error| Refused::because(error.to_string()))?;
    done()
}

fn reply(answer: i32) -> ControlReply {
    let error = match answer {
        status::DONE => "",
        status::TIMED_OUT => "timeout in ctdb_persistent_state",
        status::RECOVERED => "trans3 commit ended by recovery",
        _ => "a recovery is active, or another commit, or the database is not healthy",
    };
    ControlReply {
        error: error.into(),
        ..ControlReply::status(answer)
    }
}

fn change(record: RecordData) -> Change {
    let (key, value) = (record.key.into(), record.data.into());
    Change { key, value }
}

/// A database whose content changes by transactions.
fn replica(router: &Router, id: u32) -> Result<DbEntry, Refused> {
    let entry = super::databases::databases(router)?.table.get(DbId(id));
    let entry = entry.ok_or_else(Refused::plainly)?;
    if entry.kind == DbKind::Volatile {
        let text = format!(
            "database {} is volatile: it has no transactions",
            entry.name
        );
        return Err(Refused::because(text));
    }
    Ok(entry)
}
