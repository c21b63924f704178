//! Planning: from reports to owners.

use super::runs::Run;
use super::{Leader, REPORTS_WAIT};
use crate::id::Pnn;
use crate::limits::ADDRESSES_MAX;
use crate::lvs::choice;
use crate::machine::Effects;
use crate::notice::Notice;
use crate::takeover::alloc::{self, AddressState, Plan};
use crate::takeover::cluster::Cluster;
use crate::takeover::io::{Effect, Kind, Settings};
use crate::takeover::message::KnownAddress;
use crate::time::Instant;
use ::alloc::collections::{BTreeMap, BTreeSet};
use ::alloc::string::String;
use ::alloc::vec::Vec;
use core::net::IpAddr;

impl Leader {
    pub(super) fn plan_if_due(
        &mut self,
        now: Instant,
        cluster: &Cluster,
        settings: Settings,
        out: &mut Effects<Effect>,
    ) {
        if !self.plan_pace.take(now) {
            return;
        }
        let late = self.began + REPORTS_WAIT;
        if !self.planned && now < late && !self.all_reported(cluster) {
            self.plan_pace.want_at(late);
            return;
        }
        self.planned = true;
        let input = self.input(cluster, settings);
        let someone = input
            .addresses
            .values()
            .any(|state| state.current.is_some() || !state.able.is_empty());
        let mut plan = alloc::plan(settings.algorithm, &input);
        plan.extend(self.lvs(cluster));
        let moved = self.carry_over(&plan);
        self.note_unhosted(someone, out);
        self.note_run(now, moved, out);
    }

    fn all_reported(&self, cluster: &Cluster) -> bool {
        self.reports.contains_key(&self.own)
            && cluster.others().all(|pnn| {
                // A report may overtake the view that shows its sender to follow.
                let told = self.reports.contains_key(&pnn) && cluster.follows(pnn);
                !cluster.is_connected(pnn) || told
            })
    }

    fn input(&self, cluster: &Cluster, settings: Settings) -> alloc::Input {
        let mut input = alloc::Input {
            nodes: cluster.size() as u32,
            no_ip_failback: settings.no_ip_failback,
            no_ip_takeover: settings.no_ip_takeover,
            ..alloc::Input::default()
        };
        let fit = cluster.fit();
        let mut homes = BTreeMap::new();
        for (pnn, reported) in &self.reports {
            if !cluster.follows(*pnn) {
                continue;
            }
            let public = |known: &&KnownAddress| known.kind == Kind::Public;
            for known in reported.addresses.values().filter(public) {
                if input.addresses.len() >= ADDRESSES_MAX
                    && !input.addresses.contains_key(&known.address)
                {
                    continue;
                }
                let state = input.addresses.entry(known.address).or_default();
                if known.available && fit.contains(pnn) {
                    state.able.insert(*pnn);
                    let gave_up =
                        settings.no_ip_takeover && self.is_nobodys(known, reported.sequence);
                    if self.is_home(known, reported.sequence) && !gave_up {
                        homes.entry(known.address).or_insert(*pnn);
                    }
                }
            }
        }
        self.add_damped(cluster, &mut input, &mut homes);
        for (address, state) in &mut input.addresses {
            let home = homes.get(address).copied();
            state.current = self.current(*address, state, home, cluster);
        }
        input
    }

    /// What no fit node may host a node may that nothing but the damping of its health holds back: clients that are
    /// moved to and fro are better off than clients of nobody.
    fn add_damped(
        &self,
        cluster: &Cluster,
        input: &mut alloc::Input,
        homes: &mut BTreeMap<IpAddr, Pnn>,
    ) {
        let damped = cluster.damped();
        let unserved = |(_, state): &(&IpAddr, &AddressState)| state.able.is_empty();
        let unserved: BTreeSet<IpAddr> = input
            .addresses
            .iter()
            .filter(unserved)
            .map(|(address, _)| *address)
            .collect();
        for (pnn, reported) in self.reports.iter().filter(|(pnn, _)| damped.contains(pnn)) {
            let able = reported.addresses.values().filter(|known| {
                known.available && known.kind == Kind::Public && unserved.contains(&known.address)
            });
            for known in able {
                let state = input.addresses.entry(known.address).or_default();
                state.able.insert(*pnn);
                if self.is_home(known, reported.sequence) {
                    homes.entry(known.address).or_insert(*pnn);
                }
            }
        }
    }

    /// Whether a node that has seen no newer plan than `sequence` had the address last.
    fn is_home(&self, known: &KnownAddress, sequence: u64) -> bool {
        known.home && sequence < self.given_at(known.address)
    }

    /// Whether a node that has seen the plan of that number was told that nobody is to have the address.
    fn is_nobodys(&self, known: &KnownAddress, sequence: u64) -> bool {
        let slot = self.slots.get(&known.address);
        slot.is_some_and(|slot| slot.owner.is_none() && sequence >= slot.since)
    }

