//! Backup files.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::SystemTime;

use ctdb_actors::console::local_date;
use ctdb_protocol::client::backup::{self, BackupHeader, VERSION};
use ctdb_protocol::client::traverse::RecordData;
use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::command::DbName;
use ctdb_protocol::console::grammar::EINVAL;
use ctdb_protocol::console::json::Value;
use ctdb_protocol::console::options::Options;
use ctdb_protocol::console::render::database::FileDump;
use ctdb_protocol::console::render::simple::Single;

use super::database::{self, Database};
use super::{Answered, connect, content, records, refused};

/// C's `ENOENT`, with which 4.17 ends on a file that is too short.
const ENOENT: i32 = 2;

/// `backupdb`
pub(super) fn make(options: &Options, name: &DbName, file: &str) -> Answered {
    let mut client = connect(options)?;
    let database = Database::find(&mut client, name)?;
    let db = records::attach(&mut client, &database)?;
    let records = records::local(&db)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now_s = now.map_or(0, |since| since.as_secs().cast_signed());
    let flags = database.flags;
    let bytes = backup::emit(now_s, flags, &database.name, database.id, &records);
    write(file, &bytes).map_err(|error| about(&error, "open", file, "writing"))?;
    Ok(Box::new(Single {
        name: "file",
        text: Some(format!("Database backed up to {file}")),
        value: Value::from(file),
    }))
}

/// Records are nobody else's business.
fn write(file: &str, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(file)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn about(error: &io::Error, what: &str, file: &str, aim: &str) -> Refusal {
    let code = error.raw_os_error().unwrap_or(1);
    let mut refusal = Refusal::coded(code, format!("Failed to {what} file {file} for {aim}"));
    refusal.notes.push(error.to_string());
    refusal
}

/// A file that was read, with a heading.
struct Backup {
    header: BackupHeader,
    records: Vec<RecordData>,
    heading: String,
}

/// Reads a file. What is said first, is said even if the records can't be read.
fn read(file: &str, verb: &str, name: Option<&str>) -> Result<Backup, Refusal> {
    let bytes = fs::read(file).map_err(|error| about(&error, "open", file, "reading"))?;
    if let Some(version) = backup::version(&bytes).filter(|version| *version != VERSION) {
        let message = format!("Wrong version of backup file, expected {VERSION}, got {version}");
        return Err(Refusal::coded(EINVAL, message));
    }
    let (header, rest) = backup::read_header(&bytes).map_err(|error| {
        let message = format!("Failed to read db header from file {file}");
        let mut refusal = Refusal::coded(ENOENT, message);
        refusal.notes.push(error.to_string());
        refusal
    })?;
    let name = name.unwrap_or(&header.name);
    let time = local_date(header.time_s);
    let heading = format!("{verb} database {name} from backup @ {time}");
    let records = backup::read_records(&header, rest).map_err(|error| Refusal {
        output: format!("{heading}\n"),
        notes: vec![error.to_string()],
        ..Refusal::coded(ENOENT, "Failed to read records")
    })?;
    Ok(Backup {
        header,
        records,
        heading,
    })
}

/// `dumpdbbackup`
pub(super) fn dump(file: &str) -> Answered {
    let backup = read(file, "Dumping", None)?;
    Ok(Box::new(FileDump {
        heading: Some(backup.heading),
        records: backup
            .records
            .into_iter()
            .filter_map(records::line)
            .collect(),
    }))
}

/// `restoredb`
pub(super) fn restore(options: &Options, file: &str, name: Option<&str>) -> Answered {
    let backup = read(file, "Restoring", name)?;
    let name = name.unwrap_or(&backup.header.name);
    let mut client = connect(options)?;
    let kind = database::kind(backup.header.flags);
    // A database of that name must be of the file's kind.
    let attached = client.attach_id(name, kind);
    let db_id = attached.map_err(|error| Refusal {
        output: format!("{}\n", backup.heading),
        ..refused(error)
    })?;
    content::replace(&mut client, db_id, Some(&backup.records))?;
    Ok(Box::new(Single {
        name: "restored",
        text: Some(format!("{}\nDatabase {name} restored", backup.heading)),
        value: Value::from(name),
    }))
}
