//! Public addresses in the kernel, behind one handle: real ones ([`real`]), or recorded ones where nothing
//! may be set (test mode, or without root: [`recorded`]).

mod clients;
pub mod dormant;
mod guarded;
pub mod policy;
pub mod real;
pub mod recorded;
pub mod routing;

use crate::net::address::HeldAddress;
use ctdb_protocol::takeover::io::{LeaseId, Parting};
use ctdb_protocol::time::Instant;

/// What the takeover duty asks of the kernel. Nothing here waits; results come as takeover inputs.
pub trait AddressKernel: Send {
    /// From now on these are the places that addresses may be put on.
    fn prepare(&self, places: Vec<HeldAddress>);
    /// Announces an address once more.
    fn announce(&self, address: HeldAddress);
    /// Puts an address on its interface and announces it, if this lease is alive.
    fn add(&self, address: HeldAddress, lease: LeaseId);
    /// Takes an address off its interface, and parts from its clients.
    fn remove(&self, address: HeldAddress, parting: Parting);
    /// Tells takeover the state of interfaces and lease once more.
    fn retell(&self);
    /// This node may answer for its addresses until then.
    fn lease_until(&self, until: Instant);
    /// Ends the lease and removes what was built, at the end of the daemon.
    fn end(&mut self);
}
