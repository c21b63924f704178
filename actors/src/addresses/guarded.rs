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
    held: BTreeMap<IpAddr, HeldAddress>,
    /// Those of them that are being taken off as they should.
    leaving: BTreeSet<IpAddr>,
    /// Those that somebody else was seen to take off, whether a renewal brought them back by now or not.
    missed: BTreeSet<IpAddr>,
    /// Those that were found missing before that was seen.
    foreseen: BTreeSet<IpAddr>,
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
        if !present && self.leaving.contains(&ip) {
            return true;
        }
        let here = self.is_held(interface, ip);
        let ours = here || self.public.contains(&ip);
        !ours || here == present
    }

    /// Whether the address is there.
    pub(super) fn is_held(&self, interface: &str, ip: IpAddr) -> bool {
        let held = self.held.get(&ip);
        held.is_some_and(|held| held.interface == interface)
    }

    /// The addresses that are here.
    pub(super) fn held(&self) -> impl Iterator<Item = &HeldAddress> {
        self.held.values()
    }

    /// The address is here now.
    pub(super) fn hold(&mut self, address: HeldAddress) {
        self.forget(address.ip);
        self.held.insert(address.ip, address);
    }

    /// The address is here no more.
    pub(super) fn forget(&mut self, ip: IpAddr) {
        self.held.remove(&ip);
        self.leaving.remove(&ip);
        self.missed.remove(&ip);
        self.foreseen.remove(&ip);
    }

    /// The addresses are about to be taken off.
    pub(super) fn leave(&mut self, addresses: &[HeldAddress]) {
        self.leaving
            .extend(addresses.iter().map(|address| address.ip));
    }

    /// The address could not be taken off.
    pub(super) fn stay(&mut self, ip: IpAddr) {
        self.leaving.remove(&ip);
    }

    /// Somebody else was seen to take an address off that is here.
    pub(super) fn seen_removed(&mut self, ip: IpAddr) {
        if !self.foreseen.remove(&ip) {
            self.missed.insert(ip);
        }
    }

    /// Which addresses somebody else took off since the last call: those that are not among `present`, and those that a
    /// renewal has silently brought back since. Each time counts once, whether it was seen before or is seen later.
    pub(super) fn take_missing(&mut self, present: &[HeldAddress]) -> Vec<HeldAddress> {
        let missed = std::mem::take(&mut self.missed);
        let is_missing = |held: &&HeldAddress| missed.contains(&held.ip) || !present.contains(held);
        let missing: Vec<_> = self.held.values().filter(is_missing).cloned().collect();
        let unseen = missing.iter().map(|held| held.ip);
        self.foreseen
            .extend(unseen.filter(|ip| !missed.contains(ip)));
        missing
    }

    /// Events were lost: what was seen and foreseen does not match any more.
    pub(super) fn lose_sight(&mut self) {
        self.missed.clear();
        self.foreseen.clear();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> HeldAddress {
        HeldAddress {
            ip: [10, 0, 0, last].into(),
            prefix_len: 24,
            interface: "eth1".into(),
            passive: false,
        }
    }

    fn two() -> (Guarded, [HeldAddress; 2]) {
        let all = [address(1), address(2)];
        let mut guarded = Guarded::default();
        guarded.want(all.to_vec());
        for one in &all {
            guarded.hold(one.clone());
        }
        (guarded, all)
    }

    #[test]
    fn an_address_that_a_renewal_brought_back_counts_as_missing_once() {
        let (mut guarded, all) = two();
        assert_eq!(guarded.take_missing(&all), []);
        guarded.seen_removed(all[0].ip);
        assert_eq!(guarded.take_missing(&all), all[..1]);
        assert_eq!(guarded.take_missing(&all), []);
    }

    #[test]
    fn what_is_found_missing_before_it_is_seen_counts_once() {
        let (mut guarded, all) = two();
        assert_eq!(guarded.take_missing(&all[1..]), all[..1]);
        guarded.seen_removed(all[0].ip);
        assert_eq!(guarded.take_missing(&all), []);
        guarded.seen_removed(all[0].ip);
        assert_eq!(guarded.take_missing(&all), all[..1], "another time");
    }

    #[test]
    fn what_leaves_as_it_should_is_expected_to_go() {
        let (mut guarded, all) = two();
        assert!(!guarded.expects("eth1", all[0].ip, false));
        guarded.leave(&all[..1]);
        assert!(guarded.expects("eth1", all[0].ip, false));
        assert!(guarded.expects("eth1", all[0].ip, true), "until it is gone");
        guarded.forget(all[0].ip);
        assert!(guarded.expects("eth1", all[0].ip, false));
        assert!(!guarded.expects("eth1", all[0].ip, true), "an intruder");
    }
}
