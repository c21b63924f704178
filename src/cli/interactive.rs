//! Lines from standard input, given to one session.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use ctdb_protocol::console::Options;

use super::client::Client;
use super::place::Place;
use super::print;

/// Gives line after line; the exit code is that of the last command.
pub(super) fn run(console: Option<&str>) -> ExitCode {
    match session(console) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn session(console: Option<&str>) -> Result<ExitCode, String> {
    let place = Place::find(console)?;
    let mut client = Client::connect(&place, &Options::default())?;
    if let Some(token) = place.token() {
        client.authenticate(&token)?;
    }
    let mut input = std::io::stdin().lock();
    let prompts = input.is_terminal();
    let mut code = ExitCode::SUCCESS;
    loop {
        if prompts {
            print!("ctdb> ");
            // A prompt that can't be written hinders nobody.
            let _ = std::io::stdout().flush();
        }
        let mut line = Vec::new();
        let read = input.read_until(b'\n', &mut line);
        if read.map_err(|error| format!("standard input: {error}"))? == 0 {
            return Ok(code);
        }
        let line = line.trim_ascii();
        if line == b"quit" || line == b"exit" {
            return Ok(code);
        }
        if !line.is_empty() {
            code = print(&client.line(line)?);
        }
    }
}
