//! What a command answers, before it becomes lines.

use super::escape;
use alloc::string::String;
use alloc::vec::Vec;

/// The whole answer to one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// What the tool writes to standard output.
    pub output: Vec<u8>,
    /// What the tool writes to standard error beside the failure's message, a line each.
    pub notes: Vec<String>,
    /// The tool's exit code; 0 is success.
    pub code: i32,
    /// Why it failed; in parentheses if 4.17's tool prints nothing there.
    pub message: String,
}

impl Reply {
    /// Success that prints this.
    pub fn text(output: impl Into<Vec<u8>>) -> Self {
        Self {
            output: output.into(),
            ..Self::default()
        }
    }

    /// Success with a note.
    pub fn note(note: impl Into<String>) -> Self {
        Self {
            notes: alloc::vec![note.into()],
            ..Self::default()
        }
    }

    /// The same output as a failure.
    #[must_use]
    pub fn failed(mut self, code: i32, message: impl Into<String>) -> Self {
        self.code = code;
        self.message = message.into();
        self
    }

    /// The lines to send.
    pub fn to_lines(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.output.len() + 16);
        escape::put_output(&mut out, &self.output);
        for note in &self.notes {
            escape::put_note(&mut out, note);
        }
        escape::put_end(&mut out, self.code, &self.message);
        out
    }
}

/// A command that was not carried out, or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Exit code, not 0.
    pub code: i32,
    /// Why.
    pub message: String,
    /// What goes to standard output all the same: a usage text, a message that 4.17 writes there.
    pub output: String,
    /// Lines of standard error before the message.
    pub notes: Vec<String>,
}

impl Refusal {
    /// With exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self::coded(1, message)
    }

    /// With this exit code.
    pub fn coded(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            output: String::new(),
            notes: Vec::new(),
        }
    }

    /// The same with another exit code.
    #[must_use]
    pub fn with_code(self, code: i32) -> Self {
        Self { code, ..self }
    }

    /// With exit code 1 and the text on standard output, where 4.17 writes it.
    pub fn printed(text: impl Into<String>) -> Self {
        let mut output: String = text.into();
        let message = alloc::format!("({output})");
        output.push('\n');
        Self {
            output,
            ..Self::new(message)
        }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let mut reply = Self::text(refusal.output).failed(refusal.code, refusal.message);
        reply.notes = refusal.notes;
        reply
    }
}
