//! The kernel and the leases: slow operations that fail, and who answers for what.

use super::{Addition, Event, World, ms};
use crate::takeover::io::{Input, LeaseId};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

impl World {
    pub(super) fn operate(
        &mut self,
        node: usize,
        life: u64,
        address: IpAddr,
        add: Option<Addition>,
    ) {
        let after = self.micros(300, 30_000);
        self.at(after, Event::Kernel(node, life, address, add));
    }

    pub(super) fn kernel(&mut self, pnn: usize, life: u64, address: IpAddr, add: Option<Addition>) {
        if self.nodes[pnn].life != life || !self.nodes[pnn].alive {
            return;
        }
        let alive = self.nodes[pnn].lease;
        let is_late = add.as_ref().is_some_and(|(_, lease)| alive != Some(*lease));
        let failed = is_late || self.rng.below(100) < self.failures;
        let error = failed.then(|| String::from("the kernel would not"));
        if !failed {
            match add {
                Some((interface, _)) => self.nodes[pnn].kernel.insert(address, interface),
                None => self.nodes[pnn].kernel.remove(&address),
            };
        }
        let present = self.nodes[pnn].kernel.contains_key(&address);
        self.feed(
            pnn,
            Input::Kernel {
                address,
                present,
                error,
            },
        );
    }

    pub(super) fn tick(&mut self) {
        self.at(ms(20), Event::Tick);
        for pnn in 0..self.nodes.len() {
            let leader = self.leader.filter(|leader| self.linked(*leader, pnn));
            if let Some(leader) = leader
                && self.follows(pnn, leader)
                // A leader lends to whom it hears, and says first that it does.
                && !self.nodes[leader].lost.contains(&pnn)
            {
                let lasts = self.micros(800_000, 1_200_000);
                let until = self.now + lasts;
                let node = &mut self.nodes[pnn];
                node.contact = self.now;
                if node.lease.is_some() {
                    node.lease_until = until;
                } else if node.may_regain() {
                    node.leases += 1;
                    let alive = Some(LeaseId(node.leases));
                    node.lease = alive;
                    node.lease_until = until;
                    self.feed(pnn, Input::Lease { alive });
                }
            }
            let node = &mut self.nodes[pnn];
            if node.lease.is_some() && node.lease_until <= self.now + ms(20) {
                // The keeper shuts the gate, and it stays shut while there is no lease.
                node.lease = None;
                node.lease_until = self.now;
                self.feed(pnn, Input::Lease { alive: None });
            }
        }
    }

    /// Whether the node answers for the address.
    pub(in super::super) fn answers(&self, pnn: usize, address: IpAddr) -> bool {
        let node = &self.nodes[pnn];
        // A dead node's gate shuts by itself.
        node.kernel.contains_key(&address) && self.now < node.lease_until
    }

    pub(in super::super) fn holders(&self, address: IpAddr) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|pnn| self.answers(*pnn, address))
            .collect()
    }

    pub(super) fn check(&mut self) {
        for address in &self.addresses {
            if self.holders(*address).len() > 1 {
                self.doubles += 1;
            }
        }
    }

    pub(in super::super) fn homes(&self) -> BTreeMap<IpAddr, Vec<usize>> {
        self.addresses
            .iter()
            .map(|address| (*address, self.holders(*address)))
            .collect()
    }

    pub(in super::super) fn set_interface(&mut self, pnn: usize, name: &str, up: bool) {
        self.nodes[pnn].interfaces.insert(name.into(), up);
        let name = name.into();
        self.feed(pnn, Input::Interface { name, up });
    }
}
