//! Membership: node flags, the composition of the cluster (vnnmap) and its recovery.

pub mod io;
pub mod message;
pub mod view;
