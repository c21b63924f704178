//! Addresses and leases: orders to the kernels, the lease threads, and who answers for what.

use crate::clock::{MS, Micros, SEC};
use crate::event::{Event, Job, Mail, Work};
use crate::kernel::LeaseEvent;
use crate::sabotage::Sabotage;
use crate::world::{World, address_number};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::takeover;
use std::net::IpAddr;

/// The gate of [`Sabotage::GateOutlivesLease`] stays open so much too long.
const OVERRUN: Micros = 3 * SEC;

impl World {
    pub(crate) fn overrun(&self) -> Micros {
        let planted = self.bench.options.sabotage == Some(Sabotage::GateOutlivesLease);
        if planted { OVERRUN } else { 0 }
    }

    pub(crate) fn extend_lease(&mut self, pnn: Pnn, until: ctdb_protocol::time::Instant) {
        let now = self.bench.now;
        let node = &mut self.nodes[pnn.0 as usize];
        let Some(process) = node.process.as_ref() else {
            return;
        };
        let until = process.clock.world(until);
        let life = process.life;
        let events = node.kernel.extend(until, now);
        let late = self.bench.between(0, 3 * MS);
        self.bench.at(
            until + late,
            Event::Work {
                node: pnn,
                life,
                work: Work::LeaseCheck,
            },
        );
        for event in events {
            self.tell_lease(pnn, event);
        }
        self.check_addresses();
    }

    pub(crate) fn lease_check(&mut self, pnn: Pnn) {
        let now = self.bench.now;
        let event = self.nodes[pnn.0 as usize].kernel.check(now);
        if let Some(event) = event {
            self.tell_lease(pnn, event);
        }
    }

    pub(crate) fn tell_lease(&mut self, pnn: Pnn, event: LeaseEvent) {
        let now = self.bench.now;
        self.bench
            .trace
            .line(now, Some(pnn), || format!("lease {event:?}"));
        let alive = match event {
            LeaseEvent::Regained(lease) => Some(lease),
            LeaseEvent::Expired => None,
        };
        self.bench.census.count(if alive.is_some() {
            "lease.regained"
        } else {
            "lease.expired"
        });
        self.post(pnn, Mail::Takeover(takeover::io::Input::Lease { alive }));
    }

    pub(crate) fn order_kernel(&mut self, pnn: Pnn, job: Job) {
        let wait = self.bench.between(200, 8 * MS) + self.bench.rng.below(self.kernel_slow + 1);
        let now = self.bench.now;
        let Some(process) = self.nodes[pnn.0 as usize].process.as_mut() else {
            return;
        };
        let at = process.kernel_last.max(now + wait);
        process.kernel_last = at;
        let life = process.life;
        self.bench.at(
            at,
            Event::Work {
                node: pnn,
                life,
                work: Work::Kernel(job),
            },
        );
    }

    pub(crate) fn kernel_job(&mut self, pnn: Pnn, job: Job) {
        let now = self.bench.now;
        let fails = self.kernel_fails && self.bench.one_in(3);
        let lost = self.bench.options.sabotage == Some(Sabotage::LostAddition);
        let kernel = &mut self.nodes[pnn.0 as usize].kernel;
        let (address, present) = match job {
            Job::Add(address, _) if fails => (address, false),
            Job::Add(address, _) if lost && address == address_number(0) => (address, true),
            Job::Add(address, lease) => (address, kernel.add(address, lease, now)),
            Job::Remove(address) if fails => (address, true),
            Job::Remove(address) => {
                kernel.remove(address);
                (address, false)
            }
        };
        let refused = matches!(job, Job::Add(..)) && !present && !fails;
        if refused {
            self.bench.census.count("takeover.hold_refused");
        }
        let error = (fails || refused).then(|| String::from("the kernel refused"));
        self.bench.trace.line(now, Some(pnn), || {
            format!("kernel {job:?} present {present}")
        });
        self.post(
            pnn,
            Mail::Takeover(takeover::io::Input::Kernel {
                address,
                present,
                error,
            }),
        );
        self.check_addresses();
    }

    /// Looks for an address that two nodes answer for.
    pub(crate) fn check_addresses(&mut self) {
        let (now, overrun) = (self.bench.now, self.overrun());
        let answering = self.nodes.iter().flat_map(|node| {
            node.kernel
                .answering(now, overrun)
                .map(|address| (address, node.pnn))
        });
        self.watch.addresses(now, answering);
    }

    /// Who answers for which address now.
    pub(crate) fn answering(&self) -> Vec<(IpAddr, Pnn)> {
        let (now, overrun) = (self.bench.now, self.overrun());
        let nodes = self.nodes.iter();
        nodes
            .flat_map(|node| {
                node.kernel
                    .answering(now, overrun)
                    .map(|address| (address, node.pnn))
            })
            .collect()
    }
}
