//! Bad input for the doors of a node: random and mutated frames after a valid hello or attach, console lines.
//!
//! The valid frames that are mutated are the golden ones of the protocol's own tests, so that every message type is
//! among them.

mod client;
mod console;
mod corpus;
mod mutate;
mod node;
mod report;

pub use client::client;
pub use console::console;
pub use node::node;
pub use report::Report;
