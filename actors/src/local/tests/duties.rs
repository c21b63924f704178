//! What admins ask of a node reaches its duties.

use super::node::Node;
use ctdb_protocol::client::ban::BanState;
use ctdb_protocol::client::iface::Iface;
use ctdb_protocol::client::srvid_message::SrvidMessage;
use ctdb_protocol::client::tunable::TunableSetting;
use ctdb_protocol::client::{Opcode, Payload, pnn, srvid};
use ctdb_protocol::flags::NodeFlags;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::membership::io::{Input, Request};
use ctdb_protocol::takeover;
use ctdb_protocol::takeover::view::{AddressView, InterfaceStatus};

const PORT: u64 = 0xBE00_0000_0000_0077;

/// Runs until `heard` has something for `pick`.
fn hear<I, T>(heard: &std::sync::Mutex<Vec<I>>, pick: impl Fn(&I) -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = heard.lock().unwrap().iter().find_map(&pick) {
            return found;
        }
        assert!(begun.elapsed().as_secs() < 30, "it was not heard");
        std::thread::yield_now();
    }
}

/// Number of requests that the membership duty heard; records tell it other things.
fn requests_heard(node: &Node) -> usize {
    let heard = node.heard.membership.lock().unwrap();
    let requests = heard
        .iter()
        .filter(|input| matches!(input, Input::Request(_)));
    requests.count()
}

fn asked(node: &Node, wanted: &dyn Fn(&Request) -> bool) {
    let request = |input: &Input| match input {
        Input::Request(request) if wanted(request) => Some(()),
        _ => None,
    };
    hear(&node.heard.membership, request);
}

#[test]
fn flags_roles_bans_and_recoveries_are_asked_for() {
    let [one, two] = Node::pair("duties");
    // From another node, as `ctdb -n 0 disable` does.
    let mut client = two.connect();
    let one_as_data = 1_u32.to_bytes();
    let requests: [(Opcode, &[u8], Request); 7] = [
        (Opcode::DisableNode, &[], Request::Disable),
        (Opcode::EnableNode, &[], Request::Enable),
        (Opcode::StopNode, &[], Request::Stop),
        (Opcode::ContinueNode, &[], Request::Continue),
        (Opcode::SetLmasterRole, &[0; 4], Request::LmasterRole(false)),
        (
            Opcode::SetRecmasterRole,
            &one_as_data,
            Request::LeaderRole(true),
        ),
        (
            Opcode::SetRecMode,
            &one_as_data,
            Request::Recover {
                reason: String::from("asked by a client"),
            },
        ),
    ];
    for (opcode, data, request) in requests {
        assert_eq!(client.status(0, opcode, data), 0, "{opcode}");
        asked(&one, &|heard| *heard == request);
    }
    let ban = BanState { pnn: 0, seconds: 9 };
    assert_eq!(client.status(0, Opcode::SetBanState, &ban.to_bytes()), 0);
    let is_ban = |heard: &Request| match heard {
        Request::Ban { seconds: 9, reason } => reason == "asked by a client of node 1",
        _ => false,
    };
    asked(&one, &is_ban);
    let mut banned = super::node::view(0, 2);
    banned.nodes[0].flags = NodeFlags::BANNED;
    one.context.board.set_view(banned);
    let state = client.control(0, Opcode::GetBanState, &[]);
    assert_eq!(BanState::parse(&state.data), Ok(ban));
    assert_eq!(requests_heard(&two), 0, "the other node is not concerned");
}

#[test]
fn bans_can_be_switched_off() {
    let node = Node::alone("no-bans");
    let mut client = node.connect();
    let off = TunableSetting {
        value: 0,
        name: "EnableBans".into(),
    }
    .to_bytes();
    assert_eq!(client.status(0, Opcode::SetTunable, &off), 0);
    let ban = BanState { pnn: 0, seconds: 9 }.to_bytes();
    assert_eq!(client.status(0, Opcode::SetBanState, &ban), 0);
    assert_eq!(client.status(0, Opcode::EnableNode, &[]), 0);
    asked(&node, &|heard| *heard == Request::Enable);
    assert_eq!(requests_heard(&node), 1);
}

#[test]
fn takeover_hears_of_runs_tunables_and_links() {
    let [one, two] = Node::pair("takeover");
    let interfaces = vec![InterfaceStatus {
        name: "eth0".into(),
        up: true,
        references: 0,
    }];
    let addresses = vec![];
    one.context.board.set_addresses(AddressView {
        addresses,
        interfaces,
    });
    let mut client = two.connect();
    let failback = TunableSetting {
        value: 1,
        name: "NoIPFailback".into(),
    }
    .to_bytes();
    assert_eq!(client.status(0, Opcode::SetTunable, &failback), 0);
    hear(&one.heard.takeover, |input| match input {
        takeover::io::Input::Settings(settings) => settings.no_ip_failback.then_some(()),
        _ => None,
    });
    let mut iface = Iface {
        name: "eth0".into(),
        link: 0,
        references: 0,
    };
    assert_eq!(
        client.status(0, Opcode::SetIfaceLinkState, &iface.to_bytes()),
        0
    );
    let down = takeover::io::Input::Interface {
        name: "eth0".into(),
        up: false,
    };
    hear(&one.heard.takeover, |input| (*input == down).then_some(()));
    iface.name = String::from("eth1");
    assert_eq!(
        client.status(0, Opcode::SetIfaceLinkState, &iface.to_bytes()),
        -1
    );
    // Only the leader carries out a run, and it answers when the run is over.
    client.register(PORT);
    let asker = SrvidMessage {
        pnn: 1,
        srvid: PORT,
    }
    .to_bytes();
    client.message(pnn::BROADCAST_CONNECTED, srvid::TAKEOVER_RUN, &asker);
    let request = hear(&one.heard.takeover, |input| match input {
        takeover::io::Input::WantRun { request } => Some(*request),
        _ => None,
    });
    one.context.board.run_done(request, Pnn(0));
    assert_eq!(client.recv().data, 0_i32.to_le_bytes());
    assert!(two.heard.takeover.lock().unwrap().is_empty());
}
