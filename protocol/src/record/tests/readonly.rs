//! Clients that read copies, beside clients that write.

use super::check;
use super::clients::key;
use super::world::{World, is_copy};

#[test]
fn copies_show_what_was_written_last() {
    let mut read = 0;
    for seed in 0..300 {
        let mut world = World::new(2 + (seed % 4) as u32, seed);
        world.fail_one_in = 60 * (seed % 2);
        world.set_readonly(None);
        (world.reads_in_ten, world.deletes_in_ten) = (6, seed % 3);
        world.vacuums_left = 10;
        world.add_clients(3, 15, 1 + seed % 9);
        world.settle();
        check(&world, seed);
        assert!(
            !world.logged.contains(&"record.sought"),
            "seed {seed}: nothing was lost"
        );
        read += world.copies_read;
    }
    assert!(read > 2_000, "{read}");
}

/// One node alone was told that copies may be made: the others treat reads as they always did.
#[test]
fn nodes_without_copies_migrate() {
    for seed in 0..100 {
        let mut world = World::new(3, seed);
        world.set_readonly(Some((seed % 3) as usize));
        world.reads_in_ten = 6;
        world.add_clients(3, 10, 4);
        world.settle();
        check(&world, seed);
    }
}

/// Four nodes, a record, and clients of each that have read it so often.
fn with_copies(seed: u64, reads: u32) -> World {
    let mut world = World::new(4, seed);
    world.set_readonly(None);
    world.add_clients(1, 1, 1);
    world.settle();
    world.clients.clear();
    world.reads_in_ten = 10;
    world.add_clients(1, reads, 1);
    world.settle();
    world
}

#[test]
fn recoveries_and_deaths_end_copies_before_anybody_writes() {
    let mut read = 0;
    for seed in 0..400 {
        let mut world = World::new(3 + (seed % 3) as u32, seed);
        world.set_readonly(None);
        (world.reads_in_ten, world.deletes_in_ten) = (6, seed % 2);
        world.vacuums_left = 20;
        world.add_clients(2, 25, 1 + seed % 6);
        world.recoveries_and_deaths();
        check(&world, seed);
        read += world.copies_read;
    }
    assert!(read > 2_000, "{read}");
}

#[test]
fn nodes_that_return_have_no_copies_of_before() {
    for seed in 0..300 {
        let mut world = World::new(3 + (seed % 3) as u32, seed);
        world.set_readonly(None);
        world.reads_in_ten = 6;
        world.add_clients(2, 25, 5);
        world.one_leaves_and_returns();
        check(&world, seed);
    }
}

#[test]
fn a_recovery_leaves_no_copy() {
    for seed in 0..50 {
        let mut world = with_copies(seed, 3);
        let copies = |world: &World| {
            let nodes = world.nodes.iter();
            nodes.filter(|node| is_copy(node, &key(0))).count()
        };
        assert_eq!(copies(&world), 3, "seed {seed}");
        world.is_thorough = true;
        world.recover();
        world.settle();
        assert_eq!(copies(&world), 0, "seed {seed}");
        check(&world, seed);
    }
}

/// A search makes one of the copies the record itself, and ends the others first.
#[test]
fn a_search_leaves_no_copy() {
    for seed in 0..100 {
        let mut world = with_copies(seed, 2);
        let holder = world.dmasters(&key(0))[0];
        world.nodes[holder].store.remove(&key(0));
        world.clients.clear();
        world.reads_in_ten = 0;
        world.add_clients(1, 1, 1);
        // Either the one that lost it asks, or the others.
        let asks = |node: usize| (node == holder) == (seed % 2 == 0);
        world.clients.retain(|client| asks(client.node));
        world.settle();
        assert!(world.logged.contains(&"record.sought"), "seed {seed}");
        check(&world, seed);
    }
}
