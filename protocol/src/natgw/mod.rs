//! NAT gateway: in each group of nodes one has an address on the public network, and the others reach the outside by it.
//!
//! ```text
//!  view, file ──► choice ──► Natgw ──want──► Natgw of the cluster's leader ──grant──► Natgw ──► address, then rules
//!                              └──► routes of followers
//! ```
//!
//! Who shall be the gateway each node finds by itself, as 4.17's script does. That no two nodes have the address at once
//! is the business of the cluster's leader: it grants an address to one node at a time, and to the next one only when the
//! one before has said that it let go, or has certainly fallen silent (leases, as for public addresses).

pub mod choice;
pub mod config;
pub mod group;
pub mod io;
pub mod machine;
pub mod message;
mod registry;
pub mod view;

#[cfg(test)]
mod tests;
