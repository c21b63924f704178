//! Databases and records: `getdbmap`, `getdbstatus`, `catdb`, `cattdb`, `dumpdbbackup`, `tfetch`, `readkey`.

use super::{Report, bit, line, put_fields, yes};
use crate::client::dbmap::DbFlags;
use crate::console::json::Value;
use crate::console::quote::hex;
use crate::record::header::RecordFlags;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// One database, with what one node says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbInfo {
    /// Its id.
    pub id: u32,
    /// Its kind.
    pub flags: DbFlags,
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: String,
    /// Why it is unhealthy, if it is.
    pub unhealthy: Option<String>,
}

impl DbInfo {
    fn has(&self, flag: DbFlags) -> bool {
        self.flags.contains(flag)
    }

    fn json(&self) -> Value {
        let flag = |flag| Value::Bool(self.has(flag));
        Value::object([
            ("id", format!("0x{:08x}", self.id).into()),
            ("name", self.name.as_str().into()),
            ("path", self.path.as_str().into()),
            ("persistent", flag(DbFlags::PERSISTENT)),
            ("replicated", flag(DbFlags::REPLICATED)),
            ("sticky", flag(DbFlags::STICKY)),
            ("readonly", flag(DbFlags::READONLY)),
            ("unhealthy", self.unhealthy.clone().into()),
        ])
    }
}

/// `getdbmap`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DbList(pub Vec<DbInfo>);

impl Report for DbList {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        line!(out, "Number of databases:{}", self.0.len());
        for db in &self.0 {
            let words = [
                (db.has(DbFlags::PERSISTENT), " PERSISTENT"),
                (db.has(DbFlags::STICKY), " STICKY"),
                (db.has(DbFlags::READONLY), " READONLY"),
                (db.has(DbFlags::REPLICATED), " REPLICATED"),
                (db.unhealthy.is_some(), " UNHEALTHY"),
            ];
            let words: String = words
                .iter()
                .filter(|(set, _)| *set)
                .map(|(_, word)| *word)
                .collect();
            line!(
                out,
                "dbid:0x{:08x} name:{} path:{}{words}",
                db.id,
                db.name,
                db.path
            );
        }
    }

    fn machine(&self, out: &mut Vec<u8>, separator: char, _verbose: bool) {
        let heading = [
            "ID",
            "Name",
            "Path",
            "Persistent",
            "Sticky",
            "Unhealthy",
            "Readonly",
            "Replicated",
        ];
        put_fields(out, separator, heading);
        for db in &self.0 {
            let id = format!("0x{:08X}", db.id);
            let fields = [
                &*id,
                &db.name,
                &db.path,
                bit(db.has(DbFlags::PERSISTENT)),
                bit(db.has(DbFlags::STICKY)),
                bit(db.unhealthy.is_some()),
                bit(db.has(DbFlags::READONLY)),
                bit(db.has(DbFlags::REPLICATED)),
            ];
            put_fields(out, separator, fields);
        }
    }

    fn json(&self) -> Value {
        Value::list(self.0.iter().map(DbInfo::json))
    }
}

/// `getdbstatus`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbStatus(pub DbInfo);

impl Report for DbStatus {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        let db = &self.0;
        line!(out, "dbid: 0x{:08x}", db.id);
        line!(out, "name: {}", db.name);
        line!(out, "path: {}", db.path);
        for (name, flag) in [
            ("PERSISTENT", DbFlags::PERSISTENT),
            ("REPLICATED", DbFlags::REPLICATED),
            ("STICKY", DbFlags::STICKY),
            ("READONLY", DbFlags::READONLY),
        ] {
            line!(out, "{name}: {}", yes(db.has(flag)));
        }
        line!(out, "HEALTH: {}", db.unhealthy.as_deref().unwrap_or("OK"));
    }

    fn json(&self) -> Value {
        self.0.json()
    }
}

