//! Which TDB files this process has open: one open per file, by device and inode.
//!
//! Record locks belong to the process and vanish when *any* descriptor of the file is closed, even
//! one of an open that libtdb refused. So the second open has to be refused before libtdb sees it.
//! The registry's lock also serialises `tdb_open` and `tdb_close`, whose global list inside libtdb is
//! not made for threads.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

static OPEN_FILES: Mutex<BTreeMap<FileId, PathBuf>> = Mutex::new(BTreeMap::new());

/// Identity of a file on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// Whether this process has the file open as a TDB.
///
/// Ask before opening such a path by other means (copy, backup): closing that second descriptor
/// would drop every record lock of the handle. Looking at it with `stat` is harmless.
pub fn is_open_here(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| table().contains_key(&FileId::of(&metadata)))
}

/// Runs `open` unless the file is open already, and remembers what it opened.
pub(crate) fn open_once<T>(
    path: &Path,
    open: impl FnOnce() -> Result<(T, FileId)>,
) -> Result<(T, FileId)> {
    let mut files = table();
    // `stat` opens nothing. A missing file cannot be open here under this name.
    if let Ok(metadata) = fs::metadata(path)
        && let Some(first) = files.get(&FileId::of(&metadata))
    {
        return Err(Error::AlreadyOpen {
            path: path.to_owned(),
            first: first.clone(),
        });
    }
    let (handle, id) = open()?;
    files.insert(id, path.to_owned());
    Ok((handle, id))
}

/// Runs `close` and forgets the file.
pub(crate) fn close(id: FileId, close: impl FnOnce()) {
    let mut files = table();
    close();
    files.remove(&id);
}

fn table() -> MutexGuard<'static, BTreeMap<FileId, PathBuf>> {
    // Every change is one map operation: a panic elsewhere leaves the table whole.
    OPEN_FILES.lock().unwrap_or_else(PoisonError::into_inner)
}
