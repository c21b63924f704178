//! Rules and routes that the daemon keeps: policy routing of the public addresses, fallback routes of the NAT gateway.
//!
//! ```text
//!  variables, file ──► Policy ──wanted──► diff ◄──present── kernel
//!  held addresses ───────┘                  └──► changes
//! ```
//!
//! Invariant: what is ours is told from what is others' by [`route::Scope`] alone, so that leftovers of an earlier life are
//! found without any memory of it.

pub mod config;
pub mod diff;
pub mod file;
pub mod policy;
pub mod route;

#[cfg(test)]
mod tests;
