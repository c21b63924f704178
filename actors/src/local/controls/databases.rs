//! The open databases: their list, paths and flags; attaching and detaching; traverses.

use super::{Answer, Ask, Done, Refused, data, done};
use crate::local::databases::Databases;
use crate::local::remote::control_message;
use crate::local::router::Router;
use crate::local::{seqnum, vacuum};
use crate::records::{DbEntry, Detach, EnableSeqnum, GetSeqnum, db_id};
use ctdb_protocol::client::database::{DbSeqnumQuery, DbVacuum, ScheduleForDeletion};
use ctdb_protocol::client::dbmap::{self, DbFlags, DbMap};
use ctdb_protocol::client::text::Text;
use ctdb_protocol::client::traverse::{TraverseStart, TraverseStartExt};
use ctdb_protocol::client::{ControlFlags, ControlReply, Opcode, Payload};
use ctdb_protocol::flags::RunState;
use ctdb_protocol::id::{DbId, Rsn};
use ctdb_protocol::membership::view::RecoveryMode;
use ctdb_protocol::record::hot::StickyRules;
use ctdb_protocol::record::io::Input;
use ctdb_protocol::tunable::TunableId;
use ctdb_protocol::wire::message::{ClientMessage, DbKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a held-back attach looks whether it may go on.
const PARKED_LOOK: Duration = Duration::from_millis(50);

pub(super) fn answer(router: &Arc<Router>, ask: &Ask<'_>) -> Option<Answer> {
    let reply: Done = match ask.opcode {
        Opcode::GetDbMap => data(&map(router)),
        Opcode::GetDbName => entry(router, ask).and_then(|entry| data(&Text(entry.name))),
        Opcode::GetDbPath => entry(router, ask)
            .and_then(|entry| data(&Text(entry.path.to_string_lossy().into_owned()))),
        Opcode::GetDbStatistics => {
            entry(router, ask).and_then(|entry| data(&router.context.locks.counters().of(entry.id)))
        }
        Opcode::DbOpenFlags => entry(router, ask).and_then(|entry| data(&entry.open_flags)),
        Opcode::SetDbReadonly => set_readonly(router, ask),
        Opcode::SetDbSticky => set_sticky(router, ask),
        Opcode::DbVacuum => return Some(vacuum(router, ask).into()),
        Opcode::ScheduleForDeletion => schedule(router, ask),
        Opcode::DbAttach => return Some(attach(router, ask, DbKind::Volatile).into()),
        Opcode::DbAttachPersistent => return Some(attach(router, ask, DbKind::Persistent).into()),
        Opcode::DbAttachReplicated => return Some(attach(router, ask, DbKind::Replicated).into()),
        Opcode::DbDetach => return Some(detach(router, ask).into()),
        Opcode::EnableSeqnum => return Some(enable_seqnum(router, ask).into()),
        Opcode::UpdateSeqnum => return Some(update_seqnum(router, ask).into()),
        Opcode::GetDbSeqnum => return Some(seqnum(router, ask).into()),
        Opcode::TraverseStart => {
            let start = ask.parse::<TraverseStart>();
            start.and_then(|start| traverse(router, ask, start, false))
        }
        Opcode::TraverseStartExt => ask
            .parse::<TraverseStartExt>()
            .and_then(|ext| traverse(router, ask, ext.start, ext.with_empty != 0)),
        _ => return None,
    };
    Some(reply.into())
}

pub(super) fn databases(router: &Router) -> Result<&Databases, Refused> {
    let databases = router.databases.get();
    databases.ok_or_else(|| Refused::because("no database can be used yet"))
}

pub(super) fn find(router: &Router, id: u32) -> Result<DbEntry, Refused> {
    let entry = databases(router)?.table.get(DbId(id));
    entry.ok_or_else(Refused::plainly)
}

/// The database that the control's data names.
fn entry(router: &Router, ask: &Ask<'_>) -> Result<DbEntry, Refused> {
    find(router, ask.parse()?)
}

fn volatile(router: &Router, ask: &Ask<'_>) -> Result<DbEntry, Refused> {
    let entry = entry(router, ask)?;
    if entry.kind == DbKind::Volatile {
        Ok(entry)
    } else {
        Err(Refused::because(format!(
            "database {} is not volatile",
            entry.name
        )))
    }
}

fn flags(entry: &DbEntry) -> DbFlags {
    let mut flags = match entry.kind {
        DbKind::Volatile => DbFlags::empty(),
        DbKind::Persistent => DbFlags::PERSISTENT,
        DbKind::Replicated => DbFlags::REPLICATED,
    };
    flags.set(DbFlags::READONLY, entry.is_readonly);
    flags.set(DbFlags::STICKY, entry.is_sticky);
    flags
}

fn map(router: &Router) -> DbMap {
    let entries = router
        .databases
        .get()
        .map(|databases| databases.table.list());
    let shown = |entry: DbEntry| dbmap::DbEntry {
        db_id: entry.id.0,
        flags: flags(&entry),
    };
    DbMap {
        dbs: entries.unwrap_or_default().into_iter().map(shown).collect(),
    }
}

fn set_readonly(router: &Router, ask: &Ask<'_>) -> Done {
    let db = volatile(router, ask)?.id;
    let shard = router.context.post.records_of(db);
    shard.send(Input::SetReadonly { db });
    done()
}

fn set_sticky(router: &Router, ask: &Ask<'_>) -> Done {
    let db = volatile(router, ask)?.id;
    tell_sticky(router, db);
    done()
}

/// Has the hot records of a database stay as the tunables say.
pub(super) fn tell_sticky(router: &Router, db: DbId) {
    let rules = StickyRules {
        hops: router.tunable(TunableId::HopcountMakeSticky),
        duration: Duration::from_secs(router.tunable(TunableId::StickyDuration).into()),
        pindown: Duration::from_millis(router.tunable(TunableId::StickyPindown).into()),
    };
    let shard = router.context.post.records_of(db);
    shard.send(Input::SetSticky { db, rules });
}

fn schedule(router: &Router, ask: &Ask<'_>) -> Done {
    let request: ScheduleForDeletion = ask.parse()?;
    let db = find(router, request.db_id)?.id;
    let (key, rsn) = (request.key.into(), Rsn(request.header.rsn));
    let shard = router.context.post.records_of(db);
    shard.send(Input::Schedule { db, key, rsn });
    done()
}

/// Vacuums a database now; answers when that is done.
fn vacuum(router: &Arc<Router>, ask: &Ask<'_>) -> Result<Answer, Refused> {
    let request: DbVacuum = ask.parse()?;
    let entry = find(router, request.db_id)?;
    if entry.kind != DbKind::Volatile {
        return Err(Refused::because(format!(
            "database {} is not volatile",
            entry.name
        )));
    }
    let router = router.clone();
    Ok(Answer::later_result(async move {
        let run = vacuum::vacuum(&router, entry.id, request.full != 0).await;
        match run {
            Ok(_) => done(),
            Err(error) => Err(Refused::because(error.to_string())),
        }
    }))
}

fn attach(router: &Arc<Router>, ask: &Ask<'_>, kind: DbKind) -> Result<Answer, Refused> {
    let Text(name) = ask.parse()?;
    if router.tunable(TunableId::AllowClientDBAttach) == 0 {
        return Err(Refused::because(
            "attaching is switched off (AllowClientDBAttach=0)",
        ));
    }
    databases(router)?;
    let router = router.clone();
    Ok(Answer::later_result(async move {
        wait_for_service(&router).await?;
        let known = databases(&router)?.has(db_id(&name));
        let opened = databases(&router)?.attach(name.clone(), kind).await;
        let entry = opened.map_err(|error| Refused::because(error.to_string()))?;
        if !known {
            for peer in router.context.links.connected() {
                let (name, kind) = (name.clone(), entry.kind);
                router.send_peer(peer, ClientMessage::Attach { name, kind });
            }
        }
        data(&entry.id.0)
    }))
}

/// Holds an attach back while a recovery runs or the node has not come so far yet.
async fn wait_for_service(router: &Router) -> Result<(), Refused> {
    let limit = Duration::from_secs(router.tunable(TunableId::DeferredAttachTO).into());
    let begun = Instant::now();
    loop {
        if router.is_inactive() {
            return Err(Refused::because("this node is not active"));
        }
        let serves = router.context.board.view().mode == RecoveryMode::Normal;
        if serves && router.own_view().state.run_state >= RunState::Startup {
            return Ok(());
        }
        if begun.elapsed() >= limit {
            return Err(Refused::because("the recovery did not end in time"));
        }
        tokio::time::sleep(PARKED_LOOK).await;
    }
}

fn detach(router: &Router, ask: &Ask<'_>) -> Result<Answer, Refused> {
    let entry = volatile(router, ask)?;
    if router.tunable(TunableId::AllowClientDBAttach) != 0 {
        return Err(Refused::because(
            "set AllowClientDBAttach=0 on all nodes first",
        ));
    }
    if router.context.board.view().mode != RecoveryMode::Normal {
        return Err(Refused::because("a recovery is active"));
    }
    // Every node detaches, each by its own rules.
    if ask.peer.is_none() {
        for peer in router.context.links.connected() {
            let silent = Ask {
                flags: ask.flags | ControlFlags::NOREPLY,
                ..*ask
            };
            router.send_peer(peer, control_message(0, &silent));
        }
    }
    let shard = databases(router)?.shard(entry.id).detach.clone();
    Ok(Answer::later_result(async move {
        reply(shard.send(Detach(entry.id)).await, |()| Vec::new())
    }))
}

fn enable_seqnum(router: &Router, ask: &Ask<'_>) -> Result<Answer, Refused> {
    let entry = entry(router, ask)?;
    let shard = databases(router)?.shard(entry.id).enable_seqnum.clone();
    Ok(Answer::later_result(async move {
        reply(shard.send(EnableSeqnum(entry.id)).await, |()| Vec::new())
    }))
}

/// Another node's file changed.
fn update_seqnum(router: &Arc<Router>, ask: &Ask<'_>) -> Result<Answer, Refused> {
    let db = volatile(router, ask)?.id;
    let router = router.clone();
    Ok(Answer::later_result(async move {
        match seqnum::raise(&router, db).await {
            Ok(()) => done(),
            Err(error) => Err(Refused::because(error.to_string())),
        }
    }))
}

fn seqnum(router: &Router, ask: &Ask<'_>) -> Result<Answer, Refused> {
    let query: DbSeqnumQuery = ask.parse()?;
    let entry = find(router, query.db_id)?;
    let shard = databases(router)?.shard(entry.id).seqnum.clone();
    Ok(Answer::later_result(async move {
        reply(shard.send(GetSeqnum(entry.id)).await, |number| {
            number.to_bytes()
        })
    }))
}

/// The answer of a shard.
fn reply<T, E: std::fmt::Display>(
    answer: Result<Result<T, E>, actix::MailboxError>,
    data: impl FnOnce(T) -> Vec<u8>,
) -> Done {
    match answer {
        Ok(Ok(value)) => Ok(ControlReply::ok(data(value))),
        Ok(Err(error)) => Err(Refused::because(error.to_string())),
        Err(_) => Err(Refused::because("the daemon is ending")),
    }
}

fn traverse(router: &Arc<Router>, ask: &Ask<'_>, start: TraverseStart, with_empty: bool) -> Done {
    let client = ask.client()?;
    let entry = find(router, start.db_id)?;
    let begun = router.start_traverse(client, &entry, start, with_empty);
    begun.map_err(Refused::because)?;
    done()
}
