//! `ctdb-event`: the event commands under the name and with the words of 4.17's program, for scripts and for Debian's
//! `ctdb`, which starts it.

use crate::cli;
use ctdb_protocol::console::command::Command;
use ctdb_protocol::console::grammar;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: ctdb-event [-d <level>] <command> [<args>]

  run <timeout> <component> <event> [<args>]   run an event
  status <component> <event>                   what its scripts did in the newest run
  script list <component>                      the scripts; `*` marks enabled ones
  script enable <component> <script>           enable a script
  script disable <component> <script>          disable it";

/// Runs the program.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let arguments = match arguments {
        [option, _, rest @ ..] if option == "-d" || option == "--debug" => rest,
        all => all,
    };
    let words = arguments.iter().map(|word| word.clone().into_vec());
    let words = std::iter::once(b"event".to_vec()).chain(words).collect();
    let Ok(Some((_, request))) = grammar::read_words(words) else {
        println!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let Command::Event(command) = &request.command else {
        return ExitCode::FAILURE;
    };
    let reply = cli::event::answer(command, &request.options);
    let printed = std::io::stdout().write_all(&reply.output);
    if !reply.message.is_empty() {
        eprintln!("{}", reply.message);
    }
    match printed {
        Ok(()) => ExitCode::from(cli::exit_code(reply.code)),
        Err(_) => ExitCode::FAILURE,
    }
}
