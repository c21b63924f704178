//! The rules of the choice, the file, the variables, and a small cluster in which no address is on two nodes.

use super::choice::{Limits, choose};
use super::config::Config;
use super::group::Group;
use super::io::{Effect, Input, Part, Role};
use super::machine::Natgw;
use crate::election::standing::Standing;
use crate::flags::{Capabilities, NodeFlags};
use crate::group_file;
use crate::heartbeat::message::NodeState;
use crate::id::{Pnn, Term};
use crate::machine::{Effects, Machine};
use crate::membership::view::{MembershipView, NodeView};
use crate::takeover::io::LeaseId;
use crate::time::Instant;
use crate::timing::Timing;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

const PUBLIC: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 227));

fn private(node: u8) -> IpAddr {
    IpAddr::from([192, 168, 1, node + 1])
}

fn node(flags: NodeFlags) -> NodeView {
    NodeView {
        flags,
        state: NodeState {
            capabilities: Capabilities::default() | Capabilities::NATGW,
            ..NodeState::default()
        },
        same_leader: true,
    }
}

/// Letters of a node: H unhealthy, B banned, S stopped, D disabled, X disconnected, C not capable, `.` fine.
fn nodes(text: &str) -> Vec<NodeView> {
    let one = |word: &str| {
        let mut flags = NodeFlags::empty();
        for (letter, flag) in [
            ('H', NodeFlags::UNHEALTHY),
            ('B', NodeFlags::BANNED),
            ('S', NodeFlags::STOPPED),
            ('D', NodeFlags::DISABLED),
            ('X', NodeFlags::DISCONNECTED),
        ] {
            flags.set(flag, word.contains(letter));
        }
        let mut node = node(flags);
        if word.contains('C') {
            node.state.capabilities.remove(Capabilities::NATGW);
        }
        node
    };
    text.split(' ').map(one).collect()
}

#[test]
fn the_choice() {
    let all = "192.168.1.1\n192.168.1.2\n192.168.1.3\n";
    let reversed = "192.168.1.3\n192.168.1.2\n192.168.1.1\n";
    let follower = "192.168.1.1 follower-only\n192.168.1.2\n192.168.1.3 slave-only\n";
    let pair = "# site B\n192.168.1.2\n192.168.1.3\n";
    for (file, state, chosen) in [
        (all, ". . .", Some(0)),
        (reversed, ". . .", Some(0)),
        (all, "H . .", Some(1)),
        (all, "X D .", Some(2)),
        (all, "H H H", Some(0)),
        (all, "S BH H", Some(1)),
        (all, "D X S", Some(2)),
        (all, "D X D", None),
        (follower, ". . .", Some(1)),
        (follower, ". H .", Some(1)),
        (follower, ". X .", None),
        (pair, ". . .", Some(1)),
        (all, "C . .", Some(1)),
        (all, "C C C", None),
    ] {
        let nodes = nodes(state);
        let group = group(file);
        let listed = (0..).map(Pnn).zip(&nodes);
        let listed = listed.map(|(pnn, node)| (pnn, private(pnn.0 as u8), node));
        let limits = Limits {
            capable_only: true,
            ..Limits::default()
        };
        let found = choose(&group, listed, &limits).map(|(pnn, _)| pnn.0);
        assert_eq!(found, chosen, "{file}{state}");
    }
}

fn group(file: &str) -> Group {
    let (lines, faults) = group_file::parse(file);
    assert_eq!(faults, []);
    Group(lines)
}

fn variables(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.trim().split_once('='));
    lines
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

const SEED: &str = "CTDB_NATGW_NODES=/etc/ctdb/natgw_nodes
    CTDB_NATGW_PRIVATE_NETWORK=192.168.1.0/24
    CTDB_NATGW_PUBLIC_IP=10.0.0.227/24
    CTDB_NATGW_PUBLIC_IFACE=eth0
    CTDB_NATGW_DEFAULT_GATEWAY=10.0.0.1";

