//! `onnode`: runs a command on nodes of the cluster, through ssh.

mod children;
mod nodes;
mod rounds;
mod shell;
mod spec;

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Page;
use super::getopt::{Grammar, words};
use rounds::Rounds;
use shell::Shell;

const USAGE: &str = "\
Usage: onnode [OPTION…] NODES COMMAND…

  NODES    numbers, ranges (0-2), names (with -n) and these words, with commas between:
           all; any (one whose daemon runs); ok or healthy; con or connected
  COMMAND  for the shell of the nodes

  -c         in the directory that is the current one here
  -f FILE    another nodes file
  -i         keep standard input open
  -n         nodes may be given by name
  -o PREFIX  write what each node prints to a file of that name with the node's address behind a dot
  -p         on all nodes at once
  -P         push files of these names to the nodes, with rsync
  -q         do not print addresses
  -v         print the address also of a single node
  -h         this text";

/// Its manual page.
pub(super) const PAGE: Page = Page {
    name: "onnode",
    about: "runs a command on nodes of the cluster",
    usage: USAGE,
};

const GRAMMAR: Grammar = Grammar {
    flags: "chnpqvPi?",
    valued: "fo",
    anywhere: false,
};

/// Runs the program.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let words = words(arguments);
    let order = match Order::read(&words) {
        Ok(Some(order)) => order,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("onnode: {error}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    match order.carry_out() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("onnode: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
struct Order {
    /// Letters of the options that stand alone.
    flags: String,
    nodes_file: Option<String>,
    output_prefix: Option<String>,
    /// Which nodes.
    nodes: String,
    /// The command, or names of files.
    command: String,
}

impl Order {
    /// `None`: help is wanted.
    fn read(words: &[String]) -> Result<Option<Self>, String> {
        let words = GRAMMAR.read(words)?;
        let mut order = Self::default();
        for (letter, value) in words.options {
            match letter {
                'f' => order.nodes_file = value,
                'o' => order.output_prefix = value,
                'h' | '?' => return Ok(None),
                flag => order.flags.push(flag),
            }
        }
        let [nodes, command @ ..] = &*words.operands else {
            return Err("no nodes".into());
        };
        if command.is_empty() {
            return Err("no command".into());
        }
        order.nodes.clone_from(nodes);
        order.command = command.join(" ");
        Ok(Some(order))
    }

    fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    /// The exit code of the last command that failed, or 0.
    fn carry_out(&self) -> Result<u8, String> {
        let base = env::var_os("CTDB_BASE").filter(|base| !base.is_empty());
        let base = base.map_or_else(|| PathBuf::from("/etc/ctdb"), PathBuf::from);
        let all = nodes::read(&self.nodes_file(&base))?;
        let shell = Shell::new(&base);
        let wanted = spec::parse(&self.nodes, self.has('n'))?;
        let targets = spec::resolve(&wanted, &all, &shell)?;
        let is_named = !self.has('q') && (self.has('v') || targets.len() > 1);
        let rounds = Rounds {
            shell,
            files: self.has('P'),
            command: self.command()?,
            stdin: self.has('i') && !self.has('p'),
            is_named,
            output_prefix: self.output_prefix.clone(),
        };
        if self.has('p') {
            rounds.at_once(&targets)
        } else {
            rounds.one_by_one(&targets)
        }
    }

    /// A relative name that is not in the current directory is looked for beside the configuration.
    fn nodes_file(&self, base: &Path) -> PathBuf {
        match &self.nodes_file {
            Some(file) if Path::new(file).exists() => PathBuf::from(file),
            Some(file) => base.join(file),
            None => base.join("nodes"),
        }
    }

    fn command(&self) -> Result<String, String> {
        if !self.has('c') || self.has('P') {
            return Ok(self.command.clone());
        }
        let directory =
            env::current_dir().map_err(|error| format!("current directory: {error}"))?;
        Ok(format!("cd {} && {}", directory.display(), self.command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(text: &str) -> Result<Option<Order>, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Order::read(&words)
    }

    #[test]
    fn options_end_with_the_nodes() {
        let read = order("-pq -f other all ls -l").expect("complete");
        let expected = Order {
            flags: "pq".into(),
            nodes_file: Some("other".into()),
            output_prefix: None,
            nodes: "all".into(),
            command: "ls -l".into(),
        };
        assert_eq!(read, Some(expected));
        assert_eq!(order("-h"), Ok(None));
    }

    #[test]
    fn what_is_missing_is_said() {
        for (text, error) in [
            ("", "no nodes"),
            ("-p", "no nodes"),
            ("all", "no command"),
            ("-x all ls", "unknown option -x"),
        ] {
            let said = order(text).expect_err(text);
            assert!(said.starts_with(error), "{text}: {said}");
        }
    }
}
