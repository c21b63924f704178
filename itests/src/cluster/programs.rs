//! Where the programs under test are.

use std::path::PathBuf;

/// A program of this build, if it has been built: beside the running one, or in `CTDB_TEST_PROGRAMS`.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = directory().join(name);
    path.exists().then_some(path)
}

/// The same where it must have been built.
///
/// # Panics
/// If it has not.
pub fn program(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| {
        let path = directory().join(name);
        panic!(
            "{} is missing: build all programs first (make release)",
            path.display()
        )
    })
}

/// An admin's tool: ours where it has been built, else Debian's.
pub fn tool() -> PathBuf {
    find("ctdb").unwrap_or_else(|| PathBuf::from("/usr/bin/ctdb"))
}

fn directory() -> PathBuf {
    std::env::var_os("CTDB_TEST_PROGRAMS").map_or_else(
        || {
            let mut own = std::env::current_exe().expect("own path");
            own.pop();
            if own.ends_with("deps") {
                own.pop();
            }
            own
        },
        PathBuf::from,
    )
}
