//! A leader and two followers whose keepalives take 10 ms, until cables are pulled.

use super::io::{Effect, Input};
use super::machine::Heartbeat;
use crate::election::electorate::Electorate;
use crate::election::io::Input as ElectionInput;
use crate::election::standing::{Mandate, Standing};
use crate::id::{Instance, Pnn, Term};
use crate::machine::{Effects, Machine};
use crate::takeover::io::Input as TakeoverInput;
use crate::time::Instant;
use crate::timing::Timing;
use alloc::vec::Vec;
use core::time::Duration;

const DELAY: Duration = Duration::from_millis(10);
const T: Timing = Timing::DEFAULT;

struct World {
    now: Instant,
    nodes: Vec<Heartbeat>,
    wire: Vec<(Instant, usize, Input)>,
    cut: Vec<usize>,
    /// What each node was told, newest last.
    leases: Vec<Instant>,
    elections: Vec<(usize, Instant, ElectionInput)>,
    takeovers: Vec<(usize, Instant, TakeoverInput)>,
}

impl World {
    /// Three nodes, connected, node 0 leading by its side.
    fn new() -> Self {
        let electorate = || Electorate::new((0..3).map(Pnn), false);
        let start = Instant::from_start(Duration::from_secs(10));
        let nodes = (0..3)
            .map(|n| Heartbeat::new(Pnn(n), electorate(), T, start))
            .collect();
        let mut world = Self {
            now: start,
            nodes,
            wire: Vec::new(),
            cut: Vec::new(),
            leases: alloc::vec![Instant::ZERO; 3],
            elections: Vec::new(),
            takeovers: Vec::new(),
        };
        for (a, b) in [(0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1)] {
            let peer = Pnn(u32::try_from(b).unwrap());
            world.feed(
                a,
                Input::LinkUp {
                    peer,
                    instance: Instance(7),
                },
            );
        }
        let (term, mandate) = (Term(1), Mandate::Side);
        world.feed(0, Input::Standing(Standing::Leader { term, mandate }));
        for node in [1, 2] {
            world.feed(
                node,
                Input::Standing(Standing::Follower {
                    leader: Pnn(0),
                    term,
                }),
            );
        }
        world.run(Duration::from_secs(2));
        world
    }

