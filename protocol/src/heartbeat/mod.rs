//! Heartbeat: which peers live, and for how long this node may answer for its public addresses.
//!
//! Every keepalive acknowledges the peer's last one by its sent time. On these acknowledgements rest
//! * liveness: a peer that is silent for `dead_after` is lost;
//! * a leader's *authority*: it lasts `lease_hold` from the newest keepalive that enough followers have
//!   acknowledged, and never longer than its hold of the cluster lock;
//! * a node's *lease*: it lasts `lease_hold` from its newest keepalive that the leader acknowledged, and
//!   never longer than that leader's authority;
//! * the taker's wait: [`crate::timing`] has the formula.

pub mod io;
mod lease;
pub mod machine;
pub mod message;
mod peer;
#[cfg(test)]
mod tests;