    /// Who shall hold the LVS addresses: of the nodes that may lead the group the one that the group's nodes choose too.
    fn lvs(&self, cluster: &Cluster) -> Plan {
        let mut able: BTreeMap<IpAddr, BTreeSet<Pnn>> = BTreeMap::new();
        let usable = cluster.usable();
        for (pnn, reported) in &self.reports {
            for known in reported.addresses.values() {
                if known.kind == Kind::Lvs {
                    let able = able.entry(known.address).or_default();
                    if known.available && usable.contains(pnn) {
                        able.insert(*pnn);
                    }
                }
            }
        }
        let first = |nodes: BTreeSet<Pnn>| {
            let nodes = choice::usable(nodes.into_iter(), |pnn| cluster.flags(pnn));
            nodes.first().copied()
        };
        able.into_iter()
            .map(|(address, nodes)| (address, first(nodes)))
            .collect()
    }

    /// Number of the plan that gave the address to its owner: who has not seen it does not know of that.
    fn given_at(&self, address: IpAddr) -> u64 {
        self.slots
            .get(&address)
            .filter(|slot| slot.owner.is_some())
            .map_or(u64::MAX, |slot| slot.since)
    }

    /// Where an address is at home: at the owner to which it was granted; else at a node that holds it, or had
    /// it last (`home`), and has not been told to give it up; else at the owner of the present plan.
    fn current(
        &self,
        address: IpAddr,
        state: &AddressState,
        home: Option<Pnn>,
        cluster: &Cluster,
    ) -> Option<Pnn> {
        let slot = self.slots.get(&address).filter(|slot| slot.owner.is_some());
        if let Some(slot) = slot
            && slot.granted
        {
            return slot.owner;
        }
        let given_at = self.given_at(address);
        let holder = self.held.get(&address).and_then(|holders| {
            let untold = |pnn: &&Pnn| {
                cluster.follows(**pnn)
                    && self
                        .reports
                        .get(*pnn)
                        .is_some_and(|reported| reported.sequence < given_at)
            };
            // Of several a fit one: the others are about to give it up.
            let fit = holders
                .iter()
                .filter(untold)
                .find(|pnn| state.able.contains(pnn));
            fit.or_else(|| holders.iter().find(untold)).copied()
        });
        holder.or(home).or_else(|| slot.and_then(|slot| slot.owner))
    }

    /// Puts the plan into the slots. Returns how many addresses get another home.
    fn carry_over(&mut self, plan: &Plan) -> u32 {
        let mut moved = 0;
        for (address, owner) in plan {
            if self.assign(*address, *owner) {
                moved += 1;
            }
        }
        let unknown: Vec<IpAddr> = self
            .slots
            .keys()
            .filter(|address| !plan.contains_key(*address))
            .copied()
            .collect();
        for address in unknown {
            self.assign(address, None);
            // Who was granted it may hold it still; that must not be forgotten.
            if self
                .slots
                .get(&address)
                .is_some_and(|slot| slot.suspects.is_empty())
            {
                self.slots.remove(&address);
                self.unsent = true;
            }
        }
        moved
    }

    /// Whether the address gets another home.
    pub(super) fn assign(&mut self, address: IpAddr, owner: Option<Pnn>) -> bool {
        let next = self.sequence + 1;
        let fresh = !self.slots.contains_key(&address);
        let slot = self.slots.entry(address).or_default();
        if slot.owner == owner && !fresh {
            return false;
        }
        self.unsent = true;
        if let Some(old) = slot.owner
            && slot.granted
        {
            slot.suspects.insert(old, next);
        }
        slot.owner = owner;
        slot.granted = false;
        slot.since = next;
        if owner.is_some() {
            self.waiting.insert(address);
        } else {
            self.waiting.remove(&address);
        }
        let held_by_owner = owner.is_some_and(|owner| {
            self.held
                .get(&address)
                .is_some_and(|holders| holders.contains(&owner))
        });
        owner.is_some() && !held_by_owner
    }

    /// Logs addresses that nobody can host any more, unless no node can host any at all.
    fn note_unhosted(&mut self, someone: bool, out: &mut Effects<Effect>) {
        for (address, slot) in &self.slots {
            if slot.owner.is_some() {
                self.unhosted.remove(address);
            } else if someone && self.unhosted.insert(*address) {
                out.push(Effect::Log(Notice::AddressUnhosted { address: *address }));
            }
        }
        let slots = &self.slots;
        self.unhosted.retain(|address| slots.contains_key(address));
    }

    fn note_run(&mut self, now: Instant, moved: u32, out: &mut Effects<Effect>) {
        self.untold = true;
        let reason = self
            .reason
            .take()
            .unwrap_or_else(|| String::from("this node became leader"));
        if let Some(run) = &mut self.run {
            run.moved += moved;
        } else if moved > 0 {
            self.run = Some(Run { since: now, moved });
            out.push(Effect::Log(Notice::TakeoverStarted { reason }));
        }
    }
}
