//! Actors.
pub mod log;
