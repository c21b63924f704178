//! Backup files of `ctdb backupdb`, version 3: a header, then buffers of records. Every number is little-endian.
//!
//! ```text
//! header   version u64 = 3 | time u64 | flags u64 | buffers u64 | records u64 | name 64 bytes, filled up with NUL
//! buffer   db_id u32 | records u32 | bytes u64 | records, packed as in marshall buffers
//! ```

use alloc::string::String;
use alloc::vec::Vec;

use super::cursor::{Cursor, Payload, put, put_zeros};
use super::dbmap::DbFlags;
use super::error::WireError;
use super::traverse::RecordData;

/// The version that 4.17 writes and reads.
pub const VERSION: u64 = 3;
/// Bytes of a database's name, a NUL included.
const NAME_BYTES: usize = 64;
/// A buffer takes no further record that would make it larger.
const BUFFER_BYTES: usize = 100_000;

/// What the file says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupHeader {
    /// When it was made, in seconds since 1970.
    pub time_s: i64,
    /// Kind of the database.
    pub flags: DbFlags,
    /// Buffers that follow.
    pub buffers: u64,
    /// Records in all of them.
    pub records: u64,
    /// Name of the database.
    pub name: String,
}

/// The whole file.
#[must_use]
pub fn emit(
    time_s: i64,
    flags: DbFlags,
    name: &str,
    db_id: u32,
    records: &[RecordData],
) -> Vec<u8> {
    let buffers = buffers(records);
    let mut out = Vec::new();
    put(&mut out, VERSION);
    put(&mut out, time_s.cast_unsigned());
    put(&mut out, u64::from(flags.bits()));
    put(&mut out, buffers.len() as u64);
    put(&mut out, records.len() as u64);
    let name = &name.as_bytes()[..name.len().min(NAME_BYTES - 1)];
    out.extend_from_slice(name);
    put_zeros(&mut out, NAME_BYTES - name.len());
    for (count, bytes) in buffers {
        put(&mut out, db_id);
        put(&mut out, count);
        put(&mut out, bytes.len() as u64);
        out.extend(bytes);
    }
    out
}

/// Number of records, and their bytes.
fn buffers(records: &[RecordData]) -> Vec<(u32, Vec<u8>)> {
    let mut buffers: Vec<(u32, Vec<u8>)> = Vec::new();
    for record in records {
        let bytes = record.to_bytes();
        match buffers.last_mut() {
            Some((count, buffer)) if buffer.len() + bytes.len() <= BUFFER_BYTES => {
                *count += 1;
                buffer.extend(bytes);
            }
            _ => buffers.push((1, bytes)),
        }
    }
    buffers
}

/// The version of a file, also of one that is no backup at all; `None` if it is too short to have one.
#[must_use]
pub fn version(file: &[u8]) -> Option<u64> {
    file.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Reads the header of a file of [`VERSION`]; gives what follows it.
///
/// # Errors
/// The file is shorter than a header.
pub fn read_header(file: &[u8]) -> Result<(BackupHeader, &[u8]), WireError> {
    let mut cursor = Cursor::new("backup header", file);
    cursor.skip(8)?;
    let time_s = cursor.u64()?.cast_signed();
    let flags = cursor.u64()?;
    let buffers = cursor.u64()?;
    let records = cursor.u64()?;
    let name = cursor.bytes(NAME_BYTES)?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let header = BackupHeader {
        time_s,
        flags: DbFlags::from_bits_truncate(flags as u8),
        buffers,
        records,
        name: String::from_utf8_lossy(name).into_owned(),
    };
    let rest = &file[file.len() - cursor.remaining()..];
    Ok((header, rest))
}

/// Reads the records behind a header.
///
/// # Errors
/// They end too early, or are none.
pub fn read_records(header: &BackupHeader, buffers: &[u8]) -> Result<Vec<RecordData>, WireError> {
    let mut cursor = Cursor::new("backup", buffers);
    let mut records = Vec::new();
    for _ in 0..header.buffers {
        let _db_id = cursor.u32()?;
        let count = cursor.count()?;
        let bytes = cursor.u64()?;
        let length = usize::try_from(bytes).map_err(|_| cursor.bad_value("length", bytes))?;
        let mut buffer = Cursor::new("backup buffer", cursor.bytes(length)?);
        records.extend(buffer.list::<RecordData>(count)?);
        if buffer.remaining() > 0 {
            return Err(cursor.bad_value("length", bytes));
        }
    }
    if records.len() as u64 != header.records {
        return Err(cursor.bad_value("records", header.records));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn record(key: &[u8], data: &[u8]) -> RecordData {
        RecordData {
            reqid: 0,
            key: key.to_vec(),
            data: data.to_vec(),
        }
    }

    #[test]
    fn the_bytes_are_those_of_4_17() {
        let mut header = vec![1, 0, 0, 0, 0, 0, 0, 0];
        header.extend([0; 16]);
        let data = [&header[..], b"val"].concat();
        let file = emit(
            0x6b09_0681,
            DbFlags::empty(),
            "v.tdb",
            0x64fa_b4d0,
            &[record(b"key", &data)],
        );
        // From a file of Debian's tool, one of its two records left out.
        let mut golden = vec![3, 0, 0, 0, 0, 0, 0, 0, 0x81, 6, 9, 0x6b, 0, 0, 0, 0];
        golden.extend([0; 8]);
        golden.extend([1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        golden.extend(b"v.tdb");
        golden.extend([0; 59]);
        golden.extend([
            0xd0, 0xb4, 0xfa, 0x64, 1, 0, 0, 0, 0x2e, 0, 0, 0, 0, 0, 0, 0,
        ]);
        golden.extend([0x2e, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0x1b, 0, 0, 0]);
        golden.extend(b"key");
        golden.extend(&data);
        assert_eq!(file, golden);
    }

    #[test]
    fn many_records_come_back() {
        let records: Vec<_> = (0..5_000_u32)
            .map(|number| record(&number.to_le_bytes(), &[7; 64]))
            .collect();
        let file = emit(-1, DbFlags::PERSISTENT, "p.tdb", 9, &records);
        let (header, rest) = read_header(&file).expect("whole");
        assert_eq!((version(&file), header.time_s), (Some(VERSION), -1));
        assert_eq!(
            (header.flags, header.name.as_str()),
            (DbFlags::PERSISTENT, "p.tdb")
        );
        assert_eq!((header.buffers, header.records), (5, 5_000));
        assert_eq!(read_records(&header, rest).expect("whole"), records);
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let file = emit(
            0,
            DbFlags::empty(),
            "v.tdb",
            9,
            &[record(b"k", b"v"), record(b"l", b"w")],
        );
        for length in 0..file.len() {
            let read =
                read_header(&file[..length]).and_then(|(header, rest)| read_records(&header, rest));
            assert!(read.is_err(), "{length}");
        }
        let mut lying = file.clone();
        lying[32] = 3;
        let (header, rest) = read_header(&lying).expect("a header");
        assert!(read_records(&header, rest).is_err());
    }
}
