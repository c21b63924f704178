//! Addresses that are only noted, never set: CTDB's test mode, and `make demo` without root.

use super::AddressKernel;
use crate::net::address::HeldAddress;
use crate::post::Post;
use ctdb_protocol::takeover::io::{Input, LeaseId, Parting};
use ctdb_protocol::time::Instant;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Answers every request with success. All interfaces count as up, and the lease never ends.
pub struct Recorded {
    post: Post,
    interfaces: Mutex<BTreeSet<String>>,
}

impl Recorded {
    /// Knows no interface yet.
    pub fn new(post: Post) -> Self {
        Self {
            post,
            interfaces: Mutex::default(),
        }
    }

    fn answer(&self, address: &HeldAddress, present: bool) {
        self.post.takeover.send(Input::Kernel {
            address: address.ip,
            present,
            error: None,
        });
    }

    fn tell(&self, name: &str) {
        self.post.takeover.send(Input::Interface {
            name: name.to_owned(),
            up: true,
        });
    }
}

impl AddressKernel for Recorded {
    fn prepare(&self, places: Vec<HeldAddress>) {
        let interfaces = self.interfaces.lock();
        let mut interfaces = interfaces.unwrap_or_else(PoisonError::into_inner);
        let wanted: BTreeSet<String> = places.into_iter().map(|place| place.interface).collect();
        // One that was there keeps the state that a client may have given it.
        for name in wanted.difference(&interfaces) {
            self.tell(name);
        }
        *interfaces = wanted;
    }

    fn add(&self, address: HeldAddress, _: LeaseId) {
        self.answer(&address, true);
    }

    fn remove(&self, address: HeldAddress, _: Parting) {
        self.answer(&address, false);
    }

    fn announce(&self, _: HeldAddress) {}

    fn retell(&self) {
        let interfaces = self.interfaces.lock();
        let interfaces = interfaces.unwrap_or_else(PoisonError::into_inner);
        for name in interfaces.iter() {
            self.tell(name);
        }
        let alive = Some(LeaseId(1));
        self.post.tell_lease(alive);
    }

    fn lease_until(&self, _: Instant) {}

    fn end(&mut self) {}
}
