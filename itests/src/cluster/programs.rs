//! Where the programs under test are.

use std::path::PathBuf;

/// A program of this build: beside the running one, or in `CTDB_TEST_PROGRAMS`.
///
/// # Panics
/// If it has not been built.
pub fn program(name: &str) -> PathBuf {
    let directory = std::env::var_os("CTDB_TEST_PROGRAMS").map_or_else(
        || {
            let mut own = std::env::current_exe().expect("own path");
            own.pop();
            if own.ends_with("deps") {
                own.pop();
            }
            own
        },
        PathBuf::from,
    );
    let path = directory.join(name);
    assert!(
        path.exists(),
        "{} is missing: build all programs first (make release, or cargo build --workspace --bins)",
        path.display()
    );
    path
}
