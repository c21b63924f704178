//! Takeover machines against a small world with faults. The checker counts every moment at which two nodes
//! answer for one address.
//!
//! It bites (tried by hand): `no_two_nodes_answer_for_an_address` fails within 10 seeds when `is_free`
//! (leader/grants.rs) ignores what others hold, or former owners, or nodes that have not reported; within
//! 100 when an end of the lease does not void the plan (holder.rs); at seed 582 when `distrust_lost`
//! (cluster.rs) does nothing; at seed 1371 when what was held at the end of the lease is not forfeited
//! (holder.rs).

mod world;

use super::alloc::Algorithm;
use super::io::{Input, Kind, LeaseId};
use crate::flags::NodeFlags;
use crate::id::Pnn;
use crate::notice::Notice;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use world::{World, ms};

/// Clusters with random faults that the main test goes through.
const SEEDS: u64 = 2_000;

fn fault(world: &mut World) {
    let count = world.nodes.len() as u64;
    let pnn = world.rng.below(count) as usize;
    let up = (0..world.nodes.len()).filter(|n| world.is_up(*n)).count();
    match world.rng.below(12) {
        0 | 1 if up > 1 && world.is_up(pnn) => {
            if world.rng.chance(1, 2) {
                // While plans are on their way.
                let other = (pnn + 1) % world.nodes.len();
                let ok = world.nodes[other].flags.is_empty();
                world.set_flags(
                    other,
                    [NodeFlags::empty(), NodeFlags::DISABLED][usize::from(ok)],
                );
                let micros = world.rng.below(25_000);
                world.run_for(Duration::from_micros(micros));
            }
            world.cut(pnn);
        }
        2 if up > 1 && world.is_up(pnn) => world.kill(pnn),
        3..=5 => world.mend(pnn),
        6 => {
            let flags = [
                NodeFlags::DISABLED,
                NodeFlags::UNHEALTHY,
                NodeFlags::BANNED,
                NodeFlags::STOPPED,
            ];
            let flags = flags[world.rng.below(4) as usize];
            world.set_flags(pnn, flags);
        }
        7 | 8 => world.set_flags(pnn, NodeFlags::empty()),
        9 => {
            let name = ["eth0", "eth1"][world.rng.below(2) as usize];
            let up = world.rng.chance(1, 2);
            world.set_interface(pnn, name, up);
        }
        10 if world.leader.is_some() => world.elect(),
        _ => {
            let request = world.rng.below(1_000);
            world.feed(pnn, Input::WantRun { request });
        }
    }
}

fn settle(world: &mut World) {
    world.failures = 0;
    for pnn in 0..world.nodes.len() {
        world.mend(pnn);
        world.set_flags(pnn, NodeFlags::empty());
        world.set_interface(pnn, "eth0", true);
        world.set_interface(pnn, "eth1", true);
    }
    world.run_for(ms(12_000));
}

fn assert_each_has_one_home(world: &World, seed: u64) {
    for (address, holders) in world.homes() {
        assert_eq!(holders.len(), 1, "seed {seed}: {address} at {holders:?}");
        for (pnn, node) in world.nodes.iter().enumerate() {
            let known = node.view.addresses.iter().find(|a| a.address == address);
            assert_eq!(
                known.and_then(|a| a.owner).map(|owner| owner.0 as usize),
                Some(holders[0]),
                "seed {seed}: owner of {address} as node {pnn} sees it"
            );
        }
    }
}

#[test]
fn no_two_nodes_answer_for_an_address() {
    for seed in 0..SEEDS {
        let nodes = 3 + (seed % 3) as usize;
        let mut world = World::new(seed, nodes, 8);
        world.failures = seed % 20;
        let faults = 10 + world.rng.below(30);
        for _ in 0..faults {
            let pause = world.rng.below(900);
            world.run_for(ms(pause));
            fault(&mut world);
            assert_eq!(world.doubles, 0, "seed {seed}");
        }
        settle(&mut world);
        assert_eq!(world.doubles, 0, "seed {seed}");
        assert_each_has_one_home(&world, seed);
        for node in &mut world.nodes {
            node.reallocated = 0;
        }
        world.feed(0, Input::WantRun { request: 5_000 });
        world.run_for(ms(300));
        assert!(world.nodes[0].runs.contains(&5_000), "seed {seed}");
        let told = |node: &world::Node| node.reallocated > 0;
        assert!(
            world.nodes.iter().all(told),
            "seed {seed}: a run without a move"
        );
    }
}

