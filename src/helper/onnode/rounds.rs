//! The command on one node after the other, or on all at once.

use std::fs::File;
use std::io::{self, BufRead, BufReader, PipeReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::thread::{self, JoinHandle};

use super::children::Children;
use super::shell::Shell;
use crate::daemon::{Caught, watch_signals};

/// What a shell adds to the number of the signal that ended a command.
const SIGNALLED: i32 = 128;
const ENDS: &[Caught] = &[Caught::Terminate, Caught::Interrupt];

/// A command for several nodes.
#[derive(Debug)]
pub(super) struct Rounds {
    /// Starts it.
    pub(super) shell: Shell,
    /// It is a list of files to be pushed.
    pub(super) files: bool,
    /// What the nodes' shells get.
    pub(super) command: String,
    /// It may read our standard input.
    pub(super) stdin: bool,
    /// Addresses are printed.
    pub(super) is_named: bool,
    /// Output goes to files that begin so.
    pub(super) output_prefix: Option<String>,
}

impl Rounds {
    /// One node after the other; the code of the last that failed.
    pub(super) fn one_by_one(&self, nodes: &[String]) -> Result<u8, String> {
        let mut code = 0;
        for node in nodes {
            if self.is_named {
                eprintln!("\n>> NODE: {node} <<");
            }
            let status = self.command(node)?.status().map_err(not_started)?;
            code = exit_code(status).unwrap_or(code);
        }
        Ok(code)
    }

    /// All nodes at once; the code of the last in the list that failed. A signal that ends us ends them.
    pub(super) fn at_once(&self, nodes: &[String]) -> Result<u8, String> {
        // All of them before the first starts: what fails here leaves nothing running.
        let prepared = nodes.iter().map(|node| self.prepare(node));
        let prepared: Vec<_> = prepared.collect::<Result<_, _>>()?;
        let children = Children::default();
        let ended = children.clone();
        watch_signals(ENDS, move |_| ended.terminate()).map_err(not_started)?;
        let (commands, printers): (Vec<_>, Vec<_>) = prepared.into_iter().unzip();
        let running = children.start(commands).map_err(not_started)?;
        let mut code = 0;
        for (child, printer) in running.into_iter().zip(printers) {
            let status = children.wait(child).map_err(not_started)?;
            if let Some(printer) = printer {
                let _ = printer.join();
            }
            code = exit_code(status).unwrap_or(code);
        }
        Ok(code)
    }

    /// The command for a node, and who prints its output.
    fn prepare(&self, node: &str) -> Result<(Command, Option<JoinHandle<()>>), String> {
        let mut command = self.command(node)?;
        let printer = self.is_named.then(|| self.prefixed(&mut command, node));
        let printer = printer.transpose().map_err(not_started)?;
        Ok((command, printer))
    }

    fn command(&self, node: &str) -> Result<Command, String> {
        let mut command = if self.files {
            self.shell.push(node, &self.command, self.is_named)
        } else {
            self.shell.on_node(node, &self.command, self.stdin)
        };
        if let Some(prefix) = &self.output_prefix {
            let path = format!("{prefix}.{node}");
            let file = File::create(&path).map_err(|error| format!("{path}: {error}"))?;
            command.stdout(file);
        }
        Ok(command)
    }

    /// Everything it prints goes to our standard output, each line with the node's address in front.
    fn prefixed(&self, command: &mut Command, node: &str) -> io::Result<JoinHandle<()>> {
        let (output, input) = io::pipe()?;
        if self.output_prefix.is_none() {
            command.stdout(input.try_clone()?);
        }
        command.stderr(input);
        let node = node.to_owned();
        Ok(thread::spawn(move || {
            // Whoever reads us may have gone.
            let _ = copy_lines(output, &node);
        }))
    }
}

fn copy_lines(output: PipeReader, node: &str) -> io::Result<()> {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        let mut whole = format!("[{node}] ").into_bytes();
        whole.append(&mut line);
        io::stdout().lock().write_all(&whole)?;
    }
    io::stdout().flush()
}

fn not_started(error: impl std::fmt::Display) -> String {
    format!("the shell did not start: {error}")
}

/// `None`: success.
fn exit_code(status: ExitStatus) -> Option<u8> {
    let signalled = || status.signal().map_or(1, |signal| SIGNALLED + signal);
    let code = status.code().unwrap_or_else(signalled);
    (code != 0).then(|| u8::try_from(code).unwrap_or(1))
}
