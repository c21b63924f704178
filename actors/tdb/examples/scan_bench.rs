//! Prints how many records a second libtdb stores, fetches and scans here, for both kinds of locks.
//!
//! `cargo run --release -p ctdb-tdb --example scan_bench -- [RECORDS] [DIRECTORY]`

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ctdb_tdb::{OpenOptions, Scan, ScanState, Tdb, TdbFlags, probe_mutexes};

/// Length of each value in bytes, a record header included.
const VALUE_BYTES: usize = 100;
/// Records of one portion of the scan.
const PORTION_RECORDS: u32 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let records: u32 = arguments
        .next()
        .map_or(Ok(1_000_000), |text| text.parse())?;
    let directory = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let mut kinds = vec![("plain", TdbFlags::CTDB_REPLICATED)];
    if probe_mutexes() {
        kinds.push(("mutex", TdbFlags::CTDB_VOLATILE));
    }
    for (name, flags) in kinds {
        let path = directory.join(format!("scan_bench.{}.{name}", std::process::id()));
        let outcome = run(name, &path, flags, records);
        std::fs::remove_file(&path)?;
        outcome?;
    }
    Ok(())
}

fn run(name: &str, path: &Path, flags: TdbFlags, records: u32) -> Result<(), Box<dyn Error>> {
    let tdb = Tdb::open(
        path,
        &OpenOptions {
            flags,
            ..OpenOptions::default()
        },
    )?;
    let report = |what: &str, start: Instant| {
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{name} {what}: {seconds:.3} s, {:.0} records/s",
            f64::from(records) / seconds
        );
    };

    let start = Instant::now();
    scan(&tdb, 0)?;
    println!(
        "{name} scan of the empty file: {:.3} s",
        start.elapsed().as_secs_f64()
    );

    let start = Instant::now();
    for number in 0..records {
        let key = number.to_le_bytes();
        let Some(_chain) = tdb.chain_lock_nonblock(&key)? else {
            return Err("somebody else holds a chain of the bench".into());
        };
        tdb.store(&key, &[0x5a; VALUE_BYTES])?;
    }
    report("lock + store", start);

    let start = Instant::now();
    for number in 0..records {
        let key = number.to_le_bytes();
        let Some(_chain) = tdb.chain_lock_nonblock(&key)? else {
            return Err("somebody else holds a chain of the bench".into());
        };
        tdb.parse(&key, <[u8]>::len)?;
    }
    report("lock + parse", start);

    let start = Instant::now();
    scan(&tdb, records)?;
    report("scan by chains", start);

    if !tdb.lock_all_nonblock()? {
        return Err("somebody else holds a chain of the bench".into());
    }
    let start = Instant::now();
    scan(&tdb, records)?;
    report("scan under the whole-file lock", start);
    tdb.unlock_all()?;
    Ok(())
}

fn scan(tdb: &Tdb, expected: u32) -> Result<(), Box<dyn Error>> {
    let mut count = 0;
    let mut bytes = 0;
    let mut scan = Scan::new(tdb);
    while scan.advance(tdb, PORTION_RECORDS, &mut |key, value| {
        count += 1;
        bytes += key.len() + value.len();
    })? != ScanState::Done
    {}
    if count != expected || bytes != count as usize * (4 + VALUE_BYTES) {
        return Err(format!("{count} records scanned, {expected} expected").into());
    }
    Ok(())
}
