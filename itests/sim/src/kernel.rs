//! The kernel of one host: which public addresses it has, and for how long it answers for them.
//!
//! An address answers while it is present and the lease is not over. (The real gate is refreshed every 100 ms
//! and so may shut earlier, never later: this is the strictest reading of `actors/src/net/lease.rs`.)

use crate::clock::Micros;
use ctdb_protocol::takeover::io::LeaseId;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// See the module. It outlives the worker process.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    present: BTreeSet<IpAddr>,
    /// The end of the lease.
    until: Micros,
    /// The lease that the lease thread takes for alive.
    alive: Option<LeaseId>,
    leases: u64,
}

/// What the lease thread tells takeover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEvent {
    /// Over; the addresses are deleted.
    Expired,
    /// Alive again.
    Regained(LeaseId),
}

impl Kernel {
    /// Gives the lease a new end. A gap is never bridged: others may have taken over in it.
    pub fn extend(&mut self, until: Micros, now: Micros) -> Vec<LeaseEvent> {
        let mut events: Vec<LeaseEvent> = self.check(now).into_iter().collect();
        self.until = until;
        if now < until && self.alive.is_none() {
            self.leases += 1;
            let lease = LeaseId(self.leases);
            self.alive = Some(lease);
            events.push(LeaseEvent::Regained(lease));
        }
        events
    }

    /// The lease thread looks at the clock.
    pub fn check(&mut self, now: Micros) -> Option<LeaseEvent> {
        if now < self.until {
            return None;
        }
        self.alive.take()?;
        self.present.clear();
        Some(LeaseEvent::Expired)
    }

    /// The end of the lease.
    pub const fn until(&self) -> Micros {
        self.until
    }

    /// Adds an address; refused without the lease of the order.
    pub fn add(&mut self, address: IpAddr, lease: LeaseId, now: Micros) -> bool {
        let allowed = self.alive == Some(lease) && now < self.until;
        if allowed {
            self.present.insert(address);
        }
        allowed
    }

    /// Removes an address.
    pub fn remove(&mut self, address: IpAddr) {
        self.present.remove(&address);
    }

    /// The host or its worker is gone, and the addresses with it.
    pub fn clear(&mut self) {
        self.present.clear();
    }

    /// The worker is gone: nobody extends the lease.
    pub fn orphan(&mut self) {
        self.alive = None;
    }

    /// The addresses that answer at `now`; the gate is open `overrun` too long.
    pub fn answering(&self, now: Micros, overrun: Micros) -> impl Iterator<Item = IpAddr> + '_ {
        let open = now < self.until + overrun;
        self.present.iter().copied().filter(move |_| open)
    }
}
