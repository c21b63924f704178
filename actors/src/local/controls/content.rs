//! Replacing the content of a database, and its health: what `ctdb wipedb` and `ctdb restoredb` send to every
//! node (client-protocol.md section 3.1).

use super::{Answer, Ask, Done, Refused, data, done};
use crate::local::router::Router;
use crate::records::{ContentRequest, ContentStep, DbEntry, Progress};
use actix::Recipient;
use ctdb_protocol::client::database::{PullDbExt, TransDb};
use ctdb_protocol::client::text::Text;
use ctdb_protocol::client::{ControlReply, Opcode};
use ctdb_protocol::id::DbId;
use ctdb_protocol::membership::io::{Input, Request};
use ctdb_protocol::tunable::TunableId;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause before a step is asked for again.
const PAUSE: Duration = Duration::from_millis(1);

pub(super) fn answer(router: &Arc<Router>, ask: &Ask<'_>) -> Option<Answer> {
    let with_tid = |step: fn(u32) -> ContentStep| {
        let TransDb { db_id, tid } = ask.parse()?;
        run(router, db_id, step(tid))
    };
    let plain = |step: ContentStep| run(router, ask.parse()?, step);
    let answer = match ask.opcode {
        Opcode::DbFreeze => plain(ContentStep::Freeze),
        Opcode::DbThaw => plain(ContentStep::Thaw),
        Opcode::DbTransactionStart => with_tid(ContentStep::Begin),
        Opcode::DbTransactionCommit => with_tid(ContentStep::Commit),
        Opcode::DbTransactionCancel => plain(ContentStep::Cancel),
        Opcode::WipeDatabase => with_tid(ContentStep::Wipe),
        Opcode::DbPushStart => push_start(router, ask),
        Opcode::DbPushConfirm => push_confirm(router, ask),
        Opcode::DbGetHealth => return Some(health(router, ask).into()),
        Opcode::DbSetHealthy => set_healthy(router, ask),
        _ => return None,
    };
    Some(answer.into())
}

/// Does one step on this node.
fn run(router: &Arc<Router>, db: u32, step: ContentStep) -> Result<Answer, Refused> {
    let (shard, db) = shard(router, db)?;
    let limit = time_limit(router);
    Ok(Answer::later_result(async move {
        repeat(shard, db, step, limit).await?;
        done()
    }))
}

fn shard(router: &Router, db: u32) -> Result<(Recipient<ContentRequest>, DbId), Refused> {
    let DbEntry { id, .. } = super::databases::find(router, db)?;
    let databases = super::databases::databases(router)?;
    Ok((databases.shard(id).content.clone(), id))
}

fn time_limit(router: &Router) -> Duration {
    Duration::from_secs(router.tunable(TunableId::ControlTimeout).into())
}

async fn repeat(
    shard: Recipient<ContentRequest>,
    db: DbId,
    step: ContentStep,
    limit: Duration,
) -> Result<u32, Refused> {
    let begun = Instant::now();
    loop {
        let step = step.clone();
        let answer = shard.send(ContentRequest { db, step }).await;
        let answer = answer.map_err(|_| Refused::because("the daemon is ending"))?;
        match answer.map_err(|error| Refused::because(error.to_string()))? {
            Progress::Done(number) => return Ok(number),
            Progress::Again if begun.elapsed() >= limit => {
                return Err(Refused::because("a client holds a lock of the database"));
            }
            Progress::Again => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// From now on messages to the port are records.
fn push_start(router: &Arc<Router>, ask: &Ask<'_>) -> Result<Answer, Refused> {
    let PullDbExt { db_id, srvid, .. } = ask.parse()?;
    let (shard, db) = shard(router, db_id)?;
    let (router, limit) = (router.clone(), time_limit(router));
    Ok(Answer::later_result(async move {
        repeat(shard, db, ContentStep::PushStart, limit).await?;
        router.pushes.begin(srvid, db);
        done()
    }))
}

fn push_confirm(router: &Arc<Router>, ask: &Ask<'_>) -> Result<Answer, Refused> {
    let (shard, db) = shard(router, ask.parse()?)?;
    router.pushes.end(db);
    let limit = time_limit(router);
    Ok(Answer::later_result(async move {
        data(&repeat(shard, db, ContentStep::PushConfirm, limit).await?)
    }))
}

fn health(router: &Router, ask: &Ask<'_>) -> Done {
    let entry = super::databases::find(router, ask.parse()?)?;
    let health = &super::databases::databases(router)?.health;
    match health.reason(&entry.name) {
        Some(reason) => data(&Text(reason)),
        None => done(),
    }
}

/// The admin vouches for the content.
fn set_healthy(router: &Arc<Router>, ask: &Ask<'_>) -> Result<Answer, Refused> {
    let entry = super::databases::find(router, ask.parse()?)?;
    let health = super::databases::databases(router)?.health.clone();
    if health.reason(&entry.name).is_none() {
        return Ok(ControlReply::status(0).into());
    }
    let router = router.clone();
    Ok(Answer::later_result(async move {
        let name = entry.name.clone();
        // The note waits for the disk.
        let noted = tokio::task::spawn_blocking(move || health.set(&name, None)).await;
        let noted = noted.map_err(|_| Refused::because("the daemon is ending"))?;
        noted.map_err(|error| Refused::because(error.to_string()))?;
        // The others must hear of it before transactions are accepted again.
        let reason = format!("database {} was declared healthy", entry.name);
        let request = Request::Recover { reason };
        router.context.post.membership.send(Input::Request(request));
        done()
    }))
}
