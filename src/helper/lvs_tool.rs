//! `ctdb_lvs`: the LVS commands under the name of 4.17's program, for scripts and for Debian's `ctdb`, which starts it.

use crate::cli;
use std::ffi::OsString;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: ctdb_lvs <option>

  leader   the number of the node that receives for the group
  list     numbers and private addresses of the nodes that serve
  status   the state of all nodes of the group";

/// Runs the program.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    match arguments {
        [what]
            if ["leader", "master", "list", "status"]
                .iter()
                .any(|w| what == w) =>
        {
            let words = ["ctdb".into(), "lvs".into(), what.clone()];
            cli::run(words.into_iter())
        }
        _ => {
            println!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}
