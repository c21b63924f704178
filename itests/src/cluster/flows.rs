//! A running `flows` program, and what it says.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::programs::program;

/// A `flows` program; ended by drop.
pub struct Flows {
    child: Child,
    input: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
}

impl Flows {
    /// Starts one.
    pub fn start(mut command: Command, args: &[&str]) -> Self {
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("nsenter(1) runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let input = child.stdin.take();
        Self {
            child,
            input,
            lines,
        }
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// The next line, as JSON.
    pub fn json(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line:?}"))
    }

    /// Says a line.
    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("open");
        writeln!(input, "{line}").expect("it reads");
    }

    /// Ends its standard input.
    pub fn hang_up(&mut self) {
        self.input = None;
    }

    /// Says a line; answers what is printed then.
    pub fn ask(&mut self, line: &str) -> Value {
        self.say(line);
        self.json()
    }
}

impl Drop for Flows {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program.
pub fn flows_program() -> String {
    program("flows").to_string_lossy().into_owned()
}
