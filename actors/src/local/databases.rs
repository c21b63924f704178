//! Where the databases are: the shared list, and the actors that keep them.

use crate::records::{
    Attach, BumpSeqnum, Commit, ContentRequest, DbEntry, DbTable, Detach, EnableSeqnum, GetSeqnum,
    HealthBook, OpenError, ReadRecord, Records, RenewRecord, Traverse, UpdateRecords, VacuumDb,
    WriteRecord, db_id,
};
use actix::{Addr, Recipient};
use ctdb_protocol::id::DbId;
use ctdb_protocol::machine::Machine;
use ctdb_protocol::record::io::{Effect, Input};
use ctdb_protocol::wire::message::DbKind;

/// One shard's actor, whatever machine it runs.
#[derive(Clone)]
pub struct ShardAddr {
    pub(super) attach: Recipient<Attach>,
    pub(super) detach: Recipient<Detach>,
    pub(super) enable_seqnum: Recipient<EnableSeqnum>,
    pub(super) seqnum: Recipient<GetSeqnum>,
    pub(super) bump_seqnum: Recipient<BumpSeqnum>,
    pub(super) commit: Recipient<Commit>,
    pub(super) content: Recipient<ContentRequest>,
    pub(super) update: Recipient<UpdateRecords>,
    pub(super) traverse: Recipient<Traverse>,
    pub(super) vacuum: Recipient<VacuumDb>,
    pub(super) read: Recipient<ReadRecord>,
    pub(super) write: Recipient<WriteRecord>,
    pub(super) renew: Recipient<RenewRecord>,
}

impl<M> From<Addr<Records<M>>> for ShardAddr
where
    M: Machine<Input = Input, Effect = Effect> + Unpin + 'static,
{
    fn from(records: Addr<Records<M>>) -> Self {
        Self {
            attach: records.clone().recipient(),
            detach: records.clone().recipient(),
            enable_seqnum: records.clone().recipient(),
            seqnum: records.clone().recipient(),
            bump_seqnum: records.clone().recipient(),
            commit: records.clone().recipient(),
            content: records.clone().recipient(),
            update: records.clone().recipient(),
            traverse: records.clone().recipient(),
            vacuum: records.clone().recipient(),
            read: records.clone().recipient(),
            write: records.clone().recipient(),
            renew: records.recipient(),
        }
    }
}

/// All databases of the node.
#[derive(Clone)]
pub struct Databases {
    /// The list that all shards share.
    pub table: DbTable,
    /// Which persistent databases cannot be relied on.
    pub health: HealthBook,
    /// The shards by number; at least one.
    pub shards: Vec<ShardAddr>,
}

impl Databases {
    /// The shard of a database, by the rule of [`crate::post::Post::records_of`].
    pub(super) fn shard(&self, db: DbId) -> &ShardAddr {
        &self.shards[db.0 as usize % self.shards.len()]
    }

    /// Whether the database is open here.
    pub(super) fn has(&self, db: DbId) -> bool {
        self.table.get(db).is_some()
    }

    /// Opens a database, or finds it open.
    pub(super) async fn attach(&self, name: String, kind: DbKind) -> Result<DbEntry, OpenError> {
        let shard = self.shard(db_id(&name)).attach.clone();
        let answer = shard.send(Attach { name, kind }).await;
        answer.unwrap_or(Err(OpenError::Ending))
    }
}
