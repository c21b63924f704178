//! Several membership machines in a small world, many seeds each.

mod marks;
mod world;

use super::config::Config;
use super::io::{Effect, Input, Request};
use super::machine::Membership;
use super::view::RecoveryMode;
use crate::election::standing::{Mandate, Standing};
use crate::flags::{NodeFlags, RunState};
use crate::id::{Generation, Pnn, Term};
use crate::machine::{Effects, Machine};
use crate::notice::Notice;
use crate::rng::Rng;
use crate::time::Instant;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use world::World;

const SEEDS: u64 = 200;

/// Runs `test` with worlds of 3 to 5 nodes and 0 to 3 databases at rest.
fn each_world(mut test: impl FnMut(&mut World)) {
    for seed in 0..SEEDS {
        let count = 3 + (seed % 3) as usize;
        let databases = (seed / 3 % 4) as u32;
        test(&mut World::settled(seed, count, databases));
    }
}

fn generation(world: &World, node: usize) -> Generation {
    world.nodes[node].view.composition.generation
}

#[test]
fn cold_start_recovers_once_or_twice() {
    each_world(|world| {
        assert!(world.commits.len() <= 2, "{:?}", world.commits);
        assert!(world.commits[0] > Generation::INVALID);
        assert_eq!(world.logged("recovery.stale_dropped"), 0);
    });
}

#[test]
fn a_lost_node_moves_only_its_slot_and_brings_it_back() {
    each_world(|world| {
        let count = world.nodes.len();
        let lost = count - 1;
        world.kill(lost);
        world.run(1_000);
        world.assert_converged();
        let view = &world.nodes[0].view;
        assert_eq!(view.composition.vnnmap.len(), count);
        assert_eq!(view.composition.vnnmap[lost], Pnn(0));
        let flags = NodeFlags::DISCONNECTED | NodeFlags::UNHEALTHY;
        assert_eq!(view.nodes[lost].flags, flags);
        world.start(lost);
        world.run(10);
        world.lead(0);
        world.run(1_000);
        world.assert_converged();
        let vnnmap: Vec<Pnn> = (0..count as u32).map(Pnn).collect();
        assert_eq!(world.nodes[0].view.composition.vnnmap, vnnmap);
        assert_eq!(world.logged("recovery.stale_dropped"), 0);
    });
}

#[test]
fn a_cut_node_comes_back_without_its_old_records() {
    each_world(|world| {
        let cut = world.nodes.len() - 1;
        world.links_of(cut, false);
        world.run(1_000);
        let commits = world.commits.len();
        world.links_of(cut, true);
        world.lead(0);
        world.run(1_000);
        world.assert_converged();
        assert!(world.commits.len() > commits);
        let mut logs = world.nodes[cut].logs.iter();
        assert!(logs.any(|notice| notice.name() == "recovery.stale_dropped"));
        assert_eq!(world.logged("recovery.stale_dropped"), 1);
    });
}

/// What the last recovery that `node` led went through.
fn last_scope(world: &World, node: usize) -> &str {
    let scopes = world.nodes[node].logs.iter().rev();
    let mut scopes = scopes.filter_map(|notice| match notice {
        Notice::RecoveryScope { scope, .. } => Some(scope.as_str()),
        _ => None,
    });
    scopes.next().expect("a recovery")
}

#[test]
fn a_change_of_members_goes_through_what_it_touched_and_a_wish_through_everything() {
    const TOUCHED: &str = "what the change of members touched";
    const WHOLE: &str = "all that nodes hold";
    each_world(|world| {
        let node = world.nodes.len() - 1;
        world.kill(node);
        world.run(1_000);
        assert_eq!(last_scope(world, 0), TOUCHED, "a node is lost");
        let before = world.logged("recovery.started");
        world.start(node);
        world.run(10);
        world.lead(0);
        world.run(1_000);
        world.assert_converged();
        assert_eq!(last_scope(world, 0), TOUCHED, "it joins");
        // That of the node which leads itself until it hears of the others, and that of the leader.
        assert!(world.logged("recovery.started") <= before + 2);
        let reason = String::from("a file was damaged");
        world.ask(1, Request::Recover { reason });
        world.run(1_000);
        assert_eq!(last_scope(world, 0), WHOLE, "a node asks");
        world.assert_converged();
    });
}