#[test]
fn a_change_of_leader_moves_nothing() {
    for seed in 0..100 {
        let mut world = World::new(seed, 4, 12);
        world.run_for(ms(3_000));
        let (before, taken) = (world.homes(), world.taken);
        assert_each_has_one_home(&world, seed);
        for _ in 0..5 {
            world.elect();
            world.run_for(ms(700));
        }
        assert_eq!(world.homes(), before, "seed {seed}");
        assert_eq!(world.taken, taken, "seed {seed}");
    }
}

/// Seen on a node that got no processor for a second: the lease came back before election had noticed its end, and then
/// nobody planned any more.
#[test]
fn a_leadership_ends_with_its_lease_and_the_next_one_plans() {
    for seed in 0..100 {
        let mut world = World::new(seed, 3, 6);
        world.run_for(ms(3_000));
        let leader = world.leader.expect("a leader");
        world.end_lease(leader);
        world.run_for(ms(5_000));
        assert_each_has_one_home(&world, seed);
        world.set_flags(leader, NodeFlags::DISABLED);
        world.run_for(ms(500));
        assert!(world.nodes[leader].kernel.is_empty(), "seed {seed}");
        assert_each_has_one_home(&world, seed);
        assert_eq!(world.doubles, 0, "seed {seed}");
    }
}

/// The addresses of the survivors of a leader's death, before and after.
fn survivors_after_a_leaders_death(
    world: &mut World,
    lag_us: u64,
) -> [BTreeMap<IpAddr, Vec<usize>>; 2] {
    world.run_for(ms(3_000));
    let leader = world.leader.unwrap_or(0);
    let mut before = world.homes();
    before.retain(|_, holders| *holders != [leader]);
    world.released = 0;
    world.lag_us = lag_us;
    world.kill(leader);
    world.run_for(ms(20_000));
    let mut after = world.homes();
    assert!(after.values().all(|holders| holders.len() == 1));
    after.retain(|address, _| before.contains_key(address));
    [before, after]
}

/// On a busy machine messages take longer than a new leader used to wait for reports: its first plan did not
/// know what the survivors held, and took it from them.
#[test]
fn survivors_of_a_leader_keep_their_addresses_however_late_they_report() {
    for seed in 0..200 {
        let mut world = World::new(seed, 4, 12);
        if world.settings.algorithm != Algorithm::Lcp2 {
            // The other one moves addresses whenever that balances them better.
            continue;
        }
        let [before, after] = survivors_after_a_leaders_death(&mut world, 3_000 + 10_000 * seed);
        assert_eq!(before, after, "seed {seed}");
        assert_eq!(world.doubles, 0, "seed {seed}");
    }
}

/// Leases that end before the next leader is found take the addresses off the survivors, so nobody holds them
/// when it plans; they go back to where they were.
#[test]
fn addresses_return_to_the_survivors_whose_leases_ended() {
    for seed in 0..200 {
        let mut world = World::new(seed, 4, 12);
        world.leaderless = ms(1_300);
        let [before, after] = survivors_after_a_leaders_death(&mut world, 3_000);
        assert_eq!(before, after, "seed {seed}");
        assert!(world.released > 0, "seed {seed}: the leases did not end");
        assert_eq!(world.doubles, 0, "seed {seed}");
    }
}

#[test]
fn a_disabled_node_releases_and_others_take_within_a_moment() {
    for seed in 0..50 {
        let mut world = World::new(seed, 3, 6);
        world.run_for(ms(3_000));
        world.set_flags(1, NodeFlags::DISABLED);
        world.run_for(ms(200));
        assert!(world.nodes[1].kernel.is_empty(), "seed {seed}");
        assert_each_has_one_home(&world, seed);
        assert_eq!(world.doubles, 0);
    }
}

/// `ctdb moveip`: asked at any node, done by the leader, kept while nothing is planned anew.
#[test]
fn an_address_moves_to_the_node_that_is_asked_for() {
    for seed in 0..50 {
        let mut world = World::new(seed, 3, 6);
        world.run_for(ms(3_000));
        let (address, from) = world
            .homes()
            .iter()
            .map(|(address, holders)| (*address, holders[0]))
            .next()
            .expect("addresses");
        let to = (from + 1) % 3;
        let asker = (seed % 3) as usize;
        let request = 7;
        let target = Pnn(to as u32);
        world.feed(
            asker,
            Input::WantMove {
                request,
                address,
                to: target,
            },
        );
        world.run_for(ms(400));
        assert_eq!(world.holders(address), [to], "seed {seed}");
        assert_eq!(world.nodes[asker].runs, [request], "seed {seed}");
        assert_each_has_one_home(&world, seed);
        assert_eq!(world.doubles, 0, "seed {seed}");
    }
}

