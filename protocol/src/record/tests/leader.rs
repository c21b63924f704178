//! The leader of the world, and what befalls the nodes.

use super::world::{DB, Leader, Node, World, counter, rsn};
use crate::id::{Generation, Pnn};
use crate::membership::io::Recover;
use crate::membership::message::{Composition, DbInfo, Scope};
use crate::membership::vnnmap::{self, SlotNode};
use crate::record::io::Input;
use crate::wire::bytes::Bytes;
use crate::wire::message::DbKind;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

impl World {
    /// The leader begins a recovery with all who live; stale nodes come back without their records.
    pub(super) fn recover(&mut self) {
        let members = |world: &Self, wanted: &dyn Fn(&Node) -> bool| -> Vec<Pnn> {
            let nodes = world.nodes.iter().enumerate();
            nodes
                .filter(|(_, node)| wanted(node))
                .map(|(pnn, _)| Pnn(pnn as u32))
                .collect()
        };
        self.contributors = members(self, &|node| node.alive && !node.stale);
        self.begin(members(self, &|node| node.alive));
    }

    pub(super) fn begin(&mut self, members: Vec<Pnn>) {
        let vnnmap = self.plan(&members);
        self.composition = Composition {
            generation: Generation::new(self.composition.generation.number + 1, 0),
            members,
            vnnmap,
        };
        self.prepared.clear();
        self.ready.clear();
        self.whole.clear();
        self.leader = Leader::Preparing;
        self.order(&Recover::Prepare(self.composition.clone()));
    }

    /// Not every member need be lmaster; slots keep their place mostly, as they really do.
    fn plan(&mut self, members: &[Pnn]) -> Vec<Pnn> {
        if self.rng.chance(1, 4) {
            let lmasters = 1 + self.rng.below(members.len() as u64) as usize;
            return members[..lmasters].to_vec();
        }
        let slots: Vec<SlotNode> = (0..self.nodes.len())
            .map(|_| SlotNode {
                deleted: false,
                lmaster: true,
            })
            .collect();
        vnnmap::plan(&slots, members, members[0])
    }

    pub(super) fn order(&mut self, order: &Recover) {
        for member in &self.composition.members {
            self.nodes[member.0 as usize]
                .control
                .push_back(order.clone());
        }
    }

    /// A node leaves in the middle of the work, comes back with the next recovery, and everything comes to rest.
    pub(super) fn one_leaves_and_returns(&mut self) {
        for _ in 0..self.rng.below(400) {
            self.step();
        }
        let left = self.rng.below(self.nodes.len() as u64) as usize;
        self.suspend(left);
        for _ in 0..self.rng.below(800) {
            self.step();
        }
        self.recover();
        self.settle();
    }

    /// Three recoveries in the middle of the work, some after the death of a node; then everything comes to rest.
    pub(super) fn recoveries_and_deaths(&mut self) {
        for _ in 0..3 {
            for _ in 0..self.rng.below(500) {
                self.step();
            }
            let dead = self.rng.below(self.nodes.len() as u64) as usize;
            let alive = self.nodes.iter().filter(|node| node.alive).count();
            if self.rng.chance(1, 3) && self.nodes[dead].alive && alive > 1 {
                self.kill(dead);
                for _ in 0..self.rng.below(100) {
                    self.step();
                }
            }
            self.recover();
        }
        self.settle();
    }

    /// A node leaves the composition with its records; the others go on without it.
    pub(super) fn suspend(&mut self, node: usize) {
        self.nodes[node].control.clear();
        self.feed(node, Input::Recover(Recover::Suspend));
        self.nodes[node].stale = true;
        self.widen();
        let is_in = |pnn: &usize| self.nodes[*pnn].alive && !self.nodes[*pnn].stale;
        let members: Vec<Pnn> = (0..self.nodes.len())
            .filter(is_in)
            .map(|pnn| Pnn(pnn as u32))
            .collect();
        self.contributors.clone_from(&members);
        self.begin(members);
    }

