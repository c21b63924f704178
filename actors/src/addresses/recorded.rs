//! Addresses that are only noted, never set: CTDB's test mode, and `make demo` without root.

use super::AddressKernel;
use crate::net::address::HeldAddress;
use crate::post::Post;
use ctdb_protocol::takeover::io::Input;
use ctdb_protocol::time::Instant;

/// Answers every request with success. All interfaces count as up, and the lease never ends.
pub struct Recorded {
    post: Post,
    interfaces: Vec<String>,
}

impl Recorded {
    /// `interfaces` are those that the configuration names.
    pub fn new(post: Post, interfaces: impl IntoIterator<Item = String>) -> Self {
        Self {
            post,
            interfaces: interfaces.into_iter().collect(),
        }
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

    fn retell(&self) {
        for name in &self.interfaces {
            self.post.takeover.send(Input::Interface {
                name: name.clone(),
                up: true,
            });
        }
        self.post.takeover.send(Input::Lease { alive: true });
    }

    fn lease_until(&self, _: Instant) {}

    fn end(&mut self) {}
}