#[test]
fn the_seeds_variables() {
    let config = Config::from_variables(&variables(SEED))
        .expect("good")
        .expect("wanted");
    let side = config.need_public_side().expect("a public side");
    assert_eq!(
        (side.address, side.prefix, &*side.interface),
        (PUBLIC, 24, "eth0")
    );
    let shown = |routing: crate::routing::route::Routing| routing.routes[0].to_string();
    assert_eq!(
        shown(config.gateway_routes()),
        "0.0.0.0/0 via 10.0.0.1 metric 10"
    );
    let follower = shown(config.follower_routes(private(0)));
    assert_eq!(follower, "0.0.0.0/0 via 192.168.1.1 metric 10");

    let routes = format!("{SEED}\nCTDB_NATGW_STATIC_ROUTES=10.2.3.4/16@10.0.0.9 10.3.0.0/16");
    let config = Config::from_variables(&variables(&routes))
        .expect("good")
        .expect("wanted");
    let routes: Vec<String> = config
        .gateway_routes()
        .routes
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        routes,
        [
            "10.2.0.0/16 via 10.0.0.9 metric 10",
            "10.3.0.0/16 via 10.0.0.1 metric 10"
        ]
    );
    assert_eq!(Config::from_variables(&BTreeMap::new()), Ok(None));
}

#[test]
fn bad_variables_are_named() {
    for (change, named) in [
        (
            "CTDB_NATGW_PRIVATE_NETWORK=",
            "CTDB_NATGW_PRIVATE_NETWORK: is not set",
        ),
        (
            "CTDB_NATGW_PRIVATE_NETWORK=net",
            "CTDB_NATGW_PRIVATE_NETWORK: \"net\"",
        ),
        ("CTDB_NATGW_PUBLIC_IP=", "CTDB_NATGW_PUBLIC_IP: is not set"),
        ("CTDB_NATGW_PUBLIC_IP=10.0.0.1", "with its mask"),
        (
            "CTDB_NATGW_PUBLIC_IFACE=",
            "CTDB_NATGW_PUBLIC_IFACE: is not set",
        ),
        (
            "CTDB_NATGW_DEFAULT_GATEWAY=gate",
            "CTDB_NATGW_DEFAULT_GATEWAY: \"gate\"",
        ),
        ("CTDB_NATGW_DEFAULT_GATEWAY=fd00::1", "another family"),
        (
            "CTDB_NATGW_STATIC_ROUTES=x@10.0.0.1",
            "CTDB_NATGW_STATIC_ROUTES: \"x@",
        ),
    ] {
        let error = Config::from_variables(&variables(&format!("{SEED}\n{change}")));
        let error = error.expect_err(change).to_string();
        assert!(error.contains(named), "{change}: {error}");
    }
}

/// Machines with links that lose nothing while they are up, and a kernel that obeys at once.
struct World {
    now: Instant,
    machines: Vec<Natgw>,
    /// Who has the address.
    present: Vec<bool>,
    roles: Vec<Role>,
    refused: Vec<Option<String>>,
    wire: VecDeque<(usize, Pnn, super::message::NatgwMessage)>,
    cut: Vec<usize>,
    leader: usize,
    term: u64,
    flags: Vec<NodeFlags>,
}

impl World {
    fn new(count: usize) -> Self {
        let addresses: Vec<Option<IpAddr>> = (0..count).map(|n| Some(private(n as u8))).collect();
        let machine = |n| Natgw::new(Pnn(n as u32), addresses.clone(), Timing::default());
        let mut world = Self {
            now: Instant::from_start(Duration::from_secs(10)),
            machines: (0..count).map(machine).collect(),
            present: vec![false; count],
            roles: vec![Role::None; count],
            refused: vec![None; count],
            wire: VecDeque::new(),
            cut: Vec::new(),
            leader: count - 1,
            term: 1,
            flags: vec![NodeFlags::UNHEALTHY; count],
        };
        for n in 0..count {
            world.feed(n, Input::Configure(Some(part(count))));
            world.feed(
                n,
                Input::Lease {
                    alive: Some(LeaseId(1)),
                },
            );
        }
        world.view();
        for n in 0..count {
            for peer in (0..count).filter(|peer| *peer != n) {
                world.feed(
                    n,
                    Input::Reachable {
                        peer: Pnn(peer as u32),
                    },
                );
            }
        }
        world
    }

