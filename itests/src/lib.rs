//! Test harness.

pub mod client;
