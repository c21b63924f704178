//! Answers to the messages of sessions and console.

use super::actor::Records;
use super::content::Progress;
use super::error::{OpenError, RecordError};
use super::message::{
    Attach, BumpSeqnum, Commit, ContentRequest, Detach, EnableSeqnum, GetSeqnum, ReadRecord,
    RenewRecord, StoredRecord, Traverse, UpdateRecords, VacuumDb, WriteRecord,
};
use super::ops::{Answer, ChainOp};
use super::replica::Work;
use super::store::Database;
use super::table::DbEntry;
use actix::{Context, Handler, ResponseFuture};
use ctdb_protocol::id::DbId;
use ctdb_protocol::machine::Machine;
use ctdb_protocol::record::io::{Effect, Input};
use ctdb_protocol::record::replica::SEQNUM_KEY;
use ctdb_protocol::record::vacuum::VacuumReport;
use ctdb_protocol::wire::bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

macro_rules! handles {
    ($message:ty => $result:ty, |$this:ident, $request:pat_param, $ctx:ident| $body:block) => {
        impl<M> Handler<$message> for Records<M>
        where
            M: Machine<Input = Input, Effect = Effect> + Unpin + 'static,
        {
            type Result = $result;

            fn handle(&mut self, $request: $message, $ctx: &mut Context<Self>) -> Self::Result {
                let $this = self;
                $body
            }
        }
    };
}

handles!(Attach => ResponseFuture<Result<DbEntry, OpenError>>, |this, Attach { name, kind }, ctx| {
    let (answer, wait) = oneshot::channel();
    this.attach(name, kind, answer, ctx);
    Box::pin(async { wait.await.unwrap_or(Err(OpenError::Ending)) })
});

handles!(Detach => ResponseFuture<Result<(), RecordError>>, |this, Detach(db), ctx| {
    let database = this.with_shell(ctx, |shell, inputs| shell.close(db, inputs));
    Box::pin(async move {
        let database = database.ok_or(RecordError::NoDatabase(db))?;
        // Closing waits while another file of the process is opened. Only when the file is closed it
        // can be opened again.
        spawn_blocking(move || drop(database)).await.map_err(|_| RecordError::Ending)
    })
});

handles!(EnableSeqnum => ResponseFuture<Result<(), RecordError>>, |this, EnableSeqnum(db), _ctx| {
    if this.shell.replicas.has(db) {
        let enabled = this.ask_thread(db, Work::EnableSeqnum);
        let table = this.shell.store.table().clone();
        return Box::pin(async move {
            enabled.await?;
            table.enable_seqnum(db);
            Ok(())
        });
    }
    let enabled = this.shell.store.enable_seqnum(db);
    Box::pin(async { enabled })
});

handles!(BumpSeqnum => ResponseFuture<Result<(), RecordError>>, |this, BumpSeqnum(db), _ctx| {
    if this.shell.replicas.has(db) {
        return this.ask_thread(db, Work::BumpSeqnum);
    }
    let bump = |database: &Database| Ok(database.tdb().increment_seqnum()?);
    let bumped = this.shell.store.expect(db).and_then(bump);
    Box::pin(async { bumped })
});

handles!(Commit => ResponseFuture<Result<i32, RecordError>>, |this, request, ctx| {
    let (answer, wait) = oneshot::channel();
    this.with_shell(ctx, |shell, inputs| shell.commit(request, answer, inputs));
    Box::pin(async { wait.await.unwrap_or(Err(RecordError::Ending)) })
});

handles!(UpdateRecords => ResponseFuture<Result<(), RecordError>>, |this, request, _ctx| {
    let UpdateRecords { db, changes } = request;
    this.ask_thread(db, |answer| Work::Update(changes, answer))
});

handles!(ContentRequest => ResponseFuture<Result<Progress, RecordError>>, |this, request, ctx| {
    let ContentRequest { db, step } = request;
    let (answer, wait) = oneshot::channel();
    this.with_shell(ctx, |shell, _| shell.content_step(db, step, answer));
    Box::pin(async { wait.await.unwrap_or(Err(RecordError::Ending)) })
});

handles!(VacuumDb => ResponseFuture<Result<VacuumReport, RecordError>>, |this, request, ctx| {
    let (answer, wait) = oneshot::channel();
    this.with_shell(ctx, |shell, inputs| shell.vacuum(request, answer, inputs));
    Box::pin(async { wait.await.unwrap_or(Err(RecordError::Ending)) })
});

handles!(GetSeqnum => ResponseFuture<Result<u64, RecordError>>, |this, GetSeqnum(db), ctx| {
    if this.shell.replicas.has(db) {
        let record = this.on_record(db, SEQNUM_KEY.into(), ChainOp::Read, ctx);
        return Box::pin(async { Ok(record.await?.map_or(0, |record| number(&record))) });
    }
    let volatile = this.shell.store.expect(db).and_then(|database| {
        Ok(u64::from(database.tdb().seqnum()?.cast_unsigned()))
    });
    Box::pin(async { volatile })
});

handles!(ReadRecord => ResponseFuture<Result<Option<StoredRecord>, RecordError>>,
    |this, ReadRecord { db, key }, ctx| { this.on_record(db, key, ChainOp::Read, ctx) });

handles!(WriteRecord => ResponseFuture<Result<(), RecordError>>, |this, request, ctx| {
    let WriteRecord { db, key, data } = request;
    this.on_record(db, key, |answer| ChainOp::Write(data, answer), ctx)
});

handles!(RenewRecord => ResponseFuture<Result<(), RecordError>>, |this, request, ctx| {
    let RenewRecord { db, key, record } = request;
    this.on_record(db, key, |answer| ChainOp::Renew(record, answer), ctx)
});

handles!(Traverse => Result<(), RecordError>, |this, request, ctx| {
    let Traverse { db, with_empty, sink } = request;
    this.with_shell(ctx, |shell, _| shell.traverse(db, with_empty, sink))
});

impl<M> Records<M>
where
    M: Machine<Input = Input, Effect = Effect> + Unpin + 'static,
{
    /// Has the thread of a database do something.
    fn ask_thread(
        &self,
        db: DbId,
        work: impl FnOnce(Answer<()>) -> Work,
    ) -> ResponseFuture<Result<(), RecordError>> {
        let (answer, wait) = oneshot::channel();
        if let Err(refused) = self.shell.replicas.send(db, work(answer)) {
            return Box::pin(async { Err(refused.1) });
        }
        Box::pin(async { wait.await.unwrap_or(Err(RecordError::Ending)) })
    }

    /// Has something done with one record while its chain is held.
    fn on_record<T: 'static>(
        &mut self,
        db: DbId,
        key: Bytes,
        op: impl FnOnce(Answer<T>) -> ChainOp,
        ctx: &mut Context<Self>,
    ) -> ResponseFuture<Result<T, RecordError>> {
        let (answer, wait) = oneshot::channel();
        let op = op(answer);
        self.with_shell(ctx, |shell, inputs| shell.submit(db, key, op, inputs));
        Box::pin(async { wait.await.unwrap_or(Err(RecordError::Ending)) })
    }
}

/// The number in a sequence record; 0 if there is none.
fn number(record: &StoredRecord) -> u64 {
    record
        .data
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
