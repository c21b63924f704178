//! One machine, fed by hand.

use super::electorate::Electorate;
use super::io::{Effect, Input, LockResult};
use super::machine::Election;
use super::message::ElectionMessage;
use super::standing::{Mandate, Standing};
use crate::flags::{Capabilities, NodeFlags, RunState};
use crate::heartbeat::message::{Claim, NodeState};
use crate::id::{Pnn, Term};
use crate::machine::{Effects, Machine};
use crate::time::Instant;
use crate::timing::Timing;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

const T: Timing = Timing::DEFAULT;

struct Bench {
    now: Instant,
    election: Election,
    effects: Vec<Effect>,
}

impl Bench {
    fn new(own: u32, nodes: u32, lock: bool) -> Self {
        let now = Instant::from_start(Duration::from_secs(5));
        let electorate = Electorate::new((0..nodes).map(Pnn), lock);
        let election = Election::new(Pnn(own), electorate, T, 1, now);
        let mut bench = Self {
            now,
            election,
            effects: Vec::new(),
        };
        bench.feed(Input::Own(ready()));
        bench
    }

    fn feed(&mut self, input: Input) {
        let mut effects = Effects::new();
        self.election.step(self.now, input, &mut effects);
        self.effects.extend(
            effects
                .drain()
                .filter(|effect| !matches!(effect, Effect::Log(_))),
        );
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.election.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.feed(Input::Timeout);
        }
        self.now = end;
    }

    fn peer(&mut self, pnn: u32, leader: Option<u32>, term: u64) {
        let claim = Claim {
            leader: leader.map(Pnn),
            term: Term(term),
        };
        self.feed(Input::Peer {
            peer: Pnn(pnn),
            node: ready(),
            claim,
        });
    }

    fn down(&mut self, pnn: u32) {
        let last_heard = self.now - T.dead_after;
        self.feed(Input::PeerDown {
            peer: Pnn(pnn),
            departed: false,
            last_heard,
        });
    }

    fn take(&mut self) -> Vec<Effect> {
        core::mem::take(&mut self.effects)
    }

    /// Leads three nodes with the lock.
    fn leading() -> Self {
        let mut bench = Self::new(0, 3, true);
        bench.peer(1, None, 0);
        bench.peer(2, None, 0);
        bench.wait(T.keepalive_interval);
        bench.feed(Input::Lock(LockResult::Held));
        assert!(bench.election.standing().is_leader());
        bench.take();
        bench
    }
}

fn ready() -> NodeState {
    NodeState {
        run_state: RunState::Running,
        ..NodeState::default()
    }
}

#[test]
fn the_lock_is_wanted_only_with_enough_peers() {
    let mut bench = Bench::new(0, 3, true);
    bench.wait(T.minority_wait / 2);
    assert_eq!(bench.take(), []);
    bench.peer(1, None, 4);
    bench.wait(T.election_stagger * 2);
    assert_eq!(bench.take(), [Effect::TakeLock]);
    bench.feed(Input::Lock(LockResult::Held));
    let standing = Standing::Leader {
        term: Term(5),
        mandate: Mandate::Side,
    };
    assert_eq!(bench.take(), [Effect::Standing(standing)]);
}

#[test]
fn contention_is_tried_again_until_somebody_leads() {
    let mut bench = Bench::new(0, 3, true);
    bench.peer(1, None, 0);
    for _ in 0..3 {
        bench.wait(T.lock_retry * 2);
        assert_eq!(bench.take(), [Effect::TakeLock]);
        bench.feed(Input::Lock(LockResult::Contended));
    }
    bench.peer(1, Some(1), 1);
    let follower = Standing::Follower {
        leader: Pnn(1),
        term: Term(1),
    };
    assert_eq!(bench.take(), [Effect::Standing(follower)]);
    bench.wait(Duration::from_secs(60));
    assert_eq!(bench.take(), []);
}

#[test]
fn a_leader_without_its_side_frees_the_lock_and_lets_others_go_first() {
    let mut bench = Bench::leading();
    bench.down(1);
    bench.down(2);
    bench.feed(Input::AuthorityLost {
        reason: String::from("nobody follows"),
    });
    assert_eq!(
        bench.take(),
        [Effect::ReleaseLock, Effect::Standing(Standing::Searching)]
    );
    bench.wait(T.lease_hold + T.minority_wait / 2);
    assert_eq!(bench.take(), []);
    // Nobody took it: the last node serves alone.
    bench.wait(T.minority_wait);
    assert_eq!(bench.take(), [Effect::TakeLock]);
    bench.feed(Input::Lock(LockResult::Held));
    let standing = Standing::Leader {
        term: Term(2),
        mandate: Mandate::LockAlone,
    };
    assert_eq!(bench.take(), [Effect::Standing(standing)]);
}