/// Each of several moves in a row is seen as done by whoever asked for it when he hears of its end.
#[test]
fn who_hears_of_the_end_of_a_move_sees_where_the_address_is() {
    for seed in 0..50 {
        let mut world = World::new(seed, 3, 6);
        world.run_for(ms(3_000));
        let address = world.addresses[0];
        for request in 1..=6 {
            let to = (world.holders(address)[0] + 1) % 3;
            let asker = world.rng.below(3) as usize;
            let target = Pnn(to as u32);
            let input = Input::WantMove {
                request,
                address,
                to: target,
            };
            world.feed(asker, input);
            while world.nodes[asker].runs.last() != Some(&request) {
                world.run_for(ms(1));
            }
            let seen = &world.nodes[asker].view_at_end.addresses;
            let seen = seen.iter().find(|a| a.address == address).expect("known");
            let sign = alloc::format!("seed {seed}, request {request} at node {asker}");
            assert_eq!(seen.owner, Some(target), "{sign}");
            assert_eq!(seen.active.is_some(), asker == to, "{sign}");
        }
        assert_eq!(world.doubles, 0, "seed {seed}");
    }
}

/// `ctdb delip` and `addip`: what is not configured any more goes, and comes back where it is.
#[test]
fn addresses_follow_the_configuration() {
    for seed in 0..50 {
        let mut world = World::new(seed, 3, 6);
        world.run_for(ms(3_000));
        let all = world.configuration();
        let mut fewer = all.clone();
        let gone = fewer.remove(0).address;
        for pnn in 0..3 {
            world.feed(pnn, Input::Configure(fewer.clone()));
        }
        world.run_for(ms(300));
        assert_eq!(world.holders(gone), [0_usize; 0], "seed {seed}");
        world.feed(2, Input::Configure(all));
        world.run_for(ms(1_500));
        assert_eq!(world.holders(gone), [2], "seed {seed}");
    }
}

#[test]
fn a_leaving_node_ends_with_nothing_and_others_take_over() {
    for seed in 0..50 {
        let mut world = World::new(seed, 3, 6);
        world.run_for(ms(3_000));
        let who = (seed % 3) as usize;
        world.feed(who, Input::Leave);
        world.run_for(ms(200));
        assert!(world.nodes[who].left, "seed {seed}");
        assert_each_has_one_home(&world, seed);
        assert_eq!(world.doubles, 0);
    }
}

#[test]
fn a_silent_node_is_replaced_as_soon_as_it_is_certainly_silent() {
    for seed in 0..50 {
        let mut world = World::new(seed, 3, 6);
        world.run_for(ms(3_000));
        let leader = world.leader.unwrap_or(0);
        let victim = (leader + 1) % 3;
        world.cut(victim);
        world.run_for(ms(1_200));
        let served = |world: &World| world.homes().values().filter(|h| !h.is_empty()).count();
        assert!(served(&world) < 6 || world.nodes[victim].kernel.is_empty());
        world.run_for(ms(100));
        assert_eq!(served(&world), 6, "seed {seed}");
        assert_eq!(world.doubles, 0);
    }
}

#[test]
fn an_address_moves_to_the_other_interface_of_its_node() {
    let mut world = World::new(1, 3, 6);
    world.run_for(ms(3_000));
    let before = world.homes();
    (world.taken, world.released) = (0, 0);
    world.set_interface(0, "eth0", false);
    world.run_for(ms(200));
    assert_eq!(world.homes(), before);
    assert_eq!(
        (world.taken, world.released),
        (0, 0),
        "clients are not told"
    );
    assert!(world.nodes[0].kernel.values().all(|name| name == "eth1"));
    world.set_interface(0, "eth1", false);
    world.run_for(ms(200));
    assert!(world.nodes[0].kernel.is_empty());
    assert!(world.homes().values().all(|holders| holders.len() == 1));
}

/// An interface that returns gets its share of its node's addresses a second later, and nothing leaves the node.
#[test]
fn an_interface_that_returns_gets_its_share() {
    for seed in 0..50 {
        let mut world = World::new(seed, 2, 12);
        world.run_for(ms(3_000));
        let before = world.homes();
        (world.taken, world.released) = (0, 0);
        let on = |world: &World, wanted: &str| {
            let names = world.nodes[0].kernel.values();
            names.filter(|name| *name == wanted).count()
        };
        world.set_interface(0, "eth0", false);
        world.run_for(ms(300));
        assert_eq!(on(&world, "eth0"), 0, "seed {seed}");
        world.set_interface(0, "eth0", true);
        world.run_for(ms(900));
        assert_eq!(on(&world, "eth0"), 0, "seed {seed}: it may go again");
        world.run_for(ms(400));
        assert_eq!(on(&world, "eth0"), on(&world, "eth1"), "seed {seed}");
        assert_eq!(world.homes(), before, "seed {seed}");
        assert_eq!((world.taken, world.released), (0, 0), "seed {seed}");
        assert_eq!(world.doubles, 0, "seed {seed}");
    }
}

