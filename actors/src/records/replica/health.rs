//! Which persistent databases cannot be relied on, in `state/persistent_health.tdb.<pnn>`: the key is the name
//! without NUL, the value the reason (client-protocol.md section 5.2).
//!
//! Few read it and hardly anybody writes it, so one lock is enough; the file is touched for a change only.

use ctdb_protocol::id::Pnn;
use ctdb_tdb::{Access, OpenOptions, Scan, ScanState, Tdb, TdbFlags};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

/// Stands before a reason when no node had a sound copy.
const NO_HEALTHY_NODES: &str = "NO-HEALTHY-NODES - ";
/// Pause between tries for a lock that somebody holds.
const PAUSE: Duration = Duration::from_millis(1);
/// How often the lock is tried: whoever looks at this file with a tool does so for a moment.
const TRIES: u32 = 5_000;

/// The book; copies show the same one.
#[derive(Clone, Debug, Default)]
pub struct HealthBook {
    pages: Arc<Mutex<Pages>>,
}

#[derive(Debug, Default)]
struct Pages {
    reasons: BTreeMap<String, String>,
    /// Nothing in tests that need no file.
    tdb: Option<Tdb>,
}

impl HealthBook {
    /// Opens the file in `dir`, or makes a new one; a damaged one is set aside. Blocks: for the start.
    pub fn open(dir: &Path, own: Pnn) -> Result<Self, ctdb_tdb::Error> {
        let path = dir.join(format!("persistent_health.tdb.{own}"));
        // If it cannot be made the open says so.
        let _ = fs::create_dir_all(dir);
        let options = OpenOptions {
            hash_size: 0,
            flags: TdbFlags::DISALLOW_NESTING,
            access: Access::Create,
            max_dead: 0,
            ..OpenOptions::default()
        };
        let open = || {
            let tdb = Tdb::open(&path, &options)?;
            tdb.check()?;
            Ok(tdb)
        };
        let tdb = open().or_else(|_| {
            // What it said is found out again: each file is checked when it is opened.
            let _ = fs::rename(&path, path.with_extension(format!("{own}.corrupted")));
            open()
        })?;
        let reasons = read(&tdb)?;
        let tdb = Some(tdb);
        let pages = Arc::new(Mutex::new(Pages { reasons, tdb }));
        Ok(Self { pages })
    }

    /// Why `name` cannot be relied on; nothing if it can.
    pub fn reason(&self, name: &str) -> Option<String> {
        self.pages().reasons.get(name).cloned()
    }

    /// Notes why `name` cannot be relied on, or that it can. May wait for the disk.
    pub fn set(&self, name: &str, reason: Option<String>) -> Result<(), ctdb_tdb::Error> {
        let mut pages = self.pages();
        if pages.reasons.get(name) == reason.as_ref() {
            return Ok(());
        }
        if let Some(tdb) = &pages.tdb {
            write(tdb, name, reason.as_deref())?;
        }
        match reason {
            Some(reason) => drop(pages.reasons.insert(name.to_owned(), reason)),
            None => drop(pages.reasons.remove(name)),
        }
        Ok(())
    }

    /// Notes how a recovery ended: `name` can be relied on if any node had a sound copy.
    pub(super) fn settle(&self, name: &str, healthy: bool) -> Result<(), ctdb_tdb::Error> {
        let reason = self.reason(name).filter(|_| !healthy);
        let reason = reason.map(|old| {
            if old.starts_with(NO_HEALTHY_NODES) {
                old
            } else {
                format!("{NO_HEALTHY_NODES}{old}")
            }
        });
        self.set(name, reason)
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // A panic elsewhere leaves file and list as they were or as they are to be.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(tdb: &Tdb) -> Result<BTreeMap<String, String>, ctdb_tdb::Error> {
    let mut reasons = BTreeMap::new();
    let mut scan = Scan::new(tdb);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for _ in 0..TRIES {
        let state = scan.advance(tdb, u32::MAX, &mut |key, value| {
            reasons.insert(text(key), text(value));
        })?;
        if state == ScanState::Done {
            break;
        }
        sleep(PAUSE);
    }
    Ok(reasons)
}

fn write(tdb: &Tdb, name: &str, reason: Option<&str>) -> Result<(), ctdb_tdb::Error> {
    let mut started = false;
    for _ in 0..TRIES {
        started = tdb.transaction_start_nonblock()?;
        if started {
            break;
        }
        sleep(PAUSE);
    }
    let key = name.as_bytes();
    // Without the transaction the change is less safe, but better than none.
    match reason {
        Some(reason) => tdb.store(key, reason.as_bytes())?,
        None => drop(tdb.delete(key)?),
    }
    if started {
        tdb.transaction_commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_outlive_the_daemon_and_a_damaged_book() {
        let dir = std::env::temp_dir().join(format!("ctdb-health-{}", std::process::id()));
        let reason = |book: &HealthBook| book.reason("a.tdb");
        {
            let book = HealthBook::open(&dir, Pnn(2)).expect("opens");
            assert_eq!(reason(&book), None);
            book.set("a.tdb", Some(String::from("ERROR - x")))
                .expect("noted");
        }
        {
            let book = HealthBook::open(&dir, Pnn(2)).expect("opens");
            assert_eq!(reason(&book).as_deref(), Some("ERROR - x"));
            for _ in 0..2 {
                book.settle("a.tdb", false).expect("noted");
                let marked = "NO-HEALTHY-NODES - ERROR - x";
                assert_eq!(reason(&book).as_deref(), Some(marked));
            }
            book.settle("a.tdb", true).expect("noted");
            assert_eq!(reason(&book), None);
        }
        let path = dir.join("persistent_health.tdb.2");
        fs::write(&path, vec![b'x'; 5_000]).expect("written");
        let book = HealthBook::open(&dir, Pnn(2)).expect("opens");
        assert_eq!(reason(&book), None);
        fs::remove_dir_all(&dir).expect("removed");
    }
}
