//! Records for the console, got as any other client gets them: over the node's client socket.
//!
//! A record is fetched by a call, which brings it to this node; a write asks for the record first and then
//! stores through the actor that keeps the database, which refuses if the record has moved on meanwhile:
//! then the whole is tried again. One connection serves one command.

use super::RecordAccess;
use crate::records::{RecordError, WriteRecord};
use actix::Recipient;
use ctdb_protocol::client::database::ScheduleForDeletion;
use ctdb_protocol::client::pnn;
use ctdb_protocol::client::traverse::{RecordData, TraverseStart, TraverseStartExt};
use ctdb_protocol::client::{
    Call, CallFlags, CallId, Control, ControlFlags, Cursor, Envelope, FrameSplitter, Opcode,
    Padding, Payload, RecordHeader, Reply, Request,
};
use ctdb_protocol::console::render::database::RecordLine;
use ctdb_protocol::id::DbId;
use ctdb_protocol::limits::CLIENT_PACKET_BYTES_MAX;
use ctdb_protocol::wire::bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use std::path::PathBuf;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Message port of the console's traverses: of the clients' range, the connection is its own.
const TRAVERSE_SRVID: u64 = 0xBE00_0000_0000_4380;
/// Most records of a dump, so that a reply has a bound.
const DUMP_RECORDS_MAX: usize = 1_000_000;
/// Most bytes of a dump.
const DUMP_BYTES_MAX: usize = 256 << 20;
/// Writes tried while the record moves away each time.
const WRITES_MAX: usize = 100;
/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// [`RecordAccess`] of a running node.
#[derive(Clone)]
pub struct ClientRecords {
    socket: Rc<PathBuf>,
    shards: Rc<[Recipient<WriteRecord>]>,
}

