//! `ctdb completion SHELL`: prints a completion script.

use std::str::FromStr;

use clap_complete::Shell;

use ctdb_protocol::console::Reply;
use ctdb_protocol::console::words::WORDS;

use super::args;

/// The script for a shell of that name.
pub(super) fn script(shell: Option<&str>) -> Reply {
    let shell = shell.map(Shell::from_str);
    let Some(Ok(shell)) = shell else {
        let usage = "Usage: ctdb completion bash|zsh|fish|elvish|powershell\n";
        return Reply::text(usage).failed(1, "(usage)");
    };
    // For the shell each command is a subcommand; the tool itself takes them as plain words.
    let mut command = args::command();
    for word in WORDS {
        command = command.subcommand(clap::Command::new(word.name).about(word.help));
    }
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "ctdb", &mut script);
    Reply::text(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_name_the_commands() {
        for shell in ["bash", "zsh", "fish"] {
            let reply = script(Some(shell));
            let text = String::from_utf8(reply.output).expect("text");
            assert!(
                text.contains("nodestatus") && text.contains("listvars"),
                "{shell}"
            );
        }
        assert_eq!(script(Some("csh")).code, 1);
        assert_eq!(script(None).code, 1);
    }
}
