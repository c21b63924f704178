//! Opening and closing files on a blocking thread.
//!
//! Invariant: a database is opened by one task at a time; whoever wants it meanwhile waits for that one.

use super::actor::Records;
use super::error::OpenError;
use super::store::{Database, db_id};
use super::table::DbEntry;
use actix::fut::ActorFutureExt;
use actix::prelude::WrapFuture;
use actix::{AsyncContext, Context};
use ctdb_protocol::id::DbId;
use ctdb_protocol::machine::Machine;
use ctdb_protocol::record::io::{Effect, Input};
use ctdb_protocol::wire::message::DbKind;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// Pause before a database that the cluster wants here is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Of so many failures for the machine one is logged.
const LOG_EVERY: u32 = 10;

type Answer = oneshot::Sender<Result<DbEntry, OpenError>>;

/// Somebody who waits for a database.
#[derive(Debug)]
enum Waiter {
    /// A client.
    Client(String, DbKind, Answer),
    /// The machine, which gets it sooner or later; so many tries failed.
    Machine(String, DbKind, u32),
}

impl Waiter {
    /// Whether a failure must be logged: each one of a client, some of the machine.
    fn wants_log(&self) -> bool {
        match self {
            Self::Client(..) => true,
            Self::Machine(_, _, tries) => tries.is_multiple_of(LOG_EVERY),
        }
    }
}

/// Databases that are being opened, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Opening(BTreeMap<DbId, Vec<Waiter>>);

impl<M> Records<M>
where
    M: Machine<Input = Input, Effect = Effect> + Unpin + 'static,
{
    /// Opens a database for a client.
    pub(super) fn attach(
        &mut self,
        name: String,
        kind: DbKind,
        answer: Answer,
        ctx: &mut Context<Self>,
    ) {
        match self.shell.store.admit(&name, kind) {
            Ok(None) => self.open(Waiter::Client(name, kind, answer), ctx),
            // A requester that is gone is no error.
            Ok(Some(entry)) => drop(answer.send(Ok(entry))),
            Err(error) => {
                self.shell.not_opened(&name, &error);
                drop(answer.send(Err(error)));
            }
        }
    }

    /// Opens a database because the machine wants it; `tries` failed before.
    pub(super) fn open_wanted(
        &mut self,
        name: String,
        kind: DbKind,
        tries: u32,
        ctx: &mut Context<Self>,
    ) {
        match self.shell.store.admit(&name, kind) {
            Ok(None) => self.open(Waiter::Machine(name, kind, tries), ctx),
            Ok(Some(DbEntry { id, kind, .. })) => {
                self.with_shell(ctx, |_, inputs| {
                    inputs.push_back(Input::Opened { db: id, kind });
                });
            }
            Err(error) => {
                if tries.is_multiple_of(LOG_EVERY) {
                    self.shell.not_opened(&name, &error);
                }
                Self::try_again(name, kind, tries, ctx);
            }
        }
    }

    fn open(&mut self, waiter: Waiter, ctx: &mut Context<Self>) {
        let (Waiter::Client(name, kind, _) | Waiter::Machine(name, kind, _)) = &waiter;
        let (name, kind, id) = (name.clone(), *kind, db_id(name));
        let waiters = self.opening.0.entry(id).or_default();
        waiters.push(waiter);
        if waiters.len() > 1 {
            return;
        }
        let config = self.shell.store.config().clone();
        let task_name = name.clone();
        let task = spawn_blocking(move || Database::open(&config, &task_name, kind));
        ctx.spawn(task.into_actor(self).map(move |opened, this, ctx| {
            // The task neither panics nor is cancelled, but when the worker ends.
            let opened = opened.unwrap_or(Err(OpenError::Ending));
            this.opened(&name, id, opened, ctx);
        }));
    }

    fn opened(
        &mut self,
        name: &str,
        id: DbId,
        opened: Result<Database, OpenError>,
        ctx: &mut Context<Self>,
    ) {
        let waiters = self.opening.0.remove(&id).unwrap_or_default();
        let mut failed = match opened {
            Ok(database) => {
                self.with_shell(ctx, |shell, inputs| shell.opened(database, inputs));
                None
            }
            Err(error) => {
                if waiters.iter().any(Waiter::wants_log) {
                    self.shell.not_opened(name, &error);
                }
                Some(error)
            }
        };
        for waiter in waiters {
            match (waiter, failed.take()) {
                // The first one gets the very error, others try on their own.
                (Waiter::Client(_, _, answer), Some(error)) => drop(answer.send(Err(error))),
                (Waiter::Client(name, kind, answer), None) => self.attach(name, kind, answer, ctx),
                (Waiter::Machine(name, kind, tries), error) => {
                    if self.shell.store.table().get(id).is_none() {
                        Self::try_again(name, kind, tries, ctx);
                    }
                    failed = error;
                }
            }
        }
    }

    fn try_again(name: String, kind: DbKind, tries: u32, ctx: &mut Context<Self>) {
        ctx.run_later(TRY_AGAIN, move |this, ctx| {
            this.open_wanted(name, kind, tries.wrapping_add(1), ctx);
        });
    }
}
