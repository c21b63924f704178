//! The planners against the rules as worded (`naive`), on inputs of a seeded generator.

use alloc::collections::BTreeSet;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;

const ALGORITHMS: [Algorithm; 3] = [
    Algorithm::Deterministic,
    Algorithm::Nondeterministic,
    Algorithm::Lcp2,
];

/// `SplitMix64`: a documented generator, so that a seed names its case for good.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u32) -> u32 {
        (self.next() % u64::from(end)) as u32
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// Mostly dense subnets, where ties are frequent; some IPv6, if there shall be several networks.
    fn address(&mut self, several: bool) -> IpAddr {
        let host = self.next() as u8 % 64;
        match self.below(8).max(if several { 0 } else { 2 }) {
            0 => Ipv6Addr::new(0x2001, 0xdb8, 0, self.below(3) as u16, 0, 0, 0, host.into()).into(),
            1 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, self.next() as u16, host.into()).into(),
            2 => Ipv4Addr::from_bits(self.next() as u32).into(),
            subnet => Ipv4Addr::new(10, 1, subnet as u8 / 2, host).into(),
        }
    }

    /// A cluster: groups of nodes with addresses of their own, some nodes down, holders from
    /// one to all nodes so that the others are targets, sometimes pnns that do not exist.
    fn input(&mut self, most_addresses: u32) -> Input {
        let nodes = 1 + self.below(7);
        let down: BTreeSet<u32> = (0..nodes).filter(|_| self.chance(20)).collect();
        let (split, unheld, holders) =
            (self.chance(40), self.below(101), 1 + self.below(nodes + 1));
        let mut input = Input {
            nodes,
            no_ip_failback: self.chance(15),
            no_ip_takeover: self.chance(10),
            ..Input::default()
        };
        let several = self.chance(50);
        for _ in 0..=self.below(most_addresses) {
            let address = self.address(several);
            let able = |node: &u32| {
                !down.contains(node) && (!split || node % 2 == u32::from(address.is_ipv4()))
            };
            let mut able: BTreeSet<Pnn> = (0..nodes).filter(able).map(Pnn).collect();
            if self.chance(5) {
                able.insert(Pnn(self.below(nodes + 2)));
            }
            let holder = self.below(holders);
            let current = (!self.chance(unheld)).then_some(Pnn(holder));
            input
                .addresses
                .insert(address, AddressState { current, able });
            if self.chance(10) {
                input.home_nodes.insert(address, Pnn(self.below(nodes + 1)));
            }
        }
        if self.chance(40) {
            input.force_rebalance = (0..=nodes).filter(|_| self.chance(50)).map(Pnn).collect();
        }
        input
    }
}

fn compare(seed: u64, most_addresses: u32) {
    let input = Random(seed).input(most_addresses);
    for algorithm in ALGORITHMS {
        let expected = naive::plan(algorithm, &input);
        assert_eq!(
            plan(algorithm, &input),
            expected,
            "seed {seed}, {algorithm:?}, {input:?}"
        );
    }
}

#[test]
fn plans_as_the_rules_say_on_small_clusters() {
    for seed in 0..3000 {
        compare(seed, 24);
    }
}

#[test]
fn plans_as_the_rules_say_with_many_addresses() {
    for seed in 0..40 {
        compare(1_000_000 + seed, 90);
    }
}

#[test]
fn takes_numbers_without_a_meaning_for_lcp2() {
    let meanings = [0, 1, 2, 3, u32::MAX].map(Algorithm::from_tunable);
    let [deterministic, nondeterministic, lcp2] = ALGORITHMS;
    assert_eq!(
        meanings,
        [deterministic, nondeterministic, lcp2, lcp2, lcp2]
    );
}

#[test]
fn plans_nothing_without_nodes_or_addresses() {
    let state = AddressState {
        current: Some(Pnn(0)),
        able: BTreeSet::from([Pnn(0)]),
    };
    let address = IpAddr::from([10, 0, 0, 1]);
    let no_nodes = Input {
        addresses: [(address, state)].into(),
        ..Input::default()
    };
    let no_addresses = Input {
        nodes: 3,
        ..Input::default()
    };
    for algorithm in ALGORITHMS {
        assert_eq!(plan(algorithm, &no_nodes), Plan::from([(address, None)]));
        assert_eq!(plan(algorithm, &no_addresses), Plan::new());
    }
}

#[test]
fn is_stable_once_planned() {
    for seed in 0..300 {
        let mut input = Random(2_000_000 + seed).input(24);
        input.force_rebalance.clear();
        for algorithm in [Algorithm::Deterministic, Algorithm::Lcp2] {
            let mut again = input.clone();
            let first = plan(algorithm, &input);
            for (address, state) in &mut again.addresses {
                state.current = first[address];
            }
            // No LCP2 move empties a node (a lone address costs nothing), so the targets of the
            // second plan are some of the first one's, which had no move left to make.
            assert_eq!(plan(algorithm, &again), first, "seed {seed}, {algorithm:?}");
        }
    }
}
