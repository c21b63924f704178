//! Many machines in one small world, many seeds.

mod border;
mod clients;
mod hot;
mod leader;
mod pace;
mod readonly;
mod store;
mod vacuum;
mod world;

use clients::key;
use world::{World, counter};

/// Every record has one dmaster, and it shows what was written last.
fn check(world: &World, seed: u64) {
    for (key, (low, high)) in &world.allowed {
        let dmasters = world.dmasters(key);
        if *low == 0 && dmasters.is_empty() {
            // Only a lost node had it.
            continue;
        }
        assert_eq!(
            dmasters.len(),
            1,
            "seed {seed}: {key:?} has dmasters {dmasters:?}"
        );
        let shown = counter(&world.nodes[dmasters[0]].store[key]);
        assert!(
            (*low..=*high).contains(&shown),
            "seed {seed}: {key:?} shows {shown}, not {low}..={high}"
        );
    }
}

#[test]
fn ring_on_one_record_counts_every_pass() {
    for seed in 0..200 {
        let nodes = 2 + (seed % 4) as u32;
        let mut world = World::new(nodes, seed);
        world.fail_one_in = 50 * (seed % 2);
        world.add_clients(1, 20, 1);
        world.ring = Some(0);
        world.settle();
        check(&world, seed);
        assert!(
            !world.logged.contains(&"record.sought"),
            "seed {seed}: nothing was lost"
        );
        let count = u64::from(nodes) * 20;
        assert_eq!(world.allowed[&key(0)], (count, count), "seed {seed}");
    }
}

#[test]
fn crowds_on_one_record_lose_nothing() {
    for seed in 0..200 {
        let mut world = World::new(5, seed);
        world.add_clients(3, 8, 1);
        world.settle();
        check(&world, seed);
        assert_eq!(world.allowed[&key(0)], (120, 120), "seed {seed}");
    }
}

#[test]
fn random_calls_lose_nothing() {
    for seed in 0..200 {
        let mut world = World::new(2 + (seed % 4) as u32, seed);
        world.fail_one_in = 40 * (seed % 3);
        world.add_clients(3, 15, 50);
        world.settle();
        check(&world, seed);
        assert!(
            !world.logged.contains(&"record.sought"),
            "seed {seed}: nothing was lost"
        );
    }
}

#[test]
fn recoveries_lose_nothing() {
    for seed in 0..300 {
        let mut world = World::new(2 + (seed % 4) as u32, seed);
        world.fail_one_in = 60 * (seed % 2);
        world.add_clients(2, 20, 1 + seed % 7);
        for _ in 0..3 {
            for _ in 0..world.rng.below(400) {
                world.step();
            }
            // Sometimes in the midst of the one before.
            world.recover();
        }
        world.settle();
        check(&world, seed);
        assert!(
            !world.logged.contains(&"record.sought"),
            "seed {seed}: nothing was lost"
        );
    }
}

#[test]
fn survivors_keep_the_newest_copy() {
    for seed in 0..300 {
        let mut world = World::new(3 + (seed % 3) as u32, seed);
        world.add_clients(2, 20, 1 + seed % 9);
        for _ in 0..2 {
            for _ in 0..world.rng.below(500) {
                world.step();
            }
            let count = world.nodes.len() as u64;
            let dead = world.rng.below(count) as usize;
            let alive = world.nodes.iter().filter(|node| node.alive).count();
            if world.nodes[dead].alive && alive > 1 {
                world.kill(dead);
                for _ in 0..world.rng.below(100) {
                    world.step();
                }
                world.recover();
            }
        }
        world.settle();
        // Records that nobody asked for since are at rest with one dmaster too.
        check(&world, seed);
        assert!(
            !world.logged.contains(&"record.sought"),
            "seed {seed}: what was lost was found by the recovery"
        );
    }
}

#[test]
fn stale_records_never_come_back() {
    for seed in 0..300 {
        let mut world = World::new(3 + (seed % 3) as u32, seed);
        // Few keys that all nodes fight for, or many that rest where they are.
        let (left, keys) = if seed % 2 == 0 { (30, 5) } else { (8, 30) };
        world.add_clients(2, left, keys);
        world.one_leaves_and_returns();
        check(&world, seed);
    }
}

#[test]
fn lost_record_is_found_again() {
    for seed in 0..200 {
        let mut world = World::new(2 + (seed % 4) as u32, seed);
        world.add_clients(1, 5, 1);
        world.settle();
        let key = key(0);
        let holder = world.dmasters(&key)[0];
        world.nodes[holder].store.remove(&key);
        let copies = world.nodes.iter().filter_map(|node| node.store.get(&key));
        let newest = copies.map(|value| counter(value)).max().unwrap_or(0);
        world.allowed.insert(key.clone(), (newest, newest));
        world.clients.clear();
        world.logged.clear();
        // Either the one that lost it asks first, or another one, or several.
        world.add_clients(1, 1, 1);
        if seed % 2 == 0 {
            world.clients.retain(|client| client.node == holder);
        } else {
            world.clients.retain(|client| client.node != holder);
        }
        world.settle();
        assert!(world.logged.contains(&"record.sought"), "seed {seed}");
        check(&world, seed);
    }
}

#[test]
fn records_that_vanish_from_a_file_hold_up_nobody() {
    let mut sought = 0;
    for seed in 0..1_000 {
        let mut world = World::new(2 + (seed % 4) as u32, seed);
        world.vanish_one_in = 4 + seed % 20;
        world.fail_one_in = 60 * (seed % 2);
        if seed % 3 == 0 {
            world.set_readonly(None);
            world.reads_in_ten = 5;
        }
        world.add_clients(3, 10, 1 + seed % 3);
        if seed % 5 == 0 {
            world.recoveries_and_deaths();
        } else {
            world.settle();
        }
        check(&world, seed);
        let is_search = |name: &&&str| **name == "record.sought";
        sought += world.logged.iter().filter(is_search).count();
    }
    assert!(sought > 2_000, "{sought} searches");
}