#[test]
fn a_link_that_is_lost_for_a_moment_costs_no_records() {
    each_world(|world| {
        let member = world.nodes.len() - 1;
        let before = generation(world, member);
        world.link(0, member, false);
        world.run(100);
        world.link(0, member, true);
        world.run(1_000);
        world.assert_converged();
        // What was on its way is found by a recovery, to which all contribute.
        assert_ne!(generation(world, member), before);
        assert_eq!(world.logged("recovery.stale_dropped"), 0);
    });
}

/// Found by the simulator: a leader that restarts counts on from what it hears, while a side that is cut off
/// serves the number that comes next.
#[test]
fn a_restarted_leader_gives_no_composition_the_name_of_another_one() {
    each_world(|world| {
        world.links_of(1, false);
        world.run(1_000);
        let remembered = generation(world, 2);
        world.kill(0);
        for node in 2..world.nodes.len() {
            world.links_of(node, false);
        }
        world.start(0);
        world.link(0, 1, true);
        for node in 2..world.nodes.len() {
            world.link(0, node, false);
        }
        world.run(10);
        world.lead(0);
        world.run(1_000);
        while generation(world, 0).number < remembered.number {
            let reason = "for the test".into();
            world.ask(0, Request::Recover { reason });
            world.run(1_000);
        }
        assert_eq!(generation(world, 2), remembered);
        assert_eq!(generation(world, 0), generation(world, 1));
        assert_eq!(generation(world, 0).number, remembered.number);
        assert_ne!(generation(world, 0), remembered);
    });
}

/// Found by the simulator: a member refused a transaction while nobody led, and the wish for the recovery that
/// makes the members equal again was forgotten.
#[test]
fn a_wish_for_a_recovery_waits_for_a_leader() {
    let ask = || Request::Recover {
        reason: String::from("a member refused a transaction"),
    };
    each_world(|world| {
        let asker = world.nodes.len() - 1;
        let before = generation(world, asker);
        world.search();
        world.run(100);
        world.ask(asker, ask());
        world.run(1_000);
        assert_eq!(generation(world, asker), before, "nobody leads");
        world.lead(0);
        world.run(1_000);
        world.assert_converged();
        assert_ne!(generation(world, asker), before);
    });
    // The leader that was asked steps down before it has done anything.
    each_world(|world| {
        let asker = world.nodes.len() - 1;
        let before = generation(world, asker);
        world.ask(asker, ask());
        world.search();
        world.run(1_000);
        assert_eq!(generation(world, asker), before, "nobody leads");
        world.lead(0);
        world.run(1_000);
        world.assert_converged();
        let after = generation(world, asker);
        assert_ne!(after, before);
        // Once is enough.
        world.lead(1);
        world.run(1_000);
        assert_eq!(generation(world, asker), after);
    });
}

#[test]
fn a_change_of_leader_alone_recovers_nothing() {
    each_world(|world| {
        let before = world.commits.clone();
        let started = world.logged("recovery.started");
        for leader in (0..world.nodes.len()).rev() {
            world.lead(leader);
            world.run(2_000);
            world.assert_converged();
        }
        assert_eq!(world.commits, before);
        assert_eq!(world.logged("recovery.started"), started);
    });
}

#[test]
fn a_leader_lost_at_any_moment_of_a_recovery_is_replaced() {
    each_world(|world| {
        world.ask(
            0,
            Request::Recover {
                reason: "test".into(),
            },
        );
        let after = world.rng.below(40);
        world.run(after);
        world.kill(0);
        let pause = world.rng.below(20);
        world.run(pause);
        world.lead(1);
        world.run(1_000);
        world.assert_converged();
    });
}

#[test]
fn a_stopped_node_is_no_member_until_it_continues() {
    each_world(|world| {
        let stopped = world.nodes.len() - 1;
        world.ask(stopped, Request::Stop);
        let view = &world.nodes[stopped].view;
        assert_eq!(view.mode, RecoveryMode::Active);
        assert_eq!(view.composition.generation, Generation::INVALID);
        world.run(1_000);
        world.assert_converged();
        let before = generation(world, 0);
        world.ask(stopped, Request::Continue);
        world.run(1_000);
        world.assert_converged();
        assert!(generation(world, stopped) > before);
    });
}

