//! Election: who leads, with the cluster lock or by majority.

pub mod io;
pub mod message;
pub mod standing;
