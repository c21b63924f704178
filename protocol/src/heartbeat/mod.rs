//! Heartbeat: which peers live, and for how long this node may answer for its public addresses.

pub mod io;
pub mod message;
