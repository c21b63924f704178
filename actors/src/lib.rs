//! Actors.

pub mod net;
