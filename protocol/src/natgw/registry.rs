//! The part of the cluster's leader: it grants an address to one node at a time.
//!
//! Invariant: an address is granted only when each other node has said, after whatever it was granted itself, that it
//! does not hold it, or has certainly fallen silent. What was said to an earlier leadership does not count.

use super::message::NatgwMessage;
use crate::id::{Pnn, Term};
use crate::takeover::cluster::Cluster;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// A wish that was not repeated for so long is given up.
const WANTED: Duration = Duration::from_millis(1_500);
/// Between two questions to a node that has not answered as hoped.
const ASK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Wish {
    lease: u64,
    until: Instant,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Registry {
    own: Pnn,
    pub(super) term: Term,
    /// Number of the last question.
    number: u64,
    /// What each node said last, and which question it answered.
    said: BTreeMap<Pnn, (u64, Option<IpAddr>)>,
    /// The newest grants of each address to nodes that may still hold it, with the number of the last question before.
    granted: BTreeMap<(IpAddr, Pnn), u64>,
    wishes: BTreeMap<(IpAddr, Pnn), Wish>,
    ask_at: Instant,
}

impl Registry {
    pub(super) const fn new(own: Pnn, term: Term) -> Self {
        Self {
            own,
            term,
            number: 0,
            said: BTreeMap::new(),
            granted: BTreeMap::new(),
            wishes: BTreeMap::new(),
            ask_at: Instant::ZERO,
        }
    }

    pub(super) fn want(&mut self, now: Instant, peer: Pnn, lease: u64, address: IpAddr) {
        let until = now + WANTED;
        self.wishes.insert((address, peer), Wish { lease, until });
    }

    pub(super) fn held(&mut self, peer: Pnn, number: u64, address: Option<IpAddr>) {
        self.said.insert(peer, (number, address));
        self.granted
            .retain(|(granted, to), at| *to != peer || address == Some(*granted) || number <= *at);
    }

    /// Grants what can be granted, and asks those who stand in the way; `own_held` is this node's own answer.
    pub(super) fn work(
        &mut self,
        now: Instant,
        cluster: &Cluster,
        own_held: Option<IpAddr>,
    ) -> Vec<(Pnn, NatgwMessage)> {
        self.wishes.retain(|_, wish| wish.until > now);
        let silent: BTreeSet<Pnn> = cluster.silent(now).collect();
        for peer in &silent {
            self.said.remove(peer);
            self.granted.retain(|(_, to), _| to != peer);
            self.wishes.retain(|(_, by), _| by != peer);
        }
        let (mut out, mut asked) = (Vec::new(), BTreeSet::new());
        let wanted: Vec<(IpAddr, Pnn)> = self.wishes.keys().copied().collect();
        for (address, by) in wanted {
            let all = cluster
                .others()
                .chain([self.own])
                .filter(|peer| *peer != by);
            let in_the_way: Vec<Pnn> = all
                .filter(|peer| !silent.contains(peer))
                .filter(|peer| self.may_hold(*peer, address, own_held))
                .collect();
            if in_the_way.is_empty() {
                out.extend(self.grant(address, by));
            } else {
                asked.extend(in_the_way);
            }
        }
        asked.remove(&self.own);
        if !asked.is_empty() && self.ask_at <= now {
            self.ask_at = now + ASK_AGAIN;
            self.number += 1;
            let (term, number) = (self.term, self.number);
            out.extend(
                asked
                    .into_iter()
                    .map(|peer| (peer, NatgwMessage::Ask { term, number })),
            );
        }
        out
    }

    fn may_hold(&self, peer: Pnn, address: IpAddr, own_held: Option<IpAddr>) -> bool {
        if self.granted.contains_key(&(address, peer)) {
            return true;
        }
        if peer == self.own {
            return own_held == Some(address);
        }
        self.said
            .get(&peer)
            .is_none_or(|(_, held)| *held == Some(address))
    }

    fn grant(&mut self, address: IpAddr, to: Pnn) -> Option<(Pnn, NatgwMessage)> {
        let lease = self.wishes.remove(&(address, to))?.lease;
        // What this node itself does with it is known at once.
        if to != self.own {
            self.granted.insert((address, to), self.number);
        }
        let term = self.term;
        let grant = NatgwMessage::Grant {
            term,
            lease,
            address,
        };
        Some((to, grant))
    }

    pub(super) fn deadline(&self, now: Instant, cluster: &Cluster) -> Option<Instant> {
        if self.wishes.is_empty() {
            return None;
        }
        let silence = cluster.next_silence(now).unwrap_or(Instant::FAR);
        Some(self.ask_at.max(now).min(silence))
    }
}
