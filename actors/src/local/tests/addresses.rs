//! Public addresses and the connections on them.

use super::node::Node;
use super::tool::print;
use ctdb_protocol::client::public_ip::PublicIpList;
use ctdb_protocol::client::sockaddr::{Connection, SockAddr};
use ctdb_protocol::client::tickle::TickleList;
use ctdb_protocol::client::{ControlFlags, Opcode, Payload};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::takeover::view::{AddressStatus, AddressView, InterfaceStatus};
use std::net::{IpAddr, SocketAddr};

/// What both nodes of the recording say: three addresses, the middle one at node 1.
fn view(own: u32) -> AddressView {
    let status = |last: u8, owner: u32| AddressStatus {
        address: IpAddr::from([10, 77, 9, last]),
        prefix: 24,
        owner: Some(Pnn(owner)),
        active: (owner == own).then(|| "lo".into()),
        interfaces: vec!["lo".into()],
    };
    AddressView {
        addresses: vec![status(1, 0), status(2, 1), status(3, 0)],
        interfaces: vec![InterfaceStatus {
            name: "lo".into(),
            up: true,
            references: 2 - own,
        }],
    }
}

fn pair(test: &str) -> [Node; 2] {
    let nodes = Node::pair(test);
    for (own, node) in (0..).zip(&nodes) {
        node.context.board.set_addresses(view(own));
    }
    nodes
}

#[test]
fn the_tool_shows_what_the_recording_shows() {
    let [one, _two] = pair("shown");
    let list = "10.77.9.1 0\n10.77.9.2 1\n10.77.9.3 0\n";
    assert_eq!(
        print(&one, &["ip"]),
        format!("Public IPs on node 0\n{list}")
    );
    assert_eq!(
        print(&one, &["ip", "all"]),
        format!("Public IPs on ALL nodes\n{list}")
    );
    let info = "Public IP[10.77.9.1] info on node 0\n\
        IP:10.77.9.1\n\
        CurrentNode:0\n\
        NumInterfaces:1\n\
        Interface[1]: Name:lo Link:up References:2 (active)\n";
    assert_eq!(print(&one, &["ipinfo", "10.77.9.1"]), info);
    let ifaces = "Interfaces on node 0\nname:lo link:up references:2\n";
    assert_eq!(print(&one, &["ifaces"]), ifaces);
}

#[test]
fn only_addresses_that_could_be_here_are_available() {
    let [one, _two] = pair("available");
    let mut down = view(0);
    down.interfaces[0].up = false;
    one.context.board.set_addresses(down);
    let mut client = one.connect();
    assert_eq!(
        client
            .ok::<PublicIpList>(Opcode::GetPublicIps, &[])
            .ips
            .len(),
        3
    );
    let available = ControlFlags::PUBLIC_IPS_ONLY_AVAILABLE;
    let reqid = client.control_with(0, Opcode::GetPublicIps, 0, available, &[]);
    let list = PublicIpList::parse(&client.control_reply(reqid).data).expect("a list");
    assert!(list.ips.is_empty());
}

fn connection(server: &str) -> Connection {
    let at = |text: &str| SockAddr::from(text.parse::<SocketAddr>().expect("an address"));
    Connection {
        src: at("[::ffff:192.0.2.1]:40000"),
        dst: at(server),
    }
}

fn tickles(client: &mut super::raw::Raw, node: u32) -> Vec<Connection> {
    let address = SockAddr::from(IpAddr::from([10, 77, 9, 1])).to_bytes();
    let reply = client.control(node, Opcode::GetTcpTickleList, &address);
    TickleList::parse(&reply.data).expect("a list").connections
}

#[test]
fn connections_of_a_client_are_known_to_all_nodes_while_it_lives() {
    let [one, _two] = pair("tickles");
    let (mut smbd, mut observer) = (one.connect(), one.connect());
    let status = |client: &mut super::raw::Raw, server: &str| {
        client.status(0, Opcode::TcpClient, &connection(server).to_bytes())
    };
    assert_eq!(status(&mut smbd, "[::ffff:10.77.9.1]:445"), 0);
    assert_eq!(
        status(&mut smbd, "10.77.9.2:445"),
        -1,
        "it is at the other node"
    );
    assert_eq!(
        status(&mut smbd, "192.0.2.9:445"),
        0,
        "not a public address: forgotten"
    );
    let plain = Connection {
        src: SockAddr::from("192.0.2.1:40000".parse::<SocketAddr>().expect("an address")),
        dst: SockAddr::from("10.77.9.1:445".parse::<SocketAddr>().expect("an address")),
    };
    // The same lane brought the connection, so it is there before the question.
    assert_eq!(tickles(&mut observer, 0), [plain]);
    assert_eq!(tickles(&mut observer, 1), [plain]);
    drop(smbd);
    let begun = std::time::Instant::now();
    while !tickles(&mut observer, 1).is_empty() {
        assert!(begun.elapsed().as_secs() < 30);
    }
    assert!(tickles(&mut observer, 0).is_empty());
    let unknown = SockAddr::from(IpAddr::from([192, 0, 2, 9])).to_bytes();
    assert_eq!(observer.status(0, Opcode::GetTcpTickleList, &unknown), 1);
}

/// As Samba's later releases do: one process takes a connection on and passes it to another.
#[test]
fn a_connection_outlives_the_client_that_passed_it_on() {
    let [one, _two] = pair("passed");
    let (mut first, mut second, mut observer) = (one.connect(), one.connect(), one.connect());
    let own = connection("10.77.9.1:445").to_bytes();
    let status = |client: &mut super::raw::Raw, opcode| client.status(0, opcode, &own);
    assert_eq!(status(&mut first, Opcode::TcpClient), 0);
    assert_eq!(status(&mut second, Opcode::TcpClient), 0);
    assert_eq!(status(&mut first, Opcode::TcpClientPassed), 0);
    // It is not this one's any more.
    assert_eq!(status(&mut first, Opcode::TcpClientDisconnected), 0);
    assert_eq!(tickles(&mut observer, 1).len(), 1);
    let gone = first.control(0, Opcode::Ping, &[]).status - 1;
    drop(first);
    let begun = std::time::Instant::now();
    while observer.control(0, Opcode::Ping, &[]).status > gone {
        assert!(begun.elapsed().as_secs() < 30);
    }
    assert_eq!(tickles(&mut observer, 1).len(), 1);
    assert_eq!(status(&mut second, Opcode::TcpClientDisconnected), 0);
    assert!(tickles(&mut observer, 0).is_empty());
    assert!(tickles(&mut observer, 1).is_empty());
}

/// What a node has missed it learns within `TickleUpdateInterval`; the same brings a new node up to date.
#[test]
fn lists_of_connections_are_spread_again_and_again() {
    let [one, _two] = pair("spread");
    print(&one, &["setvar", "TickleUpdateInterval", "1"]);
    let mut client = one.connect();
    let own = connection("10.77.9.1:445");
    // Noted at its owner alone, as if the message to the other node had been lost.
    assert_eq!(client.status(0, Opcode::TcpAdd, &own.to_bytes()), 0);
    assert!(tickles(&mut client, 1).is_empty());
    let begun = std::time::Instant::now();
    while tickles(&mut client, 1).len() != 1 {
        assert!(begun.elapsed().as_secs() < 60, "not spread");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(client.status(0, Opcode::TcpRemove, &own.to_bytes()), 0);
    while !tickles(&mut client, 1).is_empty() {
        assert!(begun.elapsed().as_secs() < 60, "the removal is not spread");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