    /// A node dies with its store.
    pub(super) fn kill(&mut self, node: usize) {
        let dead = &mut self.nodes[node];
        dead.alive = false;
        dead.store.clear();
        dead.control.clear();
        self.clients.retain(|client| client.node != node);
        let gone = Pnn(node as u32);
        self.links
            .retain(|(from, to), _| *from != gone && *to != gone);
        self.widen();
        for peer in 0..self.nodes.len() {
            if self.nodes[peer].alive {
                self.feed(peer, Input::PeerDown { peer: gone });
            }
        }
    }

    /// What only a lost node knew may be gone: the newest copy of the others is the least to be seen.
    pub(super) fn widen(&mut self) {
        let dmasters: BTreeMap<Bytes, Vec<usize>> = self
            .allowed
            .keys()
            .map(|key| (key.clone(), self.dmasters(key)))
            .collect();
        let owners = |key: &Bytes| &dmasters[key];
        for (key, (low, high)) in &mut self.allowed {
            let in_force = self.nodes.iter().filter(|node| node.alive && !node.stale);
            let copies: Vec<&Vec<u8>> = in_force.filter_map(|node| node.store.get(key)).collect();
            let newest = copies.iter().max_by_key(|value| rsn(value));
            *low = newest.map_or(0, |value| counter(value)).min(*low);
            if self.deletes_in_ten > 0 && owners(key).is_empty() {
                // It was emptied there once, perhaps, and orders to delete the older copies are under way still.
                *low = 0;
            }
            // That it was emptied may be forgotten too.
            let highest = copies.iter().map(|value| counter(value)).max();
            *high = highest.unwrap_or(0).max(*high);
        }
    }

    pub(super) fn on_order(&mut self, node: usize, order: Recover) {
        match &order {
            Recover::Prepare(composition)
                if composition.generation == self.composition.generation =>
            {
                self.prepared.insert(node);
            }
            Recover::Serve { generation, .. } if *generation == self.composition.generation => {
                self.nodes[node].stale = false;
            }
            _ => {}
        }
        self.feed(node, Input::Recover(order));
    }

    /// What was served to its end is gone on with, mostly; a rebuild that was begun must not be.
    fn scope(&mut self) -> Scope {
        let before = self.before.take();
        let whole = self.rng.chance(1, 4) || self.is_thorough;
        let served = |before: &Composition| {
            let mut stayers = self.contributors.iter();
            !whole && stayers.all(|pnn| before.members.contains(pnn))
        };
        before.filter(served).map_or(Scope::Whole, Scope::Touched)
    }

    /// The leader's part.
    pub(super) fn lead(&mut self) {
        let generation = self.composition.generation;
        let lmasters = self.composition.vnnmap.clone();
        let have_all_lmasters =
            |nodes: &BTreeSet<Pnn>| lmasters.iter().all(|pnn| nodes.contains(pnn));
        match self.leader {
            Leader::Preparing if self.prepared.len() == self.composition.members.len() => {
                self.leader = Leader::Rebuilding;
                if self.nodes.iter().any(|node| node.alive && node.stale) {
                    // What it had said before it left was heard until now: that older copies be deleted, say.
                    self.widen();
                }
                let scope = self.scope();
                self.touched += u32::from(scope != Scope::Whole);
                self.order(&Recover::Rebuild {
                    generation,
                    contributors: self.contributors.clone(),
                    scope,
                    databases: vec![DbInfo {
                        id: DB,
                        name: "counters.tdb".to_string(),
                        kind: DbKind::Volatile,
                    }],
                });
            }
            Leader::Rebuilding if have_all_lmasters(&self.ready) => {
                self.leader = Leader::Serving;
                self.order(&Recover::Serve { generation, db: DB });
            }
            Leader::Serving if have_all_lmasters(&self.whole) => {
                self.leader = Leader::Committing;
                self.order(&Recover::Commit { generation });
            }
            Leader::Committing
                if self
                    .nodes
                    .iter()
                    .all(|node| !node.alive || node.control.is_empty()) =>
            {
                self.leader = Leader::Resting;
                self.commits += 1;
                self.before = Some(self.composition.clone());
            }
            _ => {}
        }
    }
}
