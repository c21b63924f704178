//! `ctdb`: the admin's tool. It turns its arguments into one console line, prints the reply and ends with
//! the reply's exit code.
//!
//! A line is understood here before it is sent, so a mistyped command needs no daemon; `version`, `help`
//! and `listnodes` need none at all. Files that the admin names are opened here, never by the daemon.

mod args;
mod client;
mod completion;
mod data;
pub(crate) mod event;
mod interactive;
mod local;
mod manual;
mod piped;
mod place;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use ctdb_protocol::console::Reply;
use ctdb_protocol::console::command::Command;
use ctdb_protocol::console::words::Access;
use ctdb_protocol::console::{Request, Word, grammar};

use client::Client;
use place::Place;

/// Runs the tool with the arguments of this process.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// The same with these arguments; the first is the program's name.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match args::parse(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help is no error. Usage errors end with 1, as 4.17's do.
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    if let Some((word, rest)) = arguments.words.split_first() {
        let first = rest.first().and_then(|first| first.to_str());
        // Commands of the tool that the console does not know.
        match word.to_str() {
            Some("completion") => return print(&completion::script(first)),
            Some("manual") => return print(&manual::page(first)),
            _ => {}
        }
    }
    let words = arguments.console_words(std::env::var("CTDB_TIMEOUT").ok());
    let console = arguments.console.as_deref();
    let reply = match grammar::read_words(words.clone()) {
        Err(refusal) => refusal.into(),
        Ok(None) => return interactive::run(console),
        Ok(Some((_, request))) if reads_connections(&request) => {
            piped::give(&words, std::io::stdin().lock(), |line| give(console, line))
        }
        Ok(Some((word, request))) => answer(console, &words, word, &request),
    };
    print(&reply)
}

fn reads_connections(request: &Request) -> bool {
    matches!(&request.command, Command::Tcp { connections, .. } if connections.is_empty())
}

/// The reply to a command that is made of lines from standard input; what is wrong in them ends with `EINVAL`.
fn give(console: Option<&str>, words: &[Vec<u8>]) -> Reply {
    match grammar::read_words(words.to_vec()) {
        Err(refusal) => Reply::from(refusal.with_code(grammar::EINVAL)),
        Ok(None) => Reply::default(),
        Ok(Some((word, request))) => answer(console, words, word, &request),
    }
}

fn answer(console: Option<&str>, words: &[Vec<u8>], word: &Word, request: &Request) -> Reply {
    local::answer(request).unwrap_or_else(|| ask(console, words, word, request))
}

fn ask(console: Option<&str>, words: &[Vec<u8>], word: &Word, request: &Request) -> Reply {
    let asked = Place::find(console).and_then(|place| {
        let mut client = Client::connect(&place, &request.options)?;
        if word.access == Access::Token
            && let Some(token) = place.token()
        {
            client.authenticate(&token)?;
        }
        client.command(words, request)
    });
    asked.unwrap_or_else(|message| Reply::default().failed(1, message))
}

/// Prints a reply; the exit code is its own.
fn print(reply: &Reply) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let printed = out.write_all(&reply.output).and_then(|()| out.flush());
    for note in &reply.notes {
        eprintln!("{note}");
    }
    // What stands in parentheses is for people at the console: 4.17's tool prints nothing there.
    if reply.code != 0 && !reply.message.is_empty() && !reply.message.starts_with('(') {
        eprintln!("{}", reply.message);
    }
    match printed {
        Ok(()) => ExitCode::from(exit_code(reply.code)),
        Err(_) => ExitCode::FAILURE,
    }
}

/// A process ends with eight bits: a failure must not become a success by being cut.
pub(crate) fn exit_code(code: i32) -> u8 {
    match code {
        0 => 0,
        code => u8::try_from(code.unsigned_abs() & 0xff).unwrap_or(1).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_stays_one() {
        for (code, exit) in [
            (0, 0),
            (1, 1),
            (22, 22),
            (255, 255),
            (256, 1),
            (-1, 1),
            (i32::MIN, 1),
        ] {
            assert_eq!(exit_code(code), exit, "{code}");
        }
    }
}