    fn feed(&mut self, node: usize, input: Input) {
        let mut effects = Effects::new();
        self.nodes[node].step(self.now, input, &mut effects);
        let from = Pnn(u32::try_from(node).unwrap());
        for effect in effects.drain() {
            match effect {
                Effect::Send { peer, keepalive } => {
                    let to = peer.0 as usize;
                    if !self.cut.contains(&node) && !self.cut.contains(&to) {
                        let input = Input::Keepalive {
                            peer: from,
                            keepalive,
                        };
                        self.wire.push((self.now + DELAY, to, input));
                    }
                }
                Effect::LeaseUntil(until) => self.leases[node] = until,
                Effect::Election(input) => self.elections.push((node, self.now, input)),
                Effect::Takeover(input) => self.takeovers.push((node, self.now, input)),
                Effect::CloseLink { .. } | Effect::Membership(_) | Effect::Log(_) => {}
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = self.now + Duration::from_millis(1);
            let now = self.now;
            let (due, later) = core::mem::take(&mut self.wire)
                .into_iter()
                .partition(|(at, ..)| *at <= now);
            self.wire = later;
            let due: Vec<(Instant, usize, Input)> = due;
            for (_, to, input) in due {
                self.feed(to, input);
            }
            for node in 0..self.nodes.len() {
                if self.nodes[node].deadline().is_some_and(|at| at <= now) {
                    self.feed(node, Input::Timeout);
                }
            }
        }
    }

    fn clear_at(&self, of: u32) -> Option<Instant> {
        self.takeovers
            .iter()
            .rev()
            .find_map(|(_, _, input)| match input {
                TakeoverInput::Unreachable { peer, clear_at } if *peer == Pnn(of) => {
                    Some(*clear_at)
                }
                _ => None,
            })
    }
}

#[test]
fn leases_last_while_all_is_well_and_never_beyond_the_leaders() {
    let mut world = World::new();
    for _ in 0..50 {
        world.run(Duration::from_millis(20));
        for node in 0..3 {
            assert!(world.leases[node] > world.now + T.dead_after, "node {node}");
            assert!(
                world.leases[node] <= world.now + T.lease_hold,
                "node {node}"
            );
        }
    }
    assert!(
        world
            .elections
            .iter()
            .all(|(.., i)| !matches!(i, ElectionInput::PeerDown { .. }))
    );
}

#[test]
fn a_cut_follower_is_lost_and_silent_before_its_addresses_may_be_taken() {
    let mut world = World::new();
    world.cut.push(2);
    let cut_at = world.now;
    world.run(Duration::from_secs(3));
    let lost = world.elections.iter().find_map(|(node, at, input)| {
        (*node == 0 && matches!(input, ElectionInput::PeerDown { .. })).then_some(*at)
    });
    let lost = lost.expect("the leader notices");
    let noticed = lost.since(cut_at);
    assert!(noticed <= T.dead_after + DELAY && noticed + T.keepalive_interval >= T.dead_after);
    let clear = world.clear_at(2).expect("takeover is told");
    assert!(world.leases[2] < clear, "{:?} {clear:?}", world.leases[2]);
    assert!(clear.since(cut_at) <= T.clear_after() + DELAY);
}

#[test]
fn a_lost_followers_clear_point_is_not_lowered_by_what_older_leaderships_tell() {
    let mut world = World::new();
    world.cut.push(2);
    world.run(Duration::from_secs(3));
    let told: Vec<Instant> = world
        .takeovers
        .iter()
        .filter_map(|(_, _, input)| match input {
            TakeoverInput::Unreachable {
                peer: Pnn(2),
                clear_at,
            } => Some(*clear_at),
            _ => None,
        })
        .collect();
    assert_eq!(told.iter().min(), told.iter().max(), "{told:?}");
}

#[test]
fn a_cut_leader_loses_authority_and_lease() {
    let mut world = World::new();
    world.cut.push(0);
    let cut_at = world.now;
    world.run(Duration::from_secs(3));
    let lost = world.elections.iter().find_map(|(node, at, input)| {
        (*node == 0 && matches!(input, ElectionInput::AuthorityLost { .. })).then_some(*at)
    });
    assert!(lost.expect("authority is lost").since(cut_at) <= T.lease_hold + T.keepalive_interval);
    assert!(world.leases[0].since(cut_at) <= T.lease_hold);
}

#[test]
fn the_next_leader_waits_out_the_old_one_and_no_longer_than_promised() {
    let mut world = World::new();
    world.cut.push(0);
    let cut_at = world.now;
    world.run(T.dead_after + Duration::from_millis(50));
    let (term, mandate) = (Term(2), Mandate::Side);
    world.feed(1, Input::Standing(Standing::Leader { term, mandate }));
    world.feed(
        2,
        Input::Standing(Standing::Follower {
            leader: Pnn(1),
            term,
        }),
    );
    world.run(Duration::from_millis(200));
    let clear = world.clear_at(0).expect("the new leader tells takeover");
    assert!(world.leases[0] < clear);
    assert!(
        clear.since(cut_at) <= T.clear_after() + DELAY * 2,
        "{:?}",
        clear.since(cut_at)
    );
    // The bystanders' addresses went on without a break.
    assert!(world.leases[1] > world.now && world.leases[2] > world.now);
}

#[test]
fn an_echo_from_the_future_acknowledges_nothing() {
    let mut world = World::new();
    let before = world.leases[0];
    world.wire.clear();
    let forged = |world: &World| {
        let mut keepalive = super::message::Keepalive {
            sent_at_us: 1,
            echo_us: u64::MAX / 2,
            node: super::message::NodeState::default(),
            claim: Standing::Follower {
                leader: Pnn(0),
                term: Term(1),
            }
            .claim(Pnn(1), Term(1)),
            authority_left_ms: 0,
            old_ack_age_ms: u32::MAX,
        };
        keepalive.sent_at_us = world.now.as_micros();
        keepalive
    };
    let keepalive = forged(&world);
    world.feed(
        0,
        Input::Keepalive {
            peer: Pnn(1),
            keepalive,
        },
    );
    assert_eq!(world.leases[0], before);
}

#[test]
fn own_pause_is_forgiven_but_leases_are_not_renewed_by_it() {
    let mut world = World::new();
    let lease = world.leases[1];
    // Node 1 does not run for two seconds; what its peers sent waits in its sockets.
    world.now = world.now + Duration::from_secs(2);
    let seen = world.elections.len();
    world.feed(1, Input::Timeout);
    assert!(world.elections[seen..].iter().all(|(node, ..)| *node != 1));
    assert!(world.leases[1] == lease && lease < world.now);
}

/// One node of three with the cluster lock, which its keeper proved at the start.
fn alone_with_the_lock() -> (Heartbeat, Instant) {
    let start = Instant::from_start(Duration::from_secs(10));
    let electorate = Electorate::new((0..3).map(Pnn), true);
    let mut alone = Heartbeat::new(Pnn(0), electorate, T, start);
    let mut effects = Effects::new();
    alone.step(start, Input::LockProven(start), &mut effects);
    let (term, mandate) = (Term(1), Mandate::LockAlone);
    let standing = Standing::Leader { term, mandate };
    alone.step(start, Input::Standing(standing), &mut effects);
    (alone, start)
}

/// Found by the simulator: the worker of a node that leads by the lock alone is stopped; its keeper gives the
/// lock up after `lock_hold`; a majority that never heard of this leadership takes it and grants at once.
#[test]
fn a_lease_by_the_lock_alone_ends_before_the_keeper_gives_the_lock_up() {
    let (alone, start) = alone_with_the_lock();
    assert!(alone.lease_until() > start);
    assert!(alone.lease_until() <= start + T.lock_hold);
}

/// Found by the simulator: the lock's helper dies, so that the next leader has the lock at once.
#[test]
fn a_lease_by_the_lock_alone_ends_with_the_leadership() {
    let (mut alone, start) = alone_with_the_lock();
    let now = start + Duration::from_millis(20);
    let mut effects = Effects::new();
    alone.step(now, Input::Standing(Standing::Searching), &mut effects);
    assert!(effects.as_slice().contains(&Effect::LeaseUntil(now)));
}

/// Found by the simulator: node 2 can't reach node 1 but acknowledges node 0, which leads; then node 1 leads
/// and finds node 2 silent since long before its last acknowledgement.
#[test]
fn a_node_that_a_new_leader_never_reached_is_waited_for_as_its_old_leader_would() {
    let mut world = World::new();
    let acknowledged = world.now;
    let mut effects = Effects::new();
    let (term, mandate) = (Term(2), Mandate::Side);
    let later = world.now + T.dead_after / 2;
    let standing = Standing::Leader { term, mandate };
    world.nodes[1].step(later, Input::Standing(standing), &mut effects);
    let follower = Input::Standing(Standing::Searching);
    world.nodes[0].step(later, follower, &mut effects);
    effects.drain();
    let reason = alloc::string::String::from("cut");
    let down = Input::LinkDown {
        peer: Pnn(2),
        reason,
    };
    world.nodes[1].step(later, down, &mut effects);
    let clear = effects.drain().find_map(|effect| match effect {
        Effect::Takeover(TakeoverInput::Unreachable { clear_at, .. }) => Some(clear_at),
        _ => None,
    });
    assert!(clear.expect("takeover is told") >= later + T.clear_after());
    assert!(later > acknowledged);
}

/// Found by the simulator: what a leader lent rested on others' acknowledgements. When it follows, its own
/// word must hold the next leader back as theirs would.
#[test]
fn a_former_leader_reports_its_leadership_as_acknowledged_until_now() {
    let mut world = World::new();
    let mut effects = Effects::new();
    let follower = Standing::Follower {
        leader: Pnn(1),
        term: Term(2),
    };
    world.nodes[0].step(world.now, Input::Standing(follower), &mut effects);
    let age = effects.drain().find_map(|effect| match effect {
        Effect::Send { keepalive, .. } => Some(keepalive.old_ack_age_ms),
        _ => None,
    });
    assert_eq!(age, Some(0));
}

/// Found by the simulator: two nodes are elected within a moment. A follower of the first one acknowledges it
/// once, then follows the second, which can't reach the first and has to know of that acknowledgement.
#[test]
fn a_leader_that_was_followed_for_a_moment_was_acknowledged() {
    let mut world = World::new();
    for node in 0..3 {
        world.feed(node, Input::Standing(Standing::Searching));
    }
    world.run(Duration::from_secs(5));
    let mut effects = Effects::new();
    for (leader, term) in [(Pnn(0), Term(2)), (Pnn(2), Term(3))] {
        effects.drain();
        let standing = Standing::Follower { leader, term };
        world.nodes[1].step(world.now, Input::Standing(standing), &mut effects);
    }
    let age = effects.drain().find_map(|effect| match effect {
        Effect::Send { keepalive, .. } => Some(keepalive.old_ack_age_ms),
        _ => None,
    });
    let heard_within = (T.keepalive_interval + DELAY).as_millis();
    assert!(
        age.is_some_and(|age| u128::from(age) <= heard_within),
        "{age:?}"
    );
}
