//! Times the address planners: `cargo run --release -p ctdb-protocol --example plan_bench`.
//!
//! Optional arguments: number of addresses (10000) and of nodes (64). Prints one line for each
//! situation and algorithm; nothing here passes or fails.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use ctdb_protocol::id::Pnn;
use ctdb_protocol::takeover::alloc::{AddressState, Algorithm, Input, plan};

/// Name, number of addresses, number of nodes → the cluster before the plan.
type Situation = (&'static str, fn(u32, u32) -> Input);

const SITUATIONS: [Situation; 9] = [
    ("cold start", |addresses, nodes| {
        cluster(addresses, nodes, |_| None)
    }),
    ("one node held all", |addresses, nodes| {
        cluster(addresses, nodes, |_| Some(0))
    }),
    ("4 nodes held all", |addresses, nodes| {
        cluster(addresses, nodes, |i| Some(i % 4))
    }),
    ("half the nodes new", |addresses, nodes| {
        cluster(addresses, nodes, |i| Some(i % nodes.div_ceil(2)))
    }),
    ("a node is lost", |addresses, nodes| {
        let mut input = cluster(addresses, nodes, |i| Some(i % nodes));
        for state in input.addresses.values_mut() {
            state.able.remove(&Pnn(0));
        }
        input
    }),
    ("all forced, in blocks", |addresses, nodes| {
        let mut input = cluster(addresses, nodes, |i| Some(i / addresses.div_ceil(nodes)));
        input.force_rebalance = (0..nodes).map(Pnn).collect();
        input
    }),
    ("all forced, piled up", |addresses, nodes| {
        let mut input = cluster(addresses, nodes, |i| Some(i % 3));
        input.force_rebalance = (0..nodes).map(Pnn).collect();
        input
    }),
    ("own nodes by address", |addresses, nodes| {
        let mut input = cluster(addresses, nodes, |i| Some(i % 2));
        for (i, state) in (0_u32..).zip(input.addresses.values_mut()) {
            let mixed = u64::from(i + 1)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(23);
            state
                .able
                .retain(|pnn| pnn.0 < 2 || mixed >> (pnn.0 % 64) & 1 == 1);
        }
        input
    }),
    ("IPv6, half the nodes new", |addresses, nodes| {
        let v4 = cluster(addresses, nodes, |i| Some(i % nodes.div_ceil(2)));
        let to_v6 = |(i, state)| {
            let mixed = u64::from(i + 1_u32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let bits = 0x2001_0db8_u128 << 96 | u128::from(mixed % 16) << 64 | u128::from(mixed);
            (IpAddr::V6(Ipv6Addr::from_bits(bits)), state)
        };
        Input {
            addresses: (0..)
                .zip(v4.addresses)
                .map(|(i, (_, s))| to_v6((i, s)))
                .collect(),
            ..v4
        }
    }),
];

/// Subnets of 250 addresses from 10.0.0.0 upwards, every node able to host every address.
fn cluster(addresses: u32, nodes: u32, holder: impl Fn(u32) -> Option<u32>) -> Input {
    let able: BTreeSet<Pnn> = (0..nodes).map(Pnn).collect();
    let address = |i: u32| {
        let ip = Ipv4Addr::from_bits((10 << 24) + ((i / 250) << 8) + i % 250 + 1);
        (
            IpAddr::V4(ip),
            AddressState {
                current: holder(i).map(Pnn),
                able: able.clone(),
            },
        )
    };
    Input {
        nodes,
        addresses: (0..addresses).map(address).collect(),
        ..Input::default()
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).map_while(|text| text.parse().ok());
    let addresses = arguments.next().unwrap_or(10_000);
    let nodes = arguments.next().unwrap_or(64);
    println!("{addresses} addresses, {nodes} nodes");
    for (name, situation) in SITUATIONS {
        let input = situation(addresses, nodes);
        for algorithm in [
            Algorithm::Deterministic,
            Algorithm::Nondeterministic,
            Algorithm::Lcp2,
        ] {
            let start = Instant::now();
            let result = plan(algorithm, &input);
            let elapsed_ms = start.elapsed().as_secs_f64() * 1000.0;
            let moved = |(address, node): &(_, _)| input.addresses[address].current != *node;
            let changes = result.into_iter().filter(moved).count();
            let algorithm = format!("{algorithm:?}");
            println!("{name:26} {algorithm:16} {elapsed_ms:8.1} ms {changes:6} changes");
        }
    }
}
