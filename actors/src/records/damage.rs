//! Damaged persistent files: set aside under a name with the time, as the seed daemon does, so that an admin
//! can look at them; the other nodes send a copy.

use super::error::OpenError;
use super::replica::HealthBook;
use chrono::Utc;
use ctdb_protocol::notice::Notice;
use std::fs;
use std::path::{Path, PathBuf};

/// Renames the file at `path` and notes it. The handle of the file must be closed.
pub(super) fn set_aside(
    health: &HealthBook,
    name: &str,
    path: &Path,
    why: &ctdb_tdb::Error,
) -> Result<Notice, OpenError> {
    let moved = format!(
        "{}.corrupted.{}.0Z",
        path.display(),
        Utc::now().format("%Y%m%d%H%M%S")
    );
    // First the note: if the machine fails between the two, nobody takes the empty file for a sound one.
    let reason = format!("ERROR - Backup of corrupted TDB in '{moved}'");
    health.set(name, Some(reason))?;
    let moved = PathBuf::from(moved);
    fs::rename(path, &moved).map_err(|source| OpenError::Directory {
        path: path.to_owned(),
        source,
    })?;
    Ok(Notice::DatabaseSetAside {
        name: name.to_owned(),
        file: moved.display().to_string(),
        reason: why.to_string(),
    })
}
