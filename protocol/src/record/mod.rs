//! Records: who is dmaster of what, and how it moves.

pub mod header;
pub mod io;
pub mod local;
pub mod message;
