//! Bounded reading of configuration files.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Largest configuration file that is read, in bytes.
pub(super) const LARGEST_FILE: u64 = 1 << 20;

/// The text of a file; `None` if there is no such file. Bytes that are no UTF-8 become U+FFFD.
pub(super) fn read_text(path: &Path) -> Result<Option<String>, String> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(format!("is larger than {LARGEST_FILE} bytes"));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The files of a directory whose names end in `.suffix`, sorted; none if there is no directory.
pub(super) fn drop_ins(directory: &Path, suffix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|found| found == suffix))
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::Directory;

    #[test]
    fn missing_large_and_unreadable_files_are_told_apart() {
        let directory = Directory::new();
        assert_eq!(read_text(&directory.path("none")), Ok(None));
        directory.write("small", "text");
        assert_eq!(
            read_text(&directory.path("small")),
            Ok(Some("text".to_owned()))
        );
        directory.write("large", &"x".repeat((1 << 20) + 1));
        assert!(
            read_text(&directory.path("large"))
                .expect_err("too large")
                .contains("larger")
        );
        assert!(
            read_text(&directory.path(""))
                .expect_err("a directory")
                .contains("cannot be read")
        );
    }

    #[test]
    fn drop_ins_are_sorted_and_filtered() {
        let directory = Directory::new();
        for name in ["d/20.conf", "d/10.conf", "d/30.conf~", "d/note"] {
            directory.write(name, "");
        }
        let expected = [directory.path("d/10.conf"), directory.path("d/20.conf")];
        assert_eq!(drop_ins(&directory.path("d"), "conf"), expected);
        assert!(drop_ins(&directory.path("none"), "conf").is_empty());
    }
}
