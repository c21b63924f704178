//! Membership: node flags, the composition of the cluster (vnnmap) and its recovery.
//!
//! [`machine::Membership`] holds one part per concern: the node's own flags, what is known of the nodes,
//! the participant of a recovery, and, while this node leads, its coordinator. The plan of the vnnmap is a
//! pure function.

pub mod config;
mod contributors;
pub mod drift;
mod flags;
pub mod io;
mod leader;
pub mod machine;
mod member;
pub mod message;
mod nodes;
pub mod view;
pub mod vnnmap;

#[cfg(test)]
mod tests;