/// Node 0 and 1 may host the first address, node 1 alone the second.
#[test]
fn a_damped_node_serves_what_no_fit_node_may() {
    const OK: NodeFlags = NodeFlags::empty();
    const ILL: NodeFlags = NodeFlags::UNHEALTHY;
    const OFF: NodeFlags = NodeFlags::UNHEALTHY.union(NodeFlags::DISABLED);
    // Flags of node 0, of node 1, whether those are damped; who has the first address, and the second.
    type Case = (NodeFlags, NodeFlags, [bool; 2], [Option<usize>; 2]);
    let cases: [Case; 8] = [
        (OK, OK, [false, false], [None, Some(1)]),
        (OK, ILL, [false, false], [Some(0), None]),
        (OK, ILL, [false, true], [Some(0), Some(1)]),
        (OK, OFF, [false, true], [Some(0), None]),
        (ILL, OK, [true, false], [Some(1), Some(1)]),
        (ILL, ILL, [false, true], [Some(1), Some(1)]),
        (ILL, ILL, [true, false], [Some(0), None]),
        (ILL, ILL, [false, false], [None, None]),
    ];
    for seed in 0..10 {
        let mut world = World::new(seed, 3, 2);
        let all = world.configuration();
        let (shared, own) = (all[0].address, all[1].address);
        world.feed(0, Input::Configure(all[..1].to_vec()));
        world.feed(2, Input::Configure(Vec::new()));
        for (zero, one, damped, [first, second]) in cases {
            for (pnn, flags) in [zero, one].into_iter().enumerate() {
                world.nodes[pnn].damped = damped[pnn];
                world.set_flags(pnn, flags);
            }
            world.run_for(ms(3_000));
            let sign = alloc::format!("seed {seed}: {zero:?} {one:?} {damped:?}");
            let holder = |address| world.holders(address).first().copied();
            // Either of two fit nodes.
            let expected = first.or_else(|| (zero == OK && one == OK).then(|| holder(shared))?);
            assert_eq!(holder(shared), expected, "{sign}: shared");
            assert_eq!(holder(own), second, "{sign}: its own");
        }
        assert_eq!(world.doubles, 0, "seed {seed}");
    }
}

#[test]
fn a_run_is_told_once_and_unhosted_addresses_are_named() {
    let mut world = World::new(3, 3, 4);
    world.run_for(ms(3_000));
    let leader = world.leader.unwrap_or(0);
    let log = |world: &World, what: fn(&Notice) -> bool| {
        world.nodes[leader].log.iter().filter(|n| what(n)).count()
    };
    let started: fn(&Notice) -> bool = |n| matches!(n, Notice::TakeoverStarted { .. });
    let done: fn(&Notice) -> bool = |n| matches!(n, Notice::TakeoverDone { .. });
    assert_eq!(log(&world, started), log(&world, done));
    world.set_flags((leader + 1) % 3, NodeFlags::DISABLED);
    world.run_for(ms(1_000));
    assert_eq!(log(&world, started), log(&world, done));
    let names: Vec<usize> = (0..3).collect();
    for pnn in names {
        world.set_interface(pnn, "eth0", false);
        world.set_interface(pnn, "eth1", false);
    }
    world.run_for(ms(1_000));
    assert!(world.homes().values().all(Vec::is_empty));
}

fn lease(number: Option<u64>) -> Input {
    let alive = number.map(LeaseId);
    Input::Lease { alive }
}

fn kernel(address: core::net::IpAddr, present: bool) -> Input {
    Input::Kernel {
        address,
        present,
        error: None,
    }
}

