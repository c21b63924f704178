//! Single records of a TDB file, without any daemon.

use std::fs;

use ctdb_protocol::client::traverse::RecordData;
use ctdb_protocol::client::{Payload, RecordFlags, RecordHeader};
use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::render::simple::Done;
use ctdb_tdb::{Access, OpenOptions, Tdb, TdbFlags};

use super::{Answered, records};

fn open(path: &str, access: Access) -> Result<Tdb, Refusal> {
    let options = OpenOptions {
        hash_size: 0,
        flags: TdbFlags::empty(),
        access,
        ..OpenOptions::default()
    };
    Tdb::open(path, &options).map_err(|error| {
        let mut refusal = Refusal::new(format!("Failed to open TDB file {path}"));
        refusal.notes.push(error.to_string());
        refusal
    })
}

/// `tfetch`
pub(super) fn fetch(path: &str, key: &[u8], file: Option<&str>) -> Answered {
    let shown = String::from_utf8_lossy(key);
    let record = open(path, Access::ReadOnly)?.fetch(key);
    let record = record.map_err(|error| Refusal::new(error.to_string()))?;
    let missing = || Refusal::new(format!("No record for key {shown}"));
    let data = record.ok_or_else(missing)?;
    if let Some(file) = file {
        fs::write(file, &data).map_err(|error| {
            let mut refusal = Refusal::new(format!("Failed to open output file {file}"));
            refusal.notes.push(error.to_string());
            refusal
        })?;
    }
    let key = key.to_vec();
    let line = records::line(RecordData {
        reqid: 0,
        key,
        data,
    });
    let invalid = || Refusal::new(format!("Invalid record for key {shown}"));
    Ok(Box::new(line.ok_or_else(invalid)?))
}

/// `tstore`, with sequence number, dmaster and flags of the header.
pub(super) fn store(
    path: &str,
    key: &[u8],
    value: &[u8],
    (rsn, dmaster, flags): (u64, u32, u32),
) -> Answered {
    let header = RecordHeader {
        rsn,
        dmaster,
        reserved: 0,
        flags: RecordFlags::from_bits_retain(flags),
    };
    let tdb = open(path, Access::ReadWrite)?;
    let stored = tdb.storev(key, &[&header.to_bytes(), value]);
    stored.map_err(|error| {
        let key = String::from_utf8_lossy(key);
        let mut refusal = Refusal::new(format!("Failed to write record {key} to file {path}"));
        refusal.notes.push(error.to_string());
        refusal
    })?;
    Ok(Box::new(Done))
}
