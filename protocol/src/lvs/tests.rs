//! The machine: who is told what, and what the kernel shall do.

use super::group::{Group, Role};
use super::io::{Effect, Input, Plan};
use super::machine::Lvs;
use super::message::LvsMessage;
use crate::flags::{Capabilities, NodeFlags, RunState};
use crate::heartbeat::message::NodeState;
use crate::id::Pnn;
use crate::machine::{Effects, Machine};
use crate::membership::view::{MembershipView, NodeView};
use crate::notice::Notice;
use crate::time::Instant;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

const ADDRESS: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 1, 1, 237));

struct World {
    machine: Lvs,
    now: Instant,
    plan: Plan,
    sent: Vec<(Pnn, LvsMessage)>,
    foreign: BTreeSet<Pnn>,
    complaints: Vec<Pnn>,
}

fn mac(pnn: u32) -> [u8; 6] {
    [2, 0, 0, 0, 0, pnn as u8]
}

fn seat(pnn: u32) -> Input {
    Input::Message {
        peer: Pnn(pnn),
        message: LvsMessage::Seat {
            address: ADDRESS,
            mac: Some(mac(pnn)),
        },
    }
}

/// Nodes that announce LVS and run, with these flags.
fn view(flags: &[NodeFlags]) -> Input {
    let node = |flags: &NodeFlags| NodeView {
        flags: *flags,
        state: NodeState {
            run_state: RunState::Running,
            capabilities: Capabilities::LVS,
            ..NodeState::default()
        },
        same_leader: true,
    };
    Input::View(MembershipView {
        nodes: flags.iter().map(node).collect(),
        ..MembershipView::default()
    })
}

impl World {
    fn new(listed: Option<Group>) -> Self {
        let now = Instant::ZERO + Duration::from_secs(1);
        Self {
            machine: Lvs::new(Pnn(0), ADDRESS, listed, now),
            now,
            plan: Plan::default(),
            sent: Vec::new(),
            foreign: BTreeSet::new(),
            complaints: Vec::new(),
        }
    }

    fn feed(&mut self, input: Input) -> &Plan {
        let mut effects = Effects::new();
        self.machine.step(self.now, input, &mut effects);
        for effect in effects.drain() {
            match effect {
                Effect::Send { peer, message } => self.sent.push((peer, message)),
                Effect::Apply(plan) => self.plan = plan,
                Effect::Foreign(nodes) => self.foreign = nodes,
                Effect::Log(Notice::LvsTwoGroups { node, .. }) => self.complaints.push(node),
                Effect::Log(_) => {}
            }
        }
        &self.plan
    }

    fn told(&mut self) -> Vec<Pnn> {
        self.sent.drain(..).map(|(peer, _)| peer).collect()
    }

    fn live(&self) -> Vec<u32> {
        self.plan.live.iter().map(|pnn| pnn.0).collect()
    }

    fn kept(&self) -> Vec<u32> {
        self.plan.seats.keys().map(|pnn| pnn.0).collect()
    }
}

/// Node 0 of three that all serve.
fn three() -> World {
    let mut world = World::new(None);
    world.feed(view(&[NodeFlags::empty(); 3]));
    world.feed(Input::Seat(Some(mac(0))));
    world.feed(seat(1));
    world.feed(seat(2));
    world.told();
    world
}

#[test]
fn only_nodes_that_said_where_they_are_serve() {
    let mut world = World::new(None);
    world.feed(view(&[NodeFlags::empty(); 3]));
    assert!(world.plan.member && world.live().is_empty());
    world.feed(seat(2));
    world.feed(Input::Seat(Some(mac(0))));
    assert_eq!(world.live(), [0, 2]);
    // Of another group.
    let address = IpAddr::from([10, 1, 1, 1]);
    let (peer, mac) = (Pnn(1), Some(mac(1)));
    let message = LvsMessage::Seat { address, mac };
    world.feed(Input::Message { peer, message });
    assert_eq!(world.live(), [0, 2]);
}

#[test]
fn unhealthy_and_disabled_nodes_keep_what_they_have_and_lost_ones_do_not() {
    let mut world = three();
    let ok = NodeFlags::empty();
    for (flags, live, kept) in [
        (NodeFlags::UNHEALTHY, vec![0, 2], vec![0, 1, 2]),
        (NodeFlags::DISABLED, vec![0, 2], vec![0, 1, 2]),
        (NodeFlags::STOPPED, vec![0, 2], vec![0, 2]),
        (NodeFlags::BANNED, vec![0, 2], vec![0, 2]),
        (NodeFlags::DISCONNECTED, vec![0, 2], vec![0, 2]),
        (ok, vec![0, 1, 2], vec![0, 1, 2]),
    ] {
        world.feed(view(&[ok, flags, ok]));
        assert_eq!((world.live(), world.kept()), (live, kept), "{flags:?}");
    }
    world.feed(view(&[NodeFlags::UNHEALTHY; 3]));
    assert_eq!(
        world.live(),
        [0, 1, 2],
        "unhealthy ones, as there are no others"
    );
}

