//! The command line of `ctdb`: 4.17's options, at any place between the words.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use clap::error::Error;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser};

use ctdb_protocol::console::words::{WORDS, Word};

#[allow(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
#[allow(clippy::doc_markdown, reason = "these texts are the help")]
/// Manages the nodes, addresses and databases of a cluster.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "ctdb",
    version,
    disable_help_subcommand = true,
    disable_help_flag = true
)]
pub(super) struct Arguments {
    /// Console of the daemon, ADDRESS:PORT (default: CTDB_CONSOLE, then the configuration).
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) console: Option<String>,

    /// Node: a number, or "all".
    #[arg(short = 'n', long = "node", value_name = "PNN")]
    node: Option<String>,

    /// Machine readable output between '|'.
    #[arg(short = 'X')]
    machine: bool,

    /// Machine readable output between the characters that -x gives.
    #[arg(short = 'Y')]
    separated: bool,

    /// Separator of -Y.
    #[arg(short = 'x', long = "separator", value_name = "CHAR")]
    separator: Option<String>,

    /// JSON output.
    #[arg(short = 'j', long = "json")]
    json: bool,

    /// More columns.
    #[arg(short = 'v', long = "verbose")]
    verbose: bool,

    /// Time limit of one request, in seconds (default 10).
    #[arg(short = 't', long = "timelimit", value_name = "SECONDS")]
    time_limit: Option<String>,

    /// Time limit of the whole command, in seconds (default: CTDB_TIMEOUT, or 120).
    #[arg(short = 'T', long = "maxruntime", value_name = "SECONDS")]
    max_runtime: Option<String>,

    /// Accepted for old scripts; the tool keeps no log.
    #[arg(short = 'd', long = "debug", value_name = "LEVEL", hide = true)]
    debug: Option<String>,

    /// Print this help.
    #[arg(short = 'h', short_alias = '?', long, action = ArgAction::Help)]
    help: Option<bool>,

    /// Command and its arguments; without a command, lines are read from standard input.
    #[arg(value_name = "COMMAND")]
    pub(super) words: Vec<OsString>,
}

/// Reads the command line.
pub(super) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Arguments, Error> {
    let matches = command().try_get_matches_from(arguments)?;
    Arguments::from_arg_matches(&matches)
}

/// The command line, with the list of commands in its help.
pub(super) fn command() -> clap::Command {
    let commands: Vec<String> = WORDS.iter().map(Word::help_line).collect();
    Arguments::command().after_help(format!("Commands:\n{}", commands.join("\n")))
}

impl Arguments {
    /// The words of the console line: options, then `--`, then the command as it was given.
    pub(super) fn console_words(&self, default_max_runtime: Option<String>) -> Vec<Vec<u8>> {
        let mut words = Vec::new();
        for (name, value) in [
            ("-n", &self.node),
            ("-x", &self.separator),
            ("-t", &self.time_limit),
            ("-T", &self.max_runtime.clone().or(default_max_runtime)),
        ] {
            if let Some(value) = value {
                words.extend([name.into(), value.as_bytes().to_vec()]);
            }
        }
        for (name, given) in [
            ("-X", self.machine),
            ("-Y", self.separated),
            ("-j", self.json),
            ("-v", self.verbose),
        ] {
            if given {
                words.push(name.into());
            }
        }
        words.push(b"--".to_vec());
        words.extend(self.words.iter().map(|word| bytes(word)));
        words
    }
}

fn bytes(word: &OsStr) -> Vec<u8> {
    word.to_owned().into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctdb_protocol::console::command::Command;
    use ctdb_protocol::console::{Format, NodeChoice, grammar};
    use std::time::Duration;

    fn parsed(line: &str) -> Arguments {
        let words = std::iter::once("ctdb")
            .chain(line.split(' '))
            .map(OsString::from);
        parse(words).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn options_at_any_place_reach_the_grammar() {
        for line in [
            "-n 1 -v ip all -X",
            "ip -Xv -n1 all",
            "ip all --node=1 -X --verbose",
        ] {
            let words = parsed(line).console_words(Some("7".into()));
            let (_, request) = grammar::read_words(words).expect(line).expect("a command");
            assert_eq!(request.command, Command::Ip { all: true }, "{line}");
            assert_eq!(request.options.node, NodeChoice::One(1), "{line}");
            assert_eq!(request.options.format, Format::Machine('|'), "{line}");
            assert_eq!(
                request.options.max_runtime,
                Duration::from_secs(7),
                "{line}"
            );
            assert!(request.options.verbose, "{line}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_arrive() {
        let value = OsString::from_vec(b"\xff\0x".to_vec());
        let words = ["ctdb", "writekey", "a.tdb", "k"].map(OsString::from);
        let arguments = parse(words.into_iter().chain([value])).expect("valid");
        let words = arguments.console_words(None);
        let (_, request) = grammar::read_words(words)
            .expect("valid")
            .expect("a command");
        assert!(matches!(request.command, Command::WriteKey { value, .. } if value == b"\xff\0x"));
    }

    #[test]
    fn the_help_names_every_command() {
        command().debug_assert();
        let help = command().render_help().to_string();
        assert!(WORDS.iter().all(|word| help.contains(word.name)), "{help}");
    }
}
