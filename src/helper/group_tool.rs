//! `ctdb_lvs` and `ctdb_natgw`: the commands about such groups under the names of 4.17's programs, for scripts and for
//! Debian's `ctdb`, which starts them.

use crate::cli;
use std::ffi::OsString;
use std::process::ExitCode;

/// What a program is about, and how its words are explained.
struct Subject {
    name: &'static str,
    usage: &'static str,
}

const SUBJECTS: [Subject; 2] = [
    Subject {
        name: "lvs",
        usage: "\
Usage: ctdb_lvs <option>

  leader   the number of the node that receives for the group
  list     numbers and private addresses of the nodes that serve
  status   the state of all nodes of the group",
    },
    Subject {
        name: "natgw",
        usage: "\
Usage: ctdb_natgw <option>

  leader   number and private address of the node that is the gateway
  list     private addresses of the nodes of the group, and which of them leads or never does
  status   the state of all nodes of the group",
    },
];

/// Runs the program of that subject.
pub(super) fn run(subject: &str, arguments: &[OsString]) -> ExitCode {
    let known = ["leader", "master", "list", "status"];
    if let [what] = arguments
        && known.iter().any(|word| what == word)
    {
        let words = ["ctdb".into(), subject.into(), what.clone()];
        return cli::run(words.into_iter());
    }
    let subject = SUBJECTS.iter().find(|known| known.name == subject);
    println!("{}", subject.map_or("", |subject| subject.usage));
    ExitCode::FAILURE
}