/// A record as `catdb` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordLine {
    /// Its key.
    pub key: Vec<u8>,
    /// Its data.
    pub data: Vec<u8>,
    /// Who has it.
    pub dmaster: u32,
    /// Its sequence number.
    pub rsn: u64,
    /// Its flags.
    pub flags: u32,
}

/// `catdb`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump(pub Vec<RecordLine>);

/// Bytes between quotes: printable ones as they are, others (quote and backslash too) as `\HH`.
fn put_bytes(out: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    out.extend(format!("{name}({}) = \"", bytes.len()).into_bytes());
    for &byte in bytes {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f.. => {
                out.push(b'\\');
                out.extend(hex(byte));
            }
            byte => out.push(byte),
        }
    }
    out.extend(b"\"\n");
}

/// Names of record flags as 4.17's tool prints them behind their number.
const FLAG_NAMES: [(RecordFlags, &str); 7] = [
    (RecordFlags::MIGRATED_WITH_DATA, " MIGRATED_WITH_DATA"),
    (RecordFlags::VACUUM_MIGRATED, " VACUUM_MIGRATED"),
    (RecordFlags::AUTOMATIC, " AUTOMATIC"),
    (RecordFlags::RO_HAVE_DELEGATIONS, " RO_HAVE_DELEGATIONS"),
    (RecordFlags::RO_HAVE_READONLY, " RO_HAVE_READONLY"),
    (RecordFlags::RO_REVOKING_READONLY, " RO_REVOKING_READONLY"),
    (RecordFlags::RO_REVOKE_COMPLETE, " RO_REVOKE_COMPLETE"),
];

fn flag_names(flags: u32) -> String {
    let flags = RecordFlags::from_bits_retain(flags);
    let set = FLAG_NAMES.iter().filter(|(flag, _)| flags.contains(*flag));
    set.map(|(_, name)| *name).collect()
}

impl RecordLine {
    fn put_value(&self, out: &mut Vec<u8>) {
        line!(out, "dmaster: {}", self.dmaster);
        line!(out, "rsn: {}", self.rsn);
        let names = flag_names(self.flags);
        line!(out, "flags: 0x{:08x}{names}", self.flags);
        put_bytes(out, "data", &self.data);
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, "key", &self.key);
        self.put_value(out);
        out.push(b'\n');
    }
}

/// `tfetch`: one record, whose key is known.
impl Report for RecordLine {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        self.put_value(out);
    }

    fn json(&self) -> Value {
        Value::object([
            ("key", Value::bytes(&self.key)),
            ("dmaster", self.dmaster.into()),
            ("rsn", self.rsn.into()),
            ("flags", self.flags.into()),
            ("data", Value::bytes(&self.data)),
        ])
    }
}

impl Report for Dump {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        for record in &self.0 {
            record.put(out);
        }
        line!(out, "Dumped {} records", self.0.len());
    }

    fn json(&self) -> Value {
        Value::list(self.0.iter().map(Report::json))
    }
}

/// `cattdb`, `dumpdbbackup`: records of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileDump {
    /// Said before them.
    pub heading: Option<String>,
    /// The records, also those without data.
    pub records: Vec<RecordLine>,
}

impl Report for FileDump {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        if let Some(heading) = &self.heading {
            line!(out, "{heading}");
        }
        for record in &self.records {
            record.put(out);
        }
        line!(out, "Dumped {} record(s)", self.records.len());
    }

    fn json(&self) -> Value {
        Value::list(self.records.iter().map(Report::json))
    }
}

/// `pfetch`: the data alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordText(pub Vec<u8>);

impl Report for RecordText {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        out.extend(&self.0);
        out.push(b'\n');
    }

    fn json(&self) -> Value {
        Value::object([("data", Value::bytes(&self.0))])
    }
}

/// `readkey`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordValue(pub Vec<u8>);

impl Report for RecordValue {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        out.extend(format!("Data: size:{} ptr:[", self.0.len()).into_bytes());
        out.extend(&self.0);
        out.extend(b"]\n");
    }

    fn json(&self) -> Value {
        Value::object([("data", Value::bytes(&self.0))])
    }
}