#[test]
fn a_node_that_starts_or_ends_serves_nobody() {
    let mut world = three();
    let Input::View(mut view) = view(&[NodeFlags::empty(); 3]) else {
        return;
    };
    view.nodes[2].state.run_state = RunState::Shutdown;
    world.feed(Input::View(view));
    assert_eq!((world.live(), world.kept()), (vec![0, 1], vec![0, 1]));
}

#[test]
fn the_seat_is_told_to_who_comes_at_changes_and_now_and_then() {
    let mut world = three();
    let (ok, away) = (NodeFlags::empty(), NodeFlags::DISCONNECTED);
    world.feed(view(&[ok, away, ok]));
    assert!(world.told().is_empty());
    world.feed(view(&[ok, ok, ok]));
    assert_eq!(world.told(), [Pnn(1)]);
    world.feed(Input::Seat(None));
    assert_eq!(world.told(), [Pnn(1), Pnn(2)]);
    assert_eq!(world.live(), [1, 2]);
    world.now = world.machine.deadline().expect("always");
    world.feed(Input::Timeout);
    assert_eq!(world.told(), [Pnn(1), Pnn(2)]);
}

#[test]
fn a_group_file_counts_instead_of_what_nodes_announce() {
    let group = Group([(Pnn(0), Role::Any), (Pnn(2), Role::Follower)].into());
    let mut world = World::new(Some(group));
    world.feed(view(&[NodeFlags::empty(); 3]));
    world.feed(Input::Seat(Some(mac(0))));
    world.feed(seat(1));
    world.feed(seat(2));
    assert_eq!(world.live(), [0, 2]);
    let mut outside = World::new(Some(Group([(Pnn(1), Role::Any)].into())));
    outside.feed(view(&[NodeFlags::empty(); 3]));
    assert!(!outside.plan.member);
}

#[test]
fn switched_off_it_takes_everything_back() {
    let mut world = three();
    world.feed(Input::Held(true));
    assert!(world.plan.receives);
    assert_eq!(*world.feed(Input::Enabled(false)), Plan::default());
    assert!(world.feed(Input::Enabled(true)).receives);
}

#[test]
fn a_group_file_that_is_read_again_counts_at_once() {
    let mut world = three();
    world.feed(Input::Group(Some(Group(
        [(Pnn(0), Role::Any), (Pnn(1), Role::Any)].into(),
    ))));
    assert_eq!((world.live(), world.kept()), (vec![0, 1], vec![0, 1]));
    let without_this = Group([(Pnn(1), Role::Any)].into());
    assert!(!world.feed(Input::Group(Some(without_this))).member);
    world.feed(Input::Group(None));
    assert_eq!(world.live(), [0, 1, 2]);
}

/// The seat of a node of another group.
fn elsewhere(pnn: u32) -> Input {
    Input::Message {
        peer: Pnn(pnn),
        message: LvsMessage::Seat {
            address: IpAddr::from([10, 1, 1, 238]),
            mac: Some(mac(pnn)),
        },
    }
}

#[test]
fn a_node_in_two_groups_is_refused_by_the_one_that_it_does_not_belong_to() {
    let mut world = three();
    for _ in 0..2 {
        world.feed(elsewhere(2));
    }
    assert_eq!((world.live(), world.kept()), (vec![0, 1], vec![0, 1]));
    assert_eq!(world.foreign, BTreeSet::from([Pnn(2)]));
    assert_eq!(world.complaints, [Pnn(2)], "once");
    assert!(
        world.told().is_empty(),
        "it is told now and then in any case"
    );
    world.feed(seat(2));
    assert_eq!(world.live(), [0, 1, 2]);
    assert!(world.foreign.is_empty());
}

#[test]
fn a_node_that_another_group_counts_as_its_own_says_where_it_belongs() {
    let group = Group([(Pnn(0), Role::Any), (Pnn(1), Role::Any)].into());
    let mut world = World::new(Some(group));
    world.feed(view(&[NodeFlags::empty(); 3]));
    world.feed(Input::Seat(Some(mac(0))));
    world.feed(seat(1));
    world.told();
    for _ in 0..2 {
        world.feed(elsewhere(2));
        assert_eq!(world.told(), [Pnn(2)], "a message may be lost");
    }
    assert_eq!(world.complaints, [Pnn(0)], "once");
    assert!(world.foreign.is_empty(), "it is not in this group");
    assert_eq!(world.live(), [0, 1], "it goes on to serve its own");
}
