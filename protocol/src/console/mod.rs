//! The console: the language of the `ctdb` tool as lines of text, without any socket.
//!
//! ```text
//! line ── quote ── options ── grammar ──► Request { options, command }
//! answers of the daemons ──► render ──► Reply ── escape ──► lines, OK | ERR <code> <message>
//! ```
//!
//! Invariants: reading never panics, whatever the bytes; the set of commands is closed ([`words::Verb`]);
//! a command that changes state or shows data of others is marked in the table of [`words`], nowhere else;
//! what [`escape`] writes it reads back byte for byte.

pub mod command;
pub mod escape;
pub mod grammar;
pub mod json;
pub mod options;
pub mod quote;
pub mod render;
pub mod reply;
pub mod words;

pub use command::{Command, Request};
pub use options::{Format, NodeChoice, Options};
pub use reply::{Refusal, Reply};
pub use words::{Scope, Verb, Word};
