//! The public addresses as they should be on this node's interfaces.

use crate::net::address::HeldAddress;
use crate::net::gate::GateConfig;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What the gate guards: all places that addresses may be put on, and those where some still are.
#[derive(Default)]
pub(super) struct Guarded {
    wanted: Vec<HeldAddress>,
    /// Their addresses.
    public: BTreeSet<IpAddr>,
    /// The addresses that are here, by what was asked for.
    pub(super) held: BTreeMap<IpAddr, HeldAddress>,
}

impl Guarded {
    /// These are the places from now on.
    pub(super) fn want(&mut self, places: Vec<HeldAddress>) {
        self.public = places.iter().map(|place| place.ip).collect();
        self.wanted = places;
    }

    /// Whether that address on that interface is as it should be.
    pub(super) fn expects(&self, interface: &str, ip: IpAddr, present: bool) -> bool {
        // On loopback all nodes of an LVS group have its address; the LVS duty puts it there.
        if interface == "lo"
            && self
                .wanted
                .iter()
                .any(|place| place.passive && place.ip == ip)
        {
            return true;
        }
        let held = self.held.get(&ip);
        let here = held.is_some_and(|held| held.interface == interface);
        let ours = here || self.public.contains(&ip);
        !ours || here == present
    }

    /// Whether the address may be put there.
    pub(super) fn is_wanted(&self, place: &HeldAddress) -> bool {
        self.wanted.contains(place)
    }

    /// For the gate.
    pub(super) fn config(&self) -> GateConfig {
        let places = || self.wanted.iter().chain(self.held.values());
        let interfaces: BTreeSet<&String> = places().map(|place| &place.interface).collect();
        let addresses: BTreeSet<IpAddr> = places().map(|place| place.ip).collect();
        GateConfig {
            interfaces: interfaces.into_iter().cloned().collect(),
            addresses: addresses.into_iter().collect(),
        }
    }
}
