//! `ctdb-config`: single settings of `ctdb.conf`, for scripts.

use crate::config::{ConfigError, Environment, Setting, known, show};
use std::ffi::OsString;
use std::fmt::Write;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: ctdb-config <command> [<args>]

  dump                    print all settings; those with their defaults are commented out
  get <section> <key>     print a setting
  validate                check the configuration file";

/// Exit status: no such setting (ENOENT).
const UNKNOWN: u8 = 2;
/// Exit status: wrong arguments or values (EINVAL).
const INVALID: u8 = 22;

/// Runs the program.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let environment = match Environment::of_process(Vec::new()) {
        Ok(environment) => environment,
        Err(error) => {
            eprintln!("ctdb-config: {error}");
            return ExitCode::FAILURE;
        }
    };
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let (settings, errors) = show(&environment);
    match words.as_slice() {
        ["dump"] => {
            print!("{}", dump(&settings));
            complain(&errors)
        }
        ["validate"] => complain(&errors),
        ["get", section, key] => get(&settings, &errors, section, key),
        ["get" | "dump" | "validate", ..] => usage(INVALID),
        _ => usage(1),
    }
}

fn usage(status: u8) -> ExitCode {
    println!("{USAGE}");
    ExitCode::from(status)
}

fn complain(errors: &[ConfigError]) -> ExitCode {
    for error in errors {
        eprintln!("{error}");
    }
    if errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(INVALID)
    }
}

fn get(settings: &[Setting], errors: &[ConfigError], section: &str, key: &str) -> ExitCode {
    let Some(name) = known(section, key) else {
        eprintln!("Configuration option [{section}] -> \"{key}\" not defined");
        return ExitCode::from(UNKNOWN);
    };
    let found = settings
        .iter()
        .find(|setting| (setting.section, setting.key) == name);
    println!("{}", found.map_or("", |setting| &setting.value));
    complain(errors)
}

/// All settings in the form of the file.
fn dump(settings: &[Setting]) -> String {
    // Writing to a string cannot fail.
    let mut text = String::new();
    let mut section = "";
    for setting in settings {
        if setting.section != section {
            section = setting.section;
            let _ = writeln!(text, "[{section}]");
        }
        let mark = if setting.is_set { "" } else { "# " };
        let _ = writeln!(text, "\t{mark}{} = {}", setting.key, setting.value);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_comments_defaults_out() {
        let setting = |section, key, value: &str, is_set| Setting {
            section,
            key,
            value: value.to_owned(),
            is_set,
        };
        let settings = [
            setting("cluster", "cluster lock", "/l", true),
            setting("cluster", "leader timeout", "5", false),
            setting("event", "debug script", "", false),
        ];
        let expected = "[cluster]\n\tcluster lock = /l\n\t# leader timeout = 5\n\
                        [event]\n\t# debug script = \n";
        assert_eq!(dump(&settings), expected);
    }
}
