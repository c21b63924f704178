//! Records that come and go, with vacuum runs at any time.

use super::check;
use super::world::World;
use crate::record::header::HEADER_BYTES;

/// Full runs until nothing more can be vacuumed.
fn full_runs_everywhere(world: &mut World) {
    // One brings records to their lmasters, the next deletes them. Those that are locked now and then (of 20,000 worlds
    // one had a record that was locked in twelve runs) are free in the end.
    for round in 0..8 {
        world.is_quiet |= round >= 6;
        for node in 0..world.nodes.len() {
            if world.nodes[node].alive {
                world.vacuum(node, true);
                world.settle();
                assert!(!world.vacuuming.contains(&node), "the run never ends");
            }
        }
    }
}

/// After full runs nothing is left of a record whose newest copy is empty.
fn assert_gone(world: &World, seed: u64) {
    for node in &world.nodes {
        for (key, _) in node.store.iter().filter(|_| node.alive && !node.stale) {
            let dmasters = world.dmasters(key);
            let value = dmasters.first().map(|pnn| &world.nodes[*pnn].store[key]);
            assert!(
                value.is_some_and(|value| value.len() > HEADER_BYTES),
                "seed {seed}: {key:?} is left of {value:?}"
            );
        }
    }
}

#[test]
fn what_was_emptied_leaves_all_nodes_and_never_comes_back() {
    let mut vacuumed = 0;
    for seed in 0..400 {
        let mut world = World::new(1 + (seed % 5) as u32, seed);
        (world.deletes_in_ten, world.vacuums_left) = (4, 30);
        world.add_clients(3, 15, 1 + seed % 30);
        world.settle();
        check(&world, seed);
        full_runs_everywhere(&mut world);
        check(&world, seed);
        assert_gone(&world, seed);
        vacuumed += world.vacuumed;
    }
    assert!(vacuumed > 1_000, "{vacuumed}");
}

/// No vacuum ran: as with 4.17, a recovery clears away.
#[test]
fn a_recovery_leaves_nothing_of_what_was_emptied() {
    for seed in 0..400 {
        let mut world = World::new(2 + (seed % 4) as u32, seed);
        (world.deletes_in_ten, world.is_thorough) = (4, true);
        world.add_clients(2, 15, 1 + seed % 9);
        world.settle();
        world.is_quiet = true;
        if seed % 2 == 0 {
            world.suspend(0);
        } else {
            world.recover();
        }
        world.settle();
        assert_gone(&world, seed);
        world.recover();
        world.settle();
        check(&world, seed);
        assert_gone(&world, seed);
    }
}

#[test]
fn recoveries_and_deaths_bring_nothing_back() {
    for seed in 0..400 {
        let mut world = World::new(3 + (seed % 3) as u32, seed);
        (world.deletes_in_ten, world.vacuums_left) = (4, 60);
        world.add_clients(2, 20, 1 + seed % 9);
        world.recoveries_and_deaths();
        check(&world, seed);
        full_runs_everywhere(&mut world);
        check(&world, seed);
        assert_gone(&world, seed);
    }
}

#[test]
fn nodes_that_return_bring_nothing_back() {
    for seed in 0..300 {
        let mut world = World::new(3 + (seed % 3) as u32, seed);
        (world.deletes_in_ten, world.vacuums_left) = (4, 60);
        world.add_clients(2, 20, 5);
        world.one_leaves_and_returns();
        check(&world, seed);
        full_runs_everywhere(&mut world);
        assert_gone(&world, seed);
    }
}