    fn feed(&mut self, n: usize, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut fx = Effects::new();
            self.machines[n].step(self.now, input, &mut fx);
            for effect in fx.drain() {
                match effect {
                    Effect::Send { peer, message } => {
                        self.wire.push_back((n, peer, message));
                    }
                    Effect::Add(address, _) => {
                        self.present[n] = true;
                        inputs.push(Input::Kernel {
                            address,
                            present: true,
                            error: None,
                        });
                    }
                    Effect::Remove(address) => {
                        self.present[n] = false;
                        inputs.push(Input::Kernel {
                            address,
                            present: false,
                            error: None,
                        });
                    }
                    Effect::Role(role) => self.roles[n] = role,
                    Effect::View(view) => self.refused[n] = view.refused,
                    Effect::Left | Effect::Log(_) => {}
                }
            }
            let holders = self.present.iter().filter(|held| **held).count();
            assert!(
                holders <= 1,
                "the address is on {holders} nodes: {:?}",
                self.present
            );
        }
    }

    fn view(&mut self) {
        for n in (0..self.machines.len())
            .filter(|n| !self.cut.contains(n))
            .collect::<Vec<_>>()
        {
            let seen = |other: usize| {
                let lost = self.cut.contains(&other);
                let mut flags = self.flags[other];
                flags.set(NodeFlags::DISCONNECTED, lost);
                node(flags)
            };
            let term = Term(self.term);
            let standing = if n == self.leader {
                Standing::Leader {
                    term,
                    mandate: crate::election::standing::Mandate::Side,
                }
            } else {
                Standing::Follower {
                    leader: Pnn(self.leader as u32),
                    term,
                }
            };
            let view = MembershipView {
                own: Pnn(n as u32),
                standing,
                nodes: (0..self.machines.len()).map(seen).collect(),
                ..MembershipView::default()
            };
            self.feed(n, Input::View(view));
        }
    }

    /// Delivers, and lets time pass.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            while let Some((from, to, message)) = self.wire.pop_front() {
                let to = to.0 as usize;
                if !self.cut.contains(&from) && !self.cut.contains(&to) {
                    let peer = Pnn(from as u32);
                    self.feed(to, Input::Message { peer, message });
                }
            }
            self.now = self.now + Duration::from_millis(10);
            for n in 0..self.machines.len() {
                if self.machines[n].deadline().is_some_and(|at| at <= self.now) {
                    self.feed(n, Input::Timeout);
                }
            }
        }
    }

    fn holder(&self) -> Option<usize> {
        self.present.iter().position(|held| *held)
    }

    fn set(&mut self, n: usize, flags: NodeFlags) {
        self.flags[n] = flags;
        self.view();
        self.run(Duration::from_millis(500));
    }
}

fn part(count: usize) -> Part {
    let lines: Vec<String> = (0..count).map(|n| private(n as u8).to_string()).collect();
    Part {
        group: group(&lines.join("\n")),
        address: Some(PUBLIC),
    }
}

#[test]
fn it_moves_when_a_better_node_comes() {
    let mut world = World::new(3);
    world.run(Duration::from_secs(1));
    assert_eq!(
        world.holder(),
        Some(0),
        "all are unhealthy, as at a cold start"
    );
    assert_eq!(
        world.roles,
        [
            Role::Gateway,
            Role::Follower(private(0)),
            Role::Follower(private(0))
        ]
    );
    world.set(1, NodeFlags::empty());
    assert_eq!(world.holder(), Some(1));
    world.set(0, NodeFlags::empty());
    assert_eq!(world.holder(), Some(0));
    world.feed(0, Input::Leave);
    world.flags[0] = NodeFlags::DISABLED;
    world.view();
    world.run(Duration::from_millis(500));
    assert_eq!((world.holder(), world.roles[0]), (Some(1), Role::None));
}

/// Whoever goes says so: the others do not send to it until its end is noticed.
#[test]
fn a_node_that_leaves_or_is_switched_off_is_replaced_at_once() {
    for input in [Input::Leave, Input::Configure(None)] {
        let mut world = World::new(3);
        world.run(Duration::from_secs(1));
        world.feed(0, input);
        world.run(Duration::from_millis(500));
        assert_eq!(world.holder(), Some(1));
        let roles = [Role::None, Role::Gateway, Role::Follower(private(1))];
        assert_eq!(world.roles, roles);
    }
}

