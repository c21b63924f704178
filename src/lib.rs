//! The programs of ctdb: configuration, daemon life, the node itself and helpers (this library), with thin
//! entry points in `bin/`.

pub mod cli;
pub mod client;
pub mod config;
pub mod daemon;
pub mod helper;
pub mod node;
