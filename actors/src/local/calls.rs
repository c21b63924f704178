//! Calls of clients: from the socket to the record machine of the database, and back.
//!
//! The answer comes on the thread of the record shard and goes straight to the client's socket.

use super::outbox::Outbox;
use super::router::Router;
use crate::records::CallDone;
use ctdb_protocol::client::{self, CallReply, Reply};
use ctdb_protocol::id::{ClientId, DbId};
use ctdb_protocol::limits::{KEY_BYTES_MAX, PARKED_CALLS_MAX};
use ctdb_protocol::record::io::{CallId, CallKind, Input};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;

/// Stands for this program among the clients; no client ever has this id.
const HERE: ClientId = ClientId(0);

/// Who gets the answer.
#[derive(Debug)]
enum Caller {
    /// A client.
    Client { outbox: Outbox, reqid: u32 },
    /// This program itself.
    Here(oneshot::Sender<()>),
}

#[derive(Debug)]
struct Waiting {
    caller: Caller,
    db: DbId,
    since: Instant,
}

/// Calls that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Calls {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// By client, then by a number of its own: a client may give two calls the same reqid.
    waiting: BTreeMap<(ClientId, u32), Waiting>,
    last_number: u32,
}

const fn call_id((client, number): (ClientId, u32)) -> CallId {
    CallId((client.0 as u64) << 32 | number as u64)
}

const fn call_key(call: CallId) -> (ClientId, u32) {
    (ClientId((call.0 >> 32) as u32), call.0 as u32)
}

impl Calls {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of calls that are not answered yet.
    pub(super) fn len(&self) -> usize {
        self.table().waiting.len()
    }
}

impl Router {
    /// Passes a client's call on. One that can't be served is not answered, as with 4.17; one that breaks
    /// a bound costs the client its connection.
    pub(super) fn start_call(&self, outbox: &Outbox, reqid: u32, call: client::Call) {
        let kind = match call.call_id {
            client::CallId::Null => CallKind::Null,
            client::CallId::Fetch => CallKind::Fetch,
            client::CallId::FetchWithHeader => CallKind::FetchWithHeader,
            client::CallId::Unknown(_) => return,
        };
        let db = DbId(call.db_id);
        if !self
            .databases
            .get()
            .is_some_and(|databases| databases.has(db))
        {
            return;
        }
        let client = outbox.client();
        let caller = Caller::Client {
            outbox: outbox.clone(),
            reqid,
        };
        let Some(call_id) = self.note_call(client, caller, db, call.key.len()) else {
            outbox.close();
            return;
        };
        self.context.post.records_of(db).send(Input::Call {
            call: call_id,
            db,
            key: call.key.into(),
            kind,
            readonly: call.flags.contains(client::CallFlags::WANT_READONLY),
        });
    }

    /// Brings a record here for this program itself; ends when this node is its dmaster, at least for a
    /// moment.
    pub(super) fn call_here(&self, db: DbId, key: Vec<u8>) -> Option<oneshot::Receiver<()>> {
        let (sender, answer) = oneshot::channel();
        let call = self.note_call(HERE, Caller::Here(sender), db, key.len())?;
        let (key, kind) = (key.into(), CallKind::Null);
        let input = Input::Call {
            call,
            db,
            key,
            kind,
            readonly: false,
        };
        self.context.post.records_of(db).send(input);
        Some(answer)
    }

    fn note_call(
        &self,
        client: ClientId,
        caller: Caller,
        db: DbId,
        key_bytes: usize,
    ) -> Option<CallId> {
        let mut table = self.calls.table();
        if key_bytes > KEY_BYTES_MAX || table.waiting.len() >= PARKED_CALLS_MAX {
            return None;
        }
        table.last_number = table.last_number.wrapping_add(1);
        let key = (client, table.last_number);
        let waiting = Waiting {
            caller,
            db,
            since: Instant::now(),
        };
        // Fewer calls wait than there are numbers, so the number is free.
        table.waiting.insert(key, waiting);
        Some(call_id(key))
    }

    /// Answers a call: the record is here.
    pub(super) fn finish_call(&self, done: CallDone) {
        let Some(waiting) = self.calls.table().waiting.remove(&call_key(done.call)) else {
            return;
        };
        self.counters.call_done(waiting.since.elapsed());
        let reply = |data| Reply::Call(CallReply { status: 0, data });
        match waiting.caller {
            Caller::Client { outbox, reqid } => self.reply(&outbox, reqid, &reply(done.data.0)),
            // Whoever waited may have had enough.
            Caller::Here(answer) => drop(answer.send(())),
        }
    }

    /// Tells the record machines that nobody waits for a client's calls any more.
    pub(super) fn forget_calls(&self, client: ClientId) {
        let mut by_db: BTreeMap<DbId, Vec<CallId>> = BTreeMap::new();
        {
            let mut table = self.calls.table();
            let of_client = (client, 0)..=(client, u32::MAX);
            let keys: Vec<_> = table
                .waiting
                .range(of_client)
                .map(|(key, _)| *key)
                .collect();
            for key in keys {
                if let Some(waiting) = table.waiting.remove(&key) {
                    by_db.entry(waiting.db).or_default().push(call_id(key));
                }
            }
        }
        for (db, calls) in by_db {
            self.context
                .post
                .records_of(db)
                .send(Input::Forget { calls });
        }
    }

    /// Counts a call of a client.
    pub(super) fn count_call(&self) {
        self.counters.client_calls.fetch_add(1, Ordering::Relaxed);
    }
}