/// Else a group whose services need the outside would be UNHEALTHY for ever.
#[test]
fn a_gateway_without_a_link_is_the_last_choice() {
    let mut world = World::new(2);
    world.run(Duration::from_secs(1));
    assert_eq!(world.holder(), Some(0));
    world.feed(0, Input::Link(false));
    world.run(Duration::from_millis(500));
    assert_eq!(world.holder(), Some(1), "all are UNHEALTHY");
    world.set(0, NodeFlags::empty());
    assert_eq!(world.holder(), Some(1), "its check may be still to come");
    world.feed(1, Input::Link(false));
    world.run(Duration::from_millis(500));
    assert_eq!(world.holder(), Some(0));
    world.feed(1, Input::Link(true));
    world.run(Duration::from_millis(500));
    assert_eq!(world.holder(), Some(1));
}

/// A node that is chosen lets nothing through untranslated.
#[test]
fn the_chosen_node_waits_for_its_address() {
    let mut world = World::new(2);
    world.run(Duration::from_secs(1));
    world.feed(0, Input::Lease { alive: None });
    assert_eq!((world.holder(), world.roles[0]), (None, Role::Waiting));
    assert_eq!(world.roles[1], Role::Follower(private(0)));
}

#[test]
fn a_new_node_of_the_nodes_file_may_be_the_gateway() {
    let mut world = World::new(2);
    let gone = vec![None, Some(private(1))];
    for n in 0..2 {
        world.feed(n, Input::Nodes(gone.clone()));
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.holder(), Some(1));
    for n in 0..2 {
        world.feed(n, Input::Nodes(vec![Some(private(0)), Some(private(1))]));
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.holder(), Some(0));
}

/// The silent node may answer for the address until its lease has certainly ended.
#[test]
fn a_lost_gateways_lease_is_waited_out() {
    let mut world = World::new(3);
    world.run(Duration::from_secs(1));
    world.cut.push(0);
    let clear_at = world.now + Duration::from_secs(2);
    for n in [1, 2] {
        world.feed(
            n,
            Input::Unreachable {
                peer: Pnn(0),
                clear_at,
            },
        );
    }
    world.view();
    world.run(Duration::from_millis(1_900));
    assert_eq!(world.holder(), Some(0), "its lease may hold");
    world.feed(0, Input::Lease { alive: None });
    assert_eq!(world.holder(), None);
    world.run(Duration::from_millis(300));
    assert_eq!(world.holder(), Some(1));

    // It comes back with a new lease and is the better choice.
    world.cut.clear();
    for n in [1, 2] {
        world.feed(n, Input::Reachable { peer: Pnn(0) });
        world.feed(
            0,
            Input::Reachable {
                peer: Pnn(n as u32),
            },
        );
    }
    world.feed(
        0,
        Input::Lease {
            alive: Some(LeaseId(2)),
        },
    );
    world.view();
    world.run(Duration::from_secs(1));
    assert_eq!(world.holder(), Some(0));
}

/// What an earlier leader granted is known to the next one only by the nodes themselves.
#[test]
fn a_new_leader_asks_before_it_grants() {
    let mut world = World::new(3);
    world.run(Duration::from_secs(1));
    for (leader, better) in [(0, 1), (1, 2), (2, 0)] {
        (world.leader, world.term) = (leader, world.term + 1);
        world.flags = vec![NodeFlags::UNHEALTHY; 3];
        world.flags[better] = NodeFlags::empty();
        world.view();
        world.run(Duration::from_millis(500));
        assert_eq!(world.holder(), Some(better));
    }
}

#[test]
fn a_node_in_two_groups_is_refused() {
    let mut world = World::new(4);
    let sites = [(vec![0, 1], [0, 1]), (vec![1, 2, 3], [2, 3])];
    for (members, nodes) in sites {
        let lines: Vec<String> = members.iter().map(|n| private(*n).to_string()).collect();
        let group = group(&lines.join("\n"));
        for n in nodes {
            let part = Part {
                group: group.clone(),
                address: Some(PUBLIC),
            };
            world.feed(n, Input::Configure(Some(part)));
        }
    }
    world.flags = vec![NodeFlags::empty(); 4];
    world.flags[0] = NodeFlags::DISABLED;
    world.view();
    world.run(Duration::from_secs(9));
    assert_eq!(
        world.refused[1], None,
        "the files may be just being changed"
    );
    world.run(Duration::from_secs(2));
    let reason = world.refused[1].clone().expect("it is in both");
    assert!(
        reason.contains("192.168.1.2 is in two NATGW groups"),
        "{reason}"
    );
    assert_eq!(world.refused[2], None);
    assert_eq!(
        world.holder(),
        Some(2),
        "the other group goes on without it"
    );
}
