//! LVS: one address for the whole cluster. Its leader receives what clients send and passes it on to the nodes of
//! the group; these answer the clients directly.
//!
//! [`group`] says who belongs to it, [`choice`] who leads and who serves, [`buckets`] which flow goes to whom, and
//! the machine brings these into the kernel and tells the other nodes where this one is reached. Which node answers
//! for the address is decided by takeover, as for public addresses, so that two never do.

pub mod buckets;
pub mod choice;
pub mod group;
pub mod io;
pub mod machine;
pub mod message;
#[cfg(test)]
mod tests;