/// Found by the simulator: the lease ends, the kernel refuses to remove an address (the keeper had deleted it),
/// the lease returns with a plan that gives the address back. Taken for present it was served by nobody, or,
/// reported as held, kept by its owner while another node had been granted it meanwhile.
#[test]
fn what_was_held_when_the_lease_ended_goes_before_it_is_taken_again() {
    use super::io::{ConfiguredAddress, Effect, Settings};
    use super::machine::Takeover;
    use super::message::{Assignment, TakeoverMessage};
    use crate::election::standing::Standing;
    use crate::id::Term;
    use crate::machine::{Effects, Machine};
    use crate::membership::view::{MembershipView, NodeView};
    use crate::time::Instant;
    use crate::timing::Timing;
    use core::net::Ipv4Addr;

    let (own, leader, term) = (Pnn(1), Pnn(0), Term(1));
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let mut machine = Takeover::new(own, Timing::DEFAULT, Settings::default());
    let mut orders = |millis: u64, input: Input| {
        let mut effects = Effects::new();
        machine.step(Instant::from_start(ms(millis)), input, &mut effects);
        let order = |effect| match effect {
            Effect::Add { .. } => Some("add"),
            Effect::Remove { .. } => Some("remove"),
            _ => None,
        };
        effects.drain().filter_map(order).collect::<Vec<_>>()
    };
    let plan = |sequence| Input::Message {
        peer: leader,
        message: TakeoverMessage::Assign {
            term,
            sequence,
            heard: u64::MAX,
            assignments: alloc::vec![Assignment {
                address,
                owner: Some(own),
                granted: true
            }],
        },
    };
    let (name, interfaces) = ("eth0".into(), alloc::vec!["eth0".into()]);
    orders(0, Input::Interface { name, up: true });
    orders(
        0,
        Input::Configure(alloc::vec![ConfiguredAddress {
            address,
            prefix: 24,
            interfaces,
            kind: Kind::Public,
        }]),
    );
    orders(
        0,
        Input::View(MembershipView {
            own,
            standing: Standing::Follower { leader, term },
            nodes: alloc::vec![NodeView::default(); 2],
            ..MembershipView::default()
        }),
    );
    orders(0, lease(Some(1)));
    assert_eq!(orders(1, plan(1)), ["add"]);
    orders(2, kernel(address, true));
    assert_eq!(orders(3, lease(None)), ["remove"]);
    orders(4, kernel(address, true));
    orders(5, lease(Some(2)));
    orders(6, plan(2));
    assert_eq!(orders(600, Input::Timeout), ["remove"]);
    assert_eq!(orders(601, kernel(address, false)), ["add"]);
    // A lease that ended and came back unheard counts as ended.
    assert!(orders(602, lease(Some(3))).is_empty());
    assert_eq!(orders(603, kernel(address, true)), ["remove"]);
}

/// A world whose first address is that of an LVS group.
fn with_lvs(seed: u64) -> (World, IpAddr) {
    let mut world = World::new(seed, 3, 4);
    let address = world.addresses[0];
    world.lvs.push(address);
    for pnn in 0..3 {
        let configuration = world.configuration();
        world.feed(pnn, Input::Configure(configuration));
    }
    (world, address)
}

#[test]
fn an_lvs_address_is_on_the_first_usable_node_and_shown_as_no_public_address() {
    let (mut world, address) = with_lvs(3);
    world.run_for(ms(4_000));
    let (ok, sick, off) = (
        NodeFlags::empty(),
        NodeFlags::UNHEALTHY,
        NodeFlags::DISABLED,
    );
    for (flags, holders) in [
        ([ok, ok, ok], &[0][..]),
        ([sick, ok, ok], &[1]),
        ([sick, sick, sick], &[0]),
        ([off, sick, sick], &[1]),
        ([off, sick, ok], &[2]),
        ([off, NodeFlags::BANNED, NodeFlags::STOPPED], &[]),
        ([ok, ok, ok], &[0]),
    ] {
        for (pnn, flags) in flags.into_iter().enumerate() {
            world.set_flags(pnn, flags);
        }
        world.run_for(ms(4_000));
        assert_eq!(world.holders(address), holders, "{flags:?}");
        let shown = |pnn: usize| world.nodes[pnn].view.addresses.len();
        assert_eq!([shown(0), shown(1), shown(2)], [3; 3]);
    }
    // The last usable node that is not healthy goes: no fit one has gone.
    for pnn in 0..3 {
        world.set_flags(pnn, sick);
    }
    world.run_for(ms(4_000));
    world.cut(0);
    world.run_for(ms(4_000));
    assert_eq!(world.holders(address), [1]);
    assert_eq!(world.doubles, 0);
}

#[test]
fn no_two_nodes_answer_for_an_lvs_address() {
    for seed in 0..300 {
        let (mut world, address) = with_lvs(seed);
        world.failures = seed % 20;
        for _ in 0..20 {
            let pause = world.rng.below(900);
            world.run_for(ms(pause));
            fault(&mut world);
            assert_eq!(world.doubles, 0, "seed {seed}");
        }
        settle(&mut world);
        assert_eq!(world.doubles, 0, "seed {seed}");
        assert_eq!(world.holders(address), [0], "seed {seed}");
    }
}
