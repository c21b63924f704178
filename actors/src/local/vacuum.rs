//! When volatile databases are vacuumed: each `VacuumInterval`, one database after the other, every
//! `VacuumFastPathCount` times from end to end (ctdb-features.md, tunables).

use super::router::Router;
use crate::log::text;
use crate::records::{RecordError, VacuumDb};
use actix::clock::sleep;
use ctdb_protocol::id::DbId;
use ctdb_protocol::notice::Level;
use ctdb_protocol::record::vacuum::VacuumReport;
use ctdb_protocol::tunable::TunableId;
use ctdb_protocol::wire::message::DbKind;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is looked whether the interval, which may be changed meanwhile, is over.
const LOOK: Duration = Duration::from_secs(1);

/// Vacuums for as long as the arbiter lives.
pub(super) async fn keep_vacuuming(router: Arc<Router>) {
    let mut runs: BTreeMap<DbId, u32> = BTreeMap::new();
    let mut last = Instant::now();
    loop {
        sleep(LOOK).await;
        let interval = router.tunable(TunableId::VacuumInterval);
        if interval == 0 || last.elapsed() < Duration::from_secs(interval.into()) {
            continue;
        }
        last = Instant::now();
        round(&router, &mut runs).await;
    }
}

/// One run of each database.
async fn round(router: &Router, runs: &mut BTreeMap<DbId, u32>) {
    let Some(databases) = router.databases.get() else {
        return;
    };
    let volatile = databases.table.list().into_iter();
    let volatile: Vec<DbId> = volatile
        .filter(|entry| entry.kind == DbKind::Volatile)
        .map(|entry| entry.id)
        .collect();
    runs.retain(|db, _| volatile.contains(db));
    for db in volatile {
        let fast = router.tunable(TunableId::VacuumFastPathCount);
        let count = runs.entry(db).or_default();
        *count += 1;
        let full = fast > 0 && *count > fast;
        if full {
            *count = 0;
        }
        // A database that went away meanwhile, or a recovery: the next round sees to it.
        let _ = vacuum(router, db, full).await;
    }
}

/// One run, with its limits.
pub(super) async fn vacuum(
    router: &Router,
    db: DbId,
    full: bool,
) -> Result<VacuumReport, RecordError> {
    let databases = router.databases.get();
    let databases = databases.ok_or(RecordError::NoDatabase(db))?;
    let seconds = router.tunable(TunableId::VacuumMaxRunTime);
    let patience = Duration::from_secs(seconds.into());
    let request = VacuumDb { db, full, patience };
    let begun = Instant::now();
    let answer = databases.shard(db).vacuum.send(request).await;
    let report = answer.unwrap_or(Err(RecordError::Ending))?;
    if report
        != (VacuumReport {
            is_whole: true,
            ..VacuumReport::default()
        })
    {
        let said = format_args!(
            "Vacuumed database 0x{:08x} in {:?}: {report:?}",
            db.0,
            begun.elapsed()
        );
        text(&router.context.log, Level::Debug, said);
    }
    Ok(report)
}