#[test]
fn a_lone_leader_rests_on_its_side_again_when_it_has_nodes_to_spare() {
    let mut bench = Bench::leading();
    bench.down(1);
    bench.wait(Duration::from_secs(11));
    let standing = |mandate| {
        Effect::Standing(Standing::Leader {
            term: Term(1),
            mandate,
        })
    };
    assert_eq!(bench.take(), [standing(Mandate::LockAlone)]);
    bench.peer(1, Some(0), 1);
    assert_eq!(bench.take(), [standing(Mandate::Side)]);
}

#[test]
fn a_node_that_may_not_lead_steps_down_and_stays_down() {
    let spoils: [fn(&mut NodeState); 4] = [
        |node| node.flags = NodeFlags::STOPPED,
        |node| node.flags = NodeFlags::BANNED,
        |node| node.capabilities = Capabilities::LMASTER,
        |node| node.run_state = RunState::Shutdown,
    ];
    for spoil in spoils {
        let mut bench = Bench::leading();
        let mut node = ready();
        spoil(&mut node);
        bench.feed(Input::Own(node));
        assert_eq!(
            bench.take(),
            [Effect::ReleaseLock, Effect::Standing(Standing::Searching)]
        );
        bench.wait(Duration::from_secs(30));
        assert_eq!(bench.take(), []);
    }
}

#[test]
fn a_lock_won_after_the_attempt_was_given_up_is_not_used() {
    let mut bench = Bench::new(0, 3, true);
    bench.peer(1, None, 0);
    bench.wait(T.keepalive_interval);
    bench.peer(1, Some(1), 3);
    assert_eq!(
        bench.take(),
        [
            Effect::TakeLock,
            Effect::ReleaseLock,
            Effect::Standing(Standing::Follower {
                leader: Pnn(1),
                term: Term(3)
            }),
        ]
    );
    bench.feed(Input::Lock(LockResult::Held));
    assert_eq!(bench.take(), []);
}

#[test]
fn without_a_lock_a_majority_of_votes_decides() {
    let mut bench = Bench::new(0, 5, false);
    for pnn in 1..4 {
        bench.peer(pnn, None, 0);
    }
    bench.wait(T.lease_hold);
    let term = Term(1);
    let asked = |pnn| Effect::Send {
        peer: Pnn(pnn),
        message: ElectionMessage::VoteRequest { term },
    };
    assert_eq!(bench.take(), [asked(1), asked(2), asked(3)]);
    let message = ElectionMessage::VoteGrant { term };
    bench.feed(Input::Message {
        peer: Pnn(1),
        message,
    });
    // A vote of the same node counts once.
    bench.feed(Input::Message {
        peer: Pnn(1),
        message,
    });
    assert_eq!(bench.take(), []);
    bench.feed(Input::Message {
        peer: Pnn(2),
        message,
    });
    let standing = Standing::Leader {
        term,
        mandate: Mandate::Side,
    };
    assert_eq!(bench.take(), [Effect::Standing(standing)]);
}

#[test]
fn a_vote_is_given_once_a_term_and_never_against_a_promise() {
    let mut bench = Bench::new(4, 5, false);
    for pnn in 0..4 {
        bench.peer(pnn, None, 0);
    }
    let ask = |pnn, term| Input::Message {
        peer: Pnn(pnn),
        message: ElectionMessage::VoteRequest { term: Term(term) },
    };
    // An earlier life of this node may have promised itself to somebody.
    bench.feed(ask(1, 7));
    assert_eq!(bench.take(), []);
    bench.now = bench.now + T.lease_hold;
    bench.feed(ask(1, 7));
    let grant = ElectionMessage::VoteGrant { term: Term(7) };
    assert_eq!(
        bench.take(),
        [Effect::Send {
            peer: Pnn(1),
            message: grant
        }]
    );
    bench.feed(ask(2, 7));
    assert_eq!(bench.take(), []);
    // It follows a leader and loses it: the old leader may count on it for a while.
    bench.peer(2, Some(2), 8);
    bench.take();
    bench.down(2);
    bench.take();
    bench.feed(ask(3, 9));
    assert_eq!(bench.take(), []);
}

#[test]
fn two_leaders_of_one_term_leave_one() {
    let mut bench = Bench::leading();
    bench.peer(2, Some(2), 1);
    assert_eq!(bench.take(), []);
    bench.peer(2, Some(2), 2);
    let follower = Standing::Follower {
        leader: Pnn(2),
        term: Term(2),
    };
    assert_eq!(
        bench.take(),
        [Effect::ReleaseLock, Effect::Standing(follower)]
    );
}
