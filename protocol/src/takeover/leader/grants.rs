//! Granting: from owners to takers.

use super::Leader;
use crate::id::Pnn;
use crate::takeover::cluster::Cluster;
use crate::time::Instant;
use alloc::vec::Vec;
use core::net::IpAddr;

impl Leader {
    /// Nodes that have certainly fallen silent hold nothing, and take nothing but by a new grant.
    pub(super) fn clear_silent(&mut self, now: Instant, cluster: &Cluster) {
        let silent: Vec<Pnn> = cluster
            .silent(now)
            .filter(|pnn| !self.cleared.contains(pnn))
            .collect();
        for pnn in silent {
            self.cleared.insert(pnn);
            self.reports.remove(&pnn);
            self.held.retain(|_, holders| {
                holders.remove(&pnn);
                !holders.is_empty()
            });
            for slot in self.slots.values_mut() {
                slot.suspects.remove(&pnn);
            }
        }
    }

    /// Grants every address that nobody but its owner can answer for.
    pub(super) fn grant(&mut self, cluster: &Cluster) {
        if self.waiting.is_empty() {
            return;
        }
        let unknown = cluster.others().any(|pnn| {
            pnn != self.own && !self.reports.contains_key(&pnn) && !self.cleared.contains(&pnn)
        });
        let free: Vec<IpAddr> = self
            .waiting
            .iter()
            .filter(|address| self.is_free(**address, unknown))
            .copied()
            .collect();
        for address in free {
            self.waiting.remove(&address);
            if let Some(slot) = self.slots.get_mut(&address) {
                slot.granted = true;
                slot.suspects.clear();
                self.unsent = true;
            }
        }
    }

    fn is_free(&self, address: IpAddr, unknown: bool) -> bool {
        let Some((slot, owner)) = self
            .slots
            .get(&address)
            .and_then(|slot| Some((slot, slot.owner?)))
        else {
            return false;
        };
        let holders = self.held.get(&address);
        if holders.is_some_and(|holders| holders.iter().any(|pnn| *pnn != owner)) {
            return false;
        }
        let suspected = slot
            .suspects
            .iter()
            .any(|(pnn, withdrawn)| *pnn != owner && !self.has_given_up(*pnn, *withdrawn));
        // What the owner holds for certain nobody else can hold, whoever has not reported yet.
        let has_it = self
            .reports
            .get(&owner)
            .and_then(|reported| reported.addresses.get(&address))
            .is_some_and(|known| known.held && known.settled);
        !suspected && (has_it || !unknown)
    }

    /// Whether a former owner knows that it is none any more (that it holds the address was asked before).
    fn has_given_up(&self, pnn: Pnn, withdrawn: u64) -> bool {
        self.cleared.contains(&pnn)
            || self
                .reports
                .get(&pnn)
                .is_some_and(|reported| reported.sequence >= withdrawn)
    }
}