#[test]
fn a_ban_ends_by_itself_or_is_lifted() {
    each_world(|world| {
        let ban = |seconds| Request::Ban {
            seconds,
            reason: "test".into(),
        };
        world.ask(1, ban(5));
        world.run(4_000);
        world.assert_converged();
        assert!(
            world.nodes[0].view.nodes[1]
                .flags
                .contains(NodeFlags::BANNED)
        );
        world.run(2_000);
        assert!(
            !world.nodes[0].view.nodes[1]
                .flags
                .contains(NodeFlags::BANNED)
        );
        world.assert_converged();
        world.ask(1, ban(100));
        world.run(1_000);
        world.ask(1, ban(0));
        world.run(1_000);
        world.assert_converged();
        assert_eq!(world.nodes[1].view.ban_count, 2);
        assert_eq!(
            world.nodes[0].view.composition.members.len(),
            world.nodes.len()
        );
    });
}

#[test]
fn who_never_answers_is_banned_after_three_tries() {
    each_world(|world| {
        world.mute_prepared = Some(2);
        world.ask(
            1,
            Request::Recover {
                reason: "test".into(),
            },
        );
        world.run(89_000);
        assert_eq!(world.logged("ban.banned"), 0);
        world.run(3_000);
        assert!(
            world.nodes[0].view.nodes[2]
                .flags
                .contains(NodeFlags::BANNED)
        );
        world.assert_converged();
    });
}

/// Anything at any time: links, lives, leaders, requests; the oracle of the world looks on.
#[test]
fn records_that_count_survive_any_storm() {
    let mut uncommitted = 0;
    for seed in 0..3 * SEEDS {
        let count = 3 + (seed % 3) as usize;
        let mut world = World::settled(1_000 + seed, count, 1 + (seed % 2) as u32);
        let mut rng = Rng::new(seed);
        for _ in 0..30 {
            let (a, b) = (
                rng.below(count as u64) as usize,
                rng.below(count as u64) as usize,
            );
            match rng.below(9) {
                0 if a != b => world.link(a, b, false),
                1 if a != b => world.link(a, b, true),
                2 => world.links_of(a, false),
                3 => world.links_of(a, true),
                4 if rng.chance(1, 3) => world.kill(a),
                5 if !world.nodes[a].alive => world.start(a),
                6 if world.nodes[a].alive => world.lead(a),
                7 if world.nodes[a].alive => world.ask(a, Request::Stop),
                8 if world.nodes[a].alive => world.ask(a, Request::Continue),
                _ => {}
            }
            let pause = rng.below(40);
            world.run(pause);
        }
        for node in 0..count {
            if !world.nodes[node].alive {
                world.start(node);
            }
            world.links_of(node, true);
            world.ask(node, Request::Continue);
        }
        world.run(100);
        world.lead(0);
        world.run(3_000);
        world.assert_converged();
        uncommitted += world.uncommitted_contributors;
    }
    assert!(uncommitted > 0, "no interrupted commit was met");
}

#[test]
fn the_admins_pause_between_recoveries_is_kept() {
    let mut config = Config::new(Pnn(0), 1, 7);
    config.timing.rerecovery_pause = Duration::from_secs(10);
    let mut node = Membership::new(config);
    let mut generations = Vec::new();
    let mut feed = |at_s: u64, input: Input| {
        let mut effects = Effects::new();
        node.step(Instant::from_micros(at_s * 1_000_000), input, &mut effects);
        generations.extend(effects.drain().filter_map(|effect| match effect {
            Effect::Recovered(generation) => Some((at_s, generation)),
            _ => None,
        }));
    };
    let (term, mandate) = (Term(1), Mandate::Side);
    feed(1, Input::RunState(RunState::FirstRecovery));
    feed(1, Input::Standing(Standing::Leader { term, mandate }));
    let reason = String::from("asked");
    feed(2, Input::Request(Request::Recover { reason }));
    feed(10, Input::Timeout);
    feed(11, Input::Timeout);
    let times: Vec<u64> = generations.iter().map(|(at_s, _)| *at_s).collect();
    assert_eq!(times, [1, 11]);
}
