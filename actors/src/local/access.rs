//! Records for the console: brought here by a call like a client's, then read and written under the record's
//! chain lock by the shard that keeps the file.

use super::router::Router;
use crate::console::RecordAccess;
use crate::records::{ReadRecord, RecordError, StoredRecord, WriteRecord};
use ctdb_protocol::client::RecordHeader;
use ctdb_protocol::console::render::database::RecordLine;
use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::wire::bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use std::sync::Arc;

/// A record may leave again between the call and the write; on a hot record that can happen often.
const TRIES: usize = 1_000;

/// See the module.
#[derive(Clone)]
pub struct LocalRecords {
    pub(super) router: Arc<Router>,
}

impl LocalRecords {
    async fn fetch(&self, db: DbId, key: &Bytes) -> Result<StoredRecord, String> {
        let databases = self.router.databases.get().ok_or("the node is starting")?;
        for _ in 0..TRIES {
            let call = self.router.call_here(db, key.0.clone());
            call.ok_or("too many calls wait")?
                .await
                .map_err(|_| "the call was given up")?;
            let read = databases
                .shard(db)
                .read
                .send(ReadRecord {
                    db,
                    key: key.clone(),
                })
                .await;
            let record = read
                .map_err(|_| "the node ends")?
                .map_err(|error| error.to_string())?;
            if let Some(record) = record.filter(|record| record.header.dmaster == self.own()) {
                return Ok(record);
            }
        }
        Err(String::from(
            "the record leaves faster than it can be read: try again",
        ))
    }

    async fn store(&self, db: DbId, key: Vec<u8>, data: Vec<u8>) -> Result<(), String> {
        let databases = self.router.databases.get().ok_or("the node is starting")?;
        let (key, data) = (Bytes(key), Bytes(data));
        for _ in 0..TRIES {
            self.fetch(db, &key).await?;
            let write = WriteRecord {
                db,
                key: key.clone(),
                data: data.clone(),
            };
            match databases
                .shard(db)
                .write
                .send(write)
                .await
                .map_err(|_| "the node ends")?
            {
                Ok(()) => return Ok(()),
                Err(RecordError::NotDmaster) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(String::from(
            "the record leaves faster than it can be written: try again",
        ))
    }

    fn own(&self) -> Pnn {
        self.router.own
    }
}

impl RecordAccess for LocalRecords {
    fn read(
        &self,
        db: DbId,
        key: Vec<u8>,
    ) -> LocalBoxFuture<'static, Result<Option<Vec<u8>>, String>> {
        let this = self.clone();
        Box::pin(async move {
            let record = this.fetch(db, &Bytes(key)).await?;
            Ok(Some(record.data).filter(|data| !data.is_empty()))
        })
    }

    fn write(
        &self,
        db: DbId,
        key: Vec<u8>,
        data: Vec<u8>,
    ) -> LocalBoxFuture<'static, Result<(), String>> {
        let this = self.clone();
        Box::pin(async move { this.store(db, key, data).await })
    }

    fn delete(&self, db: DbId, key: Vec<u8>) -> LocalBoxFuture<'static, Result<(), String>> {
        self.write(db, key, Vec::new())
    }

    fn scan(&self, db: DbId) -> LocalBoxFuture<'static, Result<Vec<RecordLine>, String>> {
        let this = self.clone();
        Box::pin(async move {
            let entry = this
                .router
                .context
                .databases
                .get(db)
                .ok_or("no such database")?;
            let mut records = this.router.traverse_here(&entry)?;
            let mut lines = Vec::new();
            while let Some((key, value)) = records.recv().await {
                // Only records with a header are sent.
                if let Ok((header, data)) = RecordHeader::split(&value) {
                    lines.push(RecordLine {
                        key: key.0,
                        data: data.to_vec(),
                        dmaster: header.dmaster,
                        rsn: header.rsn,
                        flags: header.flags.bits(),
                    });
                }
            }
            Ok(lines)
        })
    }
}