impl ClientRecords {
    /// With the client socket and the record actors, by number of their shard.
    pub fn new(socket: PathBuf, shards: Vec<Recipient<WriteRecord>>) -> Self {
        Self {
            socket: Rc::new(socket),
            shards: shards.into(),
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let stream = UnixStream::connect(&*self.socket).await.map_err(text)?;
        Ok(Connection {
            stream,
            frames: FrameSplitter::new(CLIENT_PACKET_BYTES_MAX),
        })
    }

    async fn store(&self, db: DbId, key: Vec<u8>, data: Vec<u8>) -> Result<(), String> {
        let mut connection = self.connect().await?;
        let shard = &self.shards[db.0 as usize % self.shards.len()];
        let mut last = String::new();
        for _ in 0..WRITES_MAX {
            connection.call(db, &key, CallId::Null).await?;
            let (key, data) = (Bytes(key.clone()), Bytes(data.clone()));
            match shard
                .send(WriteRecord { db, key, data })
                .await
                .map_err(text)?
            {
                Ok(()) => return Ok(()),
                Err(error @ RecordError::NotDmaster) => last = error.to_string(),
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(last)
    }

    /// Empties the record and tells the vacuum. What the vacuum is not told it finds later: space, no more.
    async fn empty(&self, db: DbId, key: Vec<u8>) -> Result<(), String> {
        self.store(db, key.clone(), Vec::new()).await?;
        let mut connection = self.connect().await?;
        let record = connection.call(db, &key, CallId::FetchWithHeader).await?;
        if let Ok((header, [])) = RecordHeader::split(&record) {
            let db_id = db.0;
            let schedule = ScheduleForDeletion { db_id, header, key };
            let _ = connection
                .control(Opcode::ScheduleForDeletion, 0, schedule.to_bytes())
                .await;
        }
        Ok(())
    }

    async fn dump(&self, db: DbId) -> Result<Vec<RecordLine>, String> {
        let mut connection = self.connect().await?;
        connection
            .control(Opcode::RegisterSrvid, TRAVERSE_SRVID, Vec::new())
            .await?;
        let start = TraverseStart {
            db_id: db.0,
            reqid: 1,
            srvid: TRAVERSE_SRVID,
        };
        let start = TraverseStartExt {
            start,
            with_empty: 0,
        };
        connection
            .send(&control(Opcode::TraverseStartExt, 0, start.to_bytes()))
            .await?;
        let (mut records, mut bytes) = (Vec::new(), 0);
        loop {
            match connection.next().await? {
                Reply::Control(reply) if reply.status != 0 => return Err(reply.error),
                Reply::Message(message) => {
                    let record = RecordData::parse(&message.data).map_err(text)?;
                    if record.is_end() {
                        return Ok(records);
                    }
                    bytes += record.key.len() + record.data.len();
                    records.extend(line(record)?);
                }
                _ => {}
            }
            if records.len() > DUMP_RECORDS_MAX || bytes > DUMP_BYTES_MAX {
                return Err(format!(
                    "more than {DUMP_RECORDS_MAX} records or {DUMP_BYTES_MAX} bytes"
                ));
            }
        }
    }
}

/// A record of a traverse; those without data are not shown.
fn line(record: RecordData) -> Result<Option<RecordLine>, String> {
    let mut cursor = Cursor::new("record header", &record.data);
    let header = RecordHeader::read(&mut cursor).map_err(text)?;
    let data = cursor.bytes(cursor.remaining()).map_err(text)?.to_vec();
    Ok((!data.is_empty()).then(|| RecordLine {
        key: record.key,
        data,
        dmaster: header.dmaster,
        rsn: header.rsn,
        flags: header.flags.bits(),
    }))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn control(opcode: Opcode, srvid: u64, data: Vec<u8>) -> Request {
    Request::Control(Control {
        opcode,
        srvid,
        client_id: 0,
        flags: ControlFlags::empty(),
        data,
    })
}

struct Connection {
    stream: UnixStream,
    frames: FrameSplitter,
}

impl Connection {
    async fn send(&mut self, request: &Request) -> Result<(), String> {
        let envelope = Envelope {
            destnode: pnn::CURRENT,
            reqid: 1,
            ..Envelope::default()
        };
        let mut packet = Vec::new();
        request.emit(envelope, Padding::None, &mut packet);
        self.stream.write_all(&packet).await.map_err(text)
    }

    async fn next(&mut self) -> Result<Reply, String> {
        loop {
            if let Some(packet) = self.frames.next_packet().map_err(text)? {
                return Reply::parse(packet).map(|(_, reply)| reply).map_err(text);
            }
            let mut bytes = vec![0; READ_BYTES];
            match self.stream.read(&mut bytes).await.map_err(text)? {
                0 => return Err("the daemon closed the connection".into()),
                read => self.frames.push(&bytes[..read]),
            }
        }
    }

    async fn call(&mut self, db: DbId, key: &[u8], call_id: CallId) -> Result<Vec<u8>, String> {
        let call = Call {
            flags: CallFlags::IMMEDIATE_MIGRATION,
            db_id: db.0,
            call_id,
            hop_count: 0,
            key: key.to_vec(),
            data: Vec::new(),
        };
        self.send(&Request::Call(call)).await?;
        loop {
            match self.next().await? {
                Reply::Call(reply) if reply.status == 0 => return Ok(reply.data),
                Reply::Call(reply) => return Err(format!("call failed, ret={}", reply.status)),
                _ => {}
            }
        }
    }

    async fn control(&mut self, opcode: Opcode, srvid: u64, data: Vec<u8>) -> Result<(), String> {
        self.send(&control(opcode, srvid, data)).await?;
        loop {
            match self.next().await? {
                Reply::Control(reply) if reply.status == 0 => return Ok(()),
                Reply::Control(reply) => {
                    return Err(format!("Control {opcode} failed, ret={}", reply.status));
                }
                _ => {}
            }
        }
    }
}

impl RecordAccess for ClientRecords {
    fn read(
        &self,
        db: DbId,
        key: Vec<u8>,
    ) -> LocalBoxFuture<'static, Result<Option<Vec<u8>>, String>> {
        let records = self.clone();
        async move {
            let data = records
                .connect()
                .await?
                .call(db, &key, CallId::Fetch)
                .await?;
            Ok((!data.is_empty()).then_some(data))
        }
        .boxed_local()
    }

    fn write(
        &self,
        db: DbId,
        key: Vec<u8>,
        data: Vec<u8>,
    ) -> LocalBoxFuture<'static, Result<(), String>> {
        let records = self.clone();
        async move { records.store(db, key, data).await }.boxed_local()
    }

    fn delete(&self, db: DbId, key: Vec<u8>) -> LocalBoxFuture<'static, Result<(), String>> {
        let records = self.clone();
        async move { records.empty(db, key).await }.boxed_local()
    }

    fn scan(&self, db: DbId) -> LocalBoxFuture<'static, Result<Vec<RecordLine>, String>> {
        let records = self.clone();
        async move { records.dump(db).await }.boxed_local()
    }
}
