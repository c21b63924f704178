//! ctdb.

pub mod config;
