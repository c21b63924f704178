//! Commands about databases and their records.

use super::execute::{Answer, Run};
use ctdb_protocol::client::database::DbSeqnumQuery;
use ctdb_protocol::client::db_statistics::DbStatistics;
use ctdb_protocol::client::dbmap::{DbEntry, DbFlags, DbMap};
use ctdb_protocol::client::text::Text;
use ctdb_protocol::client::{Opcode, Payload};
use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::command::{AttachKind, Command, DbName};
use ctdb_protocol::console::json::Value;
use ctdb_protocol::console::render::database::{DbInfo, DbList, DbStatus, Dump, RecordValue};
use ctdb_protocol::console::render::simple::{Done, Single};
use ctdb_protocol::console::render::statistics::DbStatisticsReport;
use ctdb_protocol::id::DbId;
use futures_util::future::try_join_all;

type Answered = Result<Answer, Refusal>;

impl Run<'_> {
    /// The answer, if the command is one of these.
    pub(super) async fn database_command(&self, pnn: u32, command: &Command) -> Option<Answered> {
        let records = &self.executor.records;
        Some(match command {
            Command::GetDbMap => self.db_map(pnn).await,
            Command::GetDbStatus(name) => self.db_status(pnn, name).await,
            Command::GetDbSeqnum(name) => self.db_seqnum(pnn, name).await,
            Command::DbStatistics(name) => self.db_statistics(pnn, name).await,
            Command::Attach { name, kind } => self.attach(pnn, name, *kind).await,
            Command::CatDb(name) => self.cat(pnn, name).await,
            Command::ReadKey { db, key } => self.read_key(pnn, db, key).await,
            Command::WriteKey { db, key, value } => match self.volatile(pnn, db).await {
                Ok(id) => done(records.write(id, key.clone(), value.clone()).await),
                Err(refusal) => Err(refusal),
            },
            Command::DeleteKey { db, key } => match self.volatile(pnn, db).await {
                Ok(id) => done(records.delete(id, key.clone()).await),
                Err(refusal) => Err(refusal),
            },
            _ => return None,
        })
    }

    async fn db_text(&self, pnn: u32, opcode: Opcode, id: u32) -> Result<String, Refusal> {
        let text: Text = self.ask.get(pnn, opcode, id.to_bytes()).await?;
        Ok(text.0)
    }

    async fn db_entries(&self, pnn: u32) -> Result<Vec<DbEntry>, Refusal> {
        let map: DbMap = self.ask.get(pnn, Opcode::GetDbMap, Vec::new()).await?;
        Ok(map.dbs)
    }

    /// Finds a database by name or id.
    pub(super) async fn find_db(
        &self,
        pnn: u32,
        wanted: &DbName,
    ) -> Result<(DbEntry, String), Refusal> {
        for entry in self.db_entries(pnn).await? {
            let name = self.db_text(pnn, Opcode::GetDbName, entry.db_id).await?;
            if name == wanted.0 || Some(entry.db_id) == wanted.id() {
                return Ok((entry, name));
            }
        }
        let message = format!("No database matching '{}' found", wanted.0);
        Err(Refusal::new(message))
    }

    async fn db_info(&self, pnn: u32, entry: DbEntry, name: String) -> Result<DbInfo, Refusal> {
        let id = entry.db_id;
        let path = self.db_text(pnn, Opcode::GetDbPath, id).await?;
        let health = self
            .ask
            .data(pnn, Opcode::DbGetHealth, id.to_bytes())
            .await?;
        let reason = || Text::parse(&health).map_or("unknown".into(), |text| text.0);
        Ok(DbInfo {
            id,
            flags: entry.flags,
            name,
            path,
            unhealthy: (!health.is_empty()).then(reason),
        })
    }

    async fn db_map(&self, pnn: u32) -> Answered {
        let entries = self.db_entries(pnn).await?;
        let infos = entries.into_iter().map(|entry| async move {
            let name = self.db_text(pnn, Opcode::GetDbName, entry.db_id).await?;
            self.db_info(pnn, entry, name).await
        });
        Ok(Answer::new(DbList(try_join_all(infos).await?)))
    }

    async fn db_status(&self, pnn: u32, name: &DbName) -> Answered {
        let (entry, name) = self.find_db(pnn, name).await?;
        Ok(Answer::new(DbStatus(self.db_info(pnn, entry, name).await?)))
    }

    async fn db_seqnum(&self, pnn: u32, name: &DbName) -> Answered {
        let (entry, _) = self.find_db(pnn, name).await?;
        let query = DbSeqnumQuery { db_id: entry.db_id };
        let seqnum: u64 = self
            .ask
            .get(pnn, Opcode::GetDbSeqnum, query.to_bytes())
            .await?;
        Ok(Answer::new(Single {
            name: "seqnum",
            text: Some(format!("0x{seqnum:x}")),
            value: Value::UInt(seqnum),
        }))
    }

    async fn db_statistics(&self, pnn: u32, name: &DbName) -> Answered {
        let (entry, name) = self.find_db(pnn, name).await?;
        let id = entry.db_id.to_bytes();
        let statistics: DbStatistics = self.ask.get(pnn, Opcode::GetDbStatistics, id).await?;
        Ok(Answer::new(DbStatisticsReport { name, statistics }))
    }

    async fn attach(&self, pnn: u32, name: &str, kind: AttachKind) -> Answered {
        let opcode = match kind {
            AttachKind::Volatile => Opcode::DbAttach,
            AttachKind::Persistent => Opcode::DbAttachPersistent,
            AttachKind::Replicated => Opcode::DbAttachReplicated,
        };
        let reply = self
            .ask
            .reply(pnn, opcode, Text(name.into()).to_bytes())
            .await?;
        if reply.status == 0 {
            return Ok(Answer::new(Done));
        }
        let mut message = format!("attach: {name} failed to get db_id, ret={}", reply.status);
        if !reply.error.is_empty() {
            message.push_str(": ");
            message.push_str(&reply.error);
        }
        Err(Refusal::new(message))
    }

    async fn cat(&self, pnn: u32, name: &DbName) -> Answered {
        let (entry, _) = self.find_db(pnn, name).await?;
        let records = self.executor.records.scan(DbId(entry.db_id)).await;
        records
            .map(|records| Answer::new(Dump(records)))
            .map_err(Refusal::new)
    }

    /// The id of a volatile database: records of the others change in transactions only.
    async fn volatile(&self, pnn: u32, name: &DbName) -> Result<DbId, Refusal> {
        let (entry, name) = self.find_db(pnn, name).await?;
        if !is_volatile(entry.flags) {
            return Err(Refusal::new(format!(
                "DB {name} is not a volatile database"
            )));
        }
        Ok(DbId(entry.db_id))
    }

    async fn read_key(&self, pnn: u32, name: &DbName, key: &[u8]) -> Answered {
        let id = self.volatile(pnn, name).await?;
        let data = self
            .executor
            .records
            .read(id, key.to_vec())
            .await
            .map_err(Refusal::new)?;
        Ok(Answer::new(RecordValue(data.unwrap_or_default())))
    }
}

pub(super) fn is_volatile(flags: DbFlags) -> bool {
    !flags.intersects(DbFlags::PERSISTENT | DbFlags::REPLICATED)
}

fn done(result: Result<(), String>) -> Answered {
    result.map(|()| Answer::new(Done)).map_err(Refusal::new)
}
