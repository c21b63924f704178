//! Limits of the worker process: open files, and whether it may leave a core file.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sets the limits that the admin named. Without `CTDB_MAX_OPEN_FILES` the worker may open as many files as its
/// parent was allowed to: each client, each database and each peer takes one.
///
/// # Errors
/// The kernel refused (setrlimit(2): beyond the hard limit, and not root). The text names the variable.
pub fn apply(max_open_files: Option<u64>, suppress_core_file: bool) -> io::Result<()> {
    let present = getrlimit(Resource::Nofile);
    let wanted = match max_open_files {
        Some(files) => Rlimit {
            current: Some(files),
            maximum: present.maximum.map(|maximum| maximum.max(files)),
        },
        None => Rlimit {
            current: present.maximum,
            maximum: present.maximum,
        },
    };
    set(Resource::Nofile, wanted, "CTDB_MAX_OPEN_FILES")?;
    if suppress_core_file {
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        set(Resource::Core, none, "CTDB_SUPPRESS_COREFILE")?;
    }
    Ok(())
}

fn set(resource: Resource, limit: Rlimit, variable: &str) -> io::Result<()> {
    setrlimit(resource, limit).map_err(|error| {
        let error = io::Error::from(error);
        io::Error::new(
            error.kind(),
            format!("{variable} cannot be carried out: {error}"),
        )
    })
}
