//! `ctdb-path`: where things are, for scripts.

use crate::config::Layout;
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
Usage: ctdb-path <command> [<args>]

  config                    the configuration file
  pidfile <daemon>          a daemon's PID file
  socket <daemon>           a daemon's socket
  datadir, etcdir, rundir, vardir [append <path>]
                            a directory, or what is below it";

/// Where Debian has files that are the same on all machines.
const DATA_DIRECTORY: &str = "/usr/share/ctdb";
/// Exit status of a command without its arguments (EINVAL).
const WRONG_ARGUMENTS: u8 = 22;

/// Runs the program.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let variables: BTreeMap<String, String> = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let layout = match Layout::from_variables(&variables) {
        Ok(layout) => layout,
        Err(error) => {
            eprintln!("ctdb-path: {error}");
            return ExitCode::FAILURE;
        }
    };
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    match path(&layout, &variables, &words) {
        Ok(path) => {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }
        Err(status) => {
            println!("{USAGE}");
            ExitCode::from(status)
        }
    }
}

/// The path that is asked for, or the exit status.
fn path(
    layout: &Layout,
    variables: &BTreeMap<String, String>,
    words: &[&str],
) -> Result<PathBuf, u8> {
    let Some((command, rest)) = words.split_first() else {
        return Err(1);
    };
    let data = if layout.test_mode {
        layout.etc.join("share")
    } else {
        PathBuf::from(DATA_DIRECTORY)
    };
    let directory = match *command {
        "config" if rest.is_empty() => return Ok(layout.etc.join("ctdb.conf")),
        "pidfile" | "socket" => return of_daemon(layout, variables, command, rest),
        "datadir" => data,
        "etcdir" => layout.etc.clone(),
        "rundir" => layout.run.clone(),
        "vardir" => layout.var.clone(),
        "config" => return Err(WRONG_ARGUMENTS),
        _ => return Err(1),
    };
    match rest {
        [] => Ok(directory),
        ["append", below] => Ok(append(&directory, below)),
        _ => Err(WRONG_ARGUMENTS),
    }
}

/// Puts the two behind each other even if the second one begins with `/`, as 4.17 does.
fn append(directory: &Path, below: &str) -> PathBuf {
    PathBuf::from(format!("{}/{below}", directory.display()))
}

fn of_daemon(
    layout: &Layout,
    variables: &BTreeMap<String, String>,
    command: &str,
    rest: &[&str],
) -> Result<PathBuf, u8> {
    let [daemon] = rest else {
        return Err(WRONG_ARGUMENTS);
    };
    // 4.17's tools look at the variable outside test mode too.
    match variables.get("CTDB_SOCKET") {
        Some(socket) if command == "socket" && *daemon == "ctdbd" => Ok(PathBuf::from(socket)),
        _ => {
            let suffix = if command == "socket" { "socket" } else { "pid" };
            Ok(layout.run.join(format!("{daemon}.{suffix}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(variables: &[(&str, &str)], command: &str) -> Result<String, u8> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let layout = Layout::from_variables(&variables).expect("complete");
        let words: Vec<&str> = command.split_whitespace().collect();
        path(&layout, &variables, &words).map(|path| path.display().to_string())
    }

    #[test]
    fn debians_places() {
        for (command, path) in [
            ("config", "/etc/ctdb/ctdb.conf"),
            ("pidfile ctdbd", "/run/ctdb/ctdbd.pid"),
            ("socket ctdbd", "/run/ctdb/ctdbd.socket"),
            ("socket eventd", "/run/ctdb/eventd.socket"),
            ("datadir", "/usr/share/ctdb"),
            ("etcdir append nodes", "/etc/ctdb/nodes"),
            ("rundir", "/run/ctdb"),
            ("vardir append /foo", "/var/lib/ctdb//foo"),
        ] {
            assert_eq!(asked(&[], command), Ok(path.to_owned()), "{command}");
        }
    }

    #[test]
    fn the_test_layout() {
        let base = [("CTDB_TEST_MODE", "yes"), ("CTDB_BASE", "/t/n0")];
        for (command, path) in [
            ("config", "/t/n0/ctdb.conf"),
            ("pidfile ctdbd", "/t/n0/run/ctdbd.pid"),
            ("datadir", "/t/n0/share"),
            ("vardir", "/t/n0/var"),
        ] {
            assert_eq!(asked(&base, command), Ok(path.to_owned()), "{command}");
        }
        let socket = [base[0], base[1], ("CTDB_SOCKET", "/s")];
        assert_eq!(asked(&socket, "socket ctdbd"), Ok("/s".to_owned()));
    }

    #[test]
    fn wrong_arguments() {
        for command in ["pidfile", "socket a b", "rundir append", "config x"] {
            assert_eq!(asked(&[], command), Err(22), "{command}");
        }
        assert_eq!(asked(&[], ""), Err(1));
        assert_eq!(asked(&[], "nope"), Err(1));
    }
}
