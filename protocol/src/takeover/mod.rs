//! Takeover of public addresses: which node answers for which address.
//!
//! [`alloc`] decides where each address belongs; it is a pure function of the cluster's state, so
//! the same state gives the same plan on whichever node leads.

pub mod alloc;
