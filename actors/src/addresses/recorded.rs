//! Addresses that are only noted, never set: CTDB's test mode, and `make demo` without root.

use super::AddressKernel;
use crate::net::address::HeldAddress;
use crate::post::Post;
use ctdb_protocol::takeover::io::Input;
use ctdb_protocol::time::Instant;

/// Answers every request with success.
pub struct Recorded {
    post: Post,
}

impl Recorded {
    /// Interfaces named in the configuration count as up.
    pub fn new(post: Post, interfaces: impl IntoIterator<Item = String>) -> Self {
        for name in interfaces {
            post.takeover.send(Input::Interface { name, up: true });
        }
        post.takeover.send(Input::Lease { alive: true });
        Self { post }
    }

    fn answer(&self, address: &HeldAddress, present: bool) {
        self.post.takeover.send(Input::Kernel {
            address: address.ip,
            present,
            error: None,
        });
    }
}

impl AddressKernel for Recorded {
    fn add(&self, address: HeldAddress) {
        self.answer(&address, true);
    }

    fn remove(&self, address: HeldAddress) {
        self.answer(&address, false);
    }

    fn lease_until(&self, _: Instant) {}

    fn end(&mut self) {}
}
