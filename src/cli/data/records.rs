//! Records: of the local file, and changed by transactions.

use std::collections::BTreeMap;

use ctdb_protocol::client::RecordHeader;
use ctdb_protocol::client::traverse::RecordData;
use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::command::DbName;
use ctdb_protocol::console::options::Options;
use ctdb_protocol::console::render::database::{FileDump, RecordLine, RecordText};
use ctdb_protocol::console::render::simple::Done;
use ctdb_tdb::{Scan, ScanState, Tdb};

use super::database::Database;
use super::{Answered, connect, refused};
use crate::client::{Client, Db, DbKind, Ended, GLock, transact};

/// Records between two looks at how far a walk is.
const PORTION: u32 = 1_000;

/// A record to be stored; without data it is to be deleted.
pub(super) type Change = (Vec<u8>, Vec<u8>);

/// `cattdb`
pub(super) fn dump(options: &Options, name: &DbName) -> Answered {
    let mut client = connect(options)?;
    let database = Database::find(&mut client, name)?;
    let db = attach(&mut client, &database)?;
    let records = local(&db)?.into_iter().filter_map(line).collect();
    Ok(Box::new(FileDump {
        heading: None,
        records,
    }))
}

/// A record as it is shown; `None` if its data has no header.
pub(super) fn line(record: RecordData) -> Option<RecordLine> {
    let (header, data) = RecordHeader::split(&record.data).ok()?;
    let data = data.to_vec();
    Some(RecordLine {
        key: record.key,
        data,
        dmaster: header.dmaster,
        rsn: header.rsn,
        flags: header.flags.bits(),
    })
}

pub(super) fn attach(client: &mut Client, database: &Database) -> Result<Db, Refusal> {
    let attached = client.attach_kind(&database.name, database.kind());
    attached.map_err(|error| {
        let mut refusal = Refusal::new(format!("Failed to attach to DB {}", database.name));
        refusal.notes.push(error.to_string());
        refusal
    })
}

/// All records of the local file, also those without data, with their headers.
pub(super) fn local(db: &Db) -> Result<Vec<RecordData>, Refusal> {
    walk(db.tdb()).map_err(|error| Refusal::new(error.to_string()))
}

fn walk(tdb: &Tdb) -> ctdb_tdb::Result<Vec<RecordData>> {
    let mut records = Vec::new();
    let mut scan = Scan::new(tdb);
    loop {
        let state = scan.advance(tdb, PORTION, &mut |key, data| {
            records.push(RecordData {
                reqid: 0,
                key: key.to_vec(),
                data: data.to_vec(),
            });
        })?;
        match state {
            ScanState::More => {}
            ScanState::Done => return Ok(records),
            // A client holds what is left.
            ScanState::Busy => std::thread::sleep(std::time::Duration::from_millis(1)),
        }
    }
}

/// Opens a database whose records change by transactions.
fn transactional(client: &mut Client, name: &DbName) -> Result<(Database, Db), Refusal> {
    let database = Database::find(client, name)?;
    if database.kind() == DbKind::Volatile {
        let message = format!("Transactions not supported on DB {}", database.name);
        return Err(Refusal::new(message));
    }
    let db = attach(client, &database)?;
    Ok((database, db))
}

/// `pfetch`
pub(super) fn fetch(options: &Options, name: &DbName, key: &[u8]) -> Answered {
    let mut client = connect(options)?;
    let (_, db) = transactional(&mut client, name)?;
    let record = db.tdb().fetch(key);
    let record = record.map_err(|error| Refusal::new(error.to_string()))?;
    let data = match &record {
        None => &[][..],
        Some(record) => RecordHeader::split(record).map_or(&[][..], |(_, data)| data),
    };
    Ok(Box::new(RecordText(data.to_vec())))
}

/// `pstore`, `pdelete`, `ptrans`: all changes or none; of two for one record the last.
pub(super) fn change(options: &Options, name: &DbName, changes: &[Change]) -> Answered {
    let mut client = connect(options)?;
    let (database, db) = transactional(&mut client, name)?;
    let last: BTreeMap<&[u8], &[u8]> = changes
        .iter()
        .map(|(key, data)| (key.as_slice(), data.as_slice()))
        .collect();
    let mut locks = GLock::attach(&mut client).map_err(refused)?;
    let ended = transact(&mut client, &mut locks, &db, |transaction| {
        for (key, data) in &last {
            if transaction.read(key)? != *data {
                transaction.write(key, data)?;
            }
        }
        Ok(())
    });
    let reason = match ended {
        Ok(Ended::Committed | Ended::Presumed) => return Ok(Box::new(Done)),
        Ok(Ended::Unknown) => "a recovery ended it, and another transaction followed".into(),
        Err(error) => error.to_string(),
    };
    let message = format!("Failed to commit transaction on db {}", database.name);
    let mut refusal = Refusal::new(message);
    refusal.notes.push(reason);
    Err(refusal)
}
