//! TCP connections of an address between two real network namespaces: who hears of their end, and when.

mod netns;

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use ctdb_actors::net::address::Addresses;
use ctdb_actors::net::cleanup::release_all;
use ctdb_actors::net::connections::Connections;
use ctdb_actors::net::gate::{Block, Gate, GateConfig};
use ctdb_actors::net::kill::{Direction, kill};
use netns::{Client, held, inside, sh};

const PORT: u16 = 4451;
const PUBLIC: [&str; 2] = ["10.7.1.1", "fd07::1:1"];
/// Nothing came for so long: nothing comes.
const SILENCE: Duration = Duration::from_millis(300);

fn addresses() -> BTreeSet<IpAddr> {
    PUBLIC
        .iter()
        .map(|ip| ip.parse().expect("an address"))
        .collect()
}

/// Sets both public addresses.
fn set_public() {
    let wanted = [held(PUBLIC[0], 16, "eth1"), held(PUBLIC[1], 64, "eth1")];
    for result in Addresses::open().unwrap().add(&wanted, None) {
        result.unwrap();
    }
}

fn remove_public() {
    let gone = [held(PUBLIC[0], 16, "eth1"), held(PUBLIC[1], 64, "eth1")];
    for result in Addresses::open().unwrap().remove(&gone) {
        result.unwrap();
    }
}

fn open_gate(addresses: &[IpAddr]) -> Gate {
    Gate::open(&GateConfig {
        interfaces: vec!["eth1".to_owned()],
        addresses: addresses.to_vec(),
    })
    .unwrap()
}

/// A server for both families, as smbd has it.
fn server() -> TcpListener {
    TcpListener::bind(("::", PORT)).expect("a free port")
}

fn connect(client: &Client, ip: &'static str) -> std::io::Result<TcpStream> {
    let at = SocketAddr::new(ip.parse().expect("an address"), PORT);
    let connecting = client.run(move || TcpStream::connect_timeout(&at, Duration::from_secs(5)));
    connecting.join().expect("no panic")
}

/// Whether the client's end can be used still.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Nothing,
    Reset,
    Bytes,
}

fn hear(stream: &mut TcpStream, limit: Duration) -> Heard {
    stream.set_read_timeout(Some(limit)).unwrap();
    match stream.read(&mut [0; 8]) {
        Ok(_) => Heard::Bytes,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Heard::Reset,
        Err(error) if error.kind() == ErrorKind::WouldBlock => Heard::Nothing,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_connections_of_an_address_end_and_their_clients_are_reset() {
    inside(
        "the_connections_of_an_address_end_and_their_clients_are_reset",
        || {
            let client = Client::new();
            set_public();
            let server = server();
            let mut clients: Vec<TcpStream> = PUBLIC.map(|ip| connect(&client, ip).unwrap()).into();
            let mut other = connect(&client, "10.7.0.1").unwrap();
            let mut accepted: Vec<TcpStream> = (0..3).map(|_| server.accept().unwrap().0).collect();
            let mut kernel = Connections::open().unwrap();
            let mut found = kernel.of(&addresses()).unwrap();
            found.sort_by_key(|connection| connection.local);
            let locals: Vec<SocketAddr> = found.iter().map(|connection| connection.local).collect();
            let wanted = PUBLIC.map(|ip| SocketAddr::new(ip.parse().unwrap(), PORT));
            assert_eq!(locals, wanted);
            let remotes: Vec<SocketAddr> =
                found.iter().map(|connection| connection.remote).collect();
            let ends: Vec<SocketAddr> = clients
                .iter()
                .map(|end| end.local_addr().unwrap())
                .collect();
            assert_eq!(remotes, ends);
            let (ended, result) = kernel.destroy(&found);
            result.expect("the kernel can end connections");
            assert_eq!(ended, 2);
            for end in &mut clients {
                assert_eq!(hear(end, Duration::from_secs(5)), Heard::Reset);
            }
            accepted[2].write_all(b"still").unwrap();
            assert_eq!(hear(&mut other, Duration::from_secs(5)), Heard::Bytes);
            let (ended, result) = kernel.destroy(&found);
            result.expect("what has ended is no failure");
            assert_eq!(ended, 0);
            connect(&client, PUBLIC[0]).expect("the server listens as before");
        },
    );
}

#[test]
fn nobody_is_reset_once_the_address_is_gone() {
    inside("nobody_is_reset_once_the_address_is_gone", || {
        let client = Client::new();
        set_public();
        let all: Vec<IpAddr> = addresses().into_iter().collect();
        let mut gate = open_gate(&all);
        gate.refresh(Duration::from_secs(60)).unwrap();
        let server = server();
        let mut clients: Vec<TcpStream> = PUBLIC.map(|ip| connect(&client, ip).unwrap()).into();
        let mut accepted: Vec<TcpStream> = (0..2).map(|_| server.accept().unwrap().0).collect();
        remove_public();
        let mut kernel = Connections::open().unwrap();
        let found = kernel.of(&addresses()).unwrap();
        // IPv6 sends from any address.
        assert!(Block::Outgoing.begin(&all).unwrap());
        let (ended, result) = kernel.destroy(&found);
        result.unwrap();
        assert!(Block::Outgoing.end(&all).unwrap());
        assert_eq!(ended, 2, "they are found without the address");
        for (end, server_end) in clients.iter_mut().zip(&mut accepted) {
            assert_eq!(hear(end, SILENCE), Heard::Nothing);
            assert!(server_end.read(&mut [0; 8]).is_err(), "the server knows");
        }
    });
}

#[test]
fn the_guard_ends_the_connections_of_what_it_removes() {
    inside("the_guard_ends_the_connections_of_what_it_removes", || {
        let client = Client::new();
        set_public();
        let server = server();
        let _client_end = connect(&client, PUBLIC[0]).unwrap();
        let mut server_end = server.accept().unwrap().0;
        let done = release_all(&[held(PUBLIC[0], 16, "eth1"), held(PUBLIC[1], 64, "eth1")]);
        assert!(done.failures.is_empty(), "{:?}", done.failures);
        assert!(server_end.read(&mut [0; 8]).is_err());
        assert_eq!(Connections::open().unwrap().of(&addresses()).unwrap(), []);
    });
}

#[test]
fn a_blocked_address_lets_nothing_out_but_resets() {
    inside("a_blocked_address_lets_nothing_out_but_resets", || {
        let client = Client::new();
        set_public();
        let all: Vec<IpAddr> = addresses().into_iter().collect();
        assert!(
            !Block::ButResets.begin(&all).unwrap(),
            "there is no gate yet"
        );
        let mut gate = open_gate(&all);
        gate.refresh(Duration::from_secs(60)).unwrap();
        let server = server();
        let mut clients: Vec<TcpStream> = PUBLIC.map(|ip| connect(&client, ip).unwrap()).into();
        let mut accepted: Vec<TcpStream> = (0..2).map(|_| server.accept().unwrap().0).collect();
        assert!(Block::ButResets.begin(&all).unwrap());
        for (end, server_end) in clients.iter_mut().zip(&mut accepted) {
            server_end.write_all(b"lost").unwrap();
            assert_eq!(hear(end, SILENCE), Heard::Nothing, "data");
        }
        assert!(
            !client.pings(PUBLIC[0]) && !client.pings(PUBLIC[1]),
            "echoes"
        );
        let mut kernel = Connections::open().unwrap();
        let found = kernel.of(&addresses()).unwrap();
        kernel.destroy(&found).1.unwrap();
        for end in &mut clients {
            assert_eq!(hear(end, Duration::from_secs(5)), Heard::Reset);
        }
        assert!(client.hears("10.7.0.1"), "others are not concerned");
        assert!(Block::ButResets.end(&all).unwrap());
        assert!(client.hears(PUBLIC[0]) && client.hears(PUBLIC[1]));
        // The lease counts for resets too.
        let mut last = connect(&client, PUBLIC[0]).unwrap();
        gate.close_now().unwrap();
        let found = kernel.of(&addresses()).unwrap();
        kernel.destroy(&found).1.unwrap();
        assert_eq!(hear(&mut last, SILENCE), Heard::Nothing);
        gate.remove().unwrap();
        assert_eq!(sh("nft list tables"), "");
    });
}

#[test]
fn a_far_end_without_a_socket_here_is_reset_by_packets() {
    inside(
        "a_far_end_without_a_socket_here_is_reset_by_packets",
        || {
            let client = Client::new();
            set_public();
            let server = server();
            let mut clients: Vec<TcpStream> = PUBLIC.map(|ip| connect(&client, ip).unwrap()).into();
            // Resets of the kernel do not count here; ours have a window of their own.
            sh(
                "nft add table inet t; nft 'add chain inet t o { type filter hook output priority 0; }'",
            );
            sh("nft 'add rule inet t o tcp flags & rst == rst tcp window != 1234 drop'");
            let mut kernel = Connections::open().unwrap();
            let found = kernel.of(&addresses()).unwrap();
            assert_eq!(kernel.destroy(&found).0, 2);
            for end in &mut clients {
                assert_eq!(hear(end, SILENCE), Heard::Nothing);
            }
            let mut wanted: Vec<Direction> = clients
                .iter()
                .map(|end| Direction {
                    far: end.local_addr().unwrap(),
                    near: end.peer_addr().unwrap(),
                })
                .collect();
            // A connection that the far end does not have either: it says so.
            let mut unknown = wanted[0];
            unknown.far.set_port(1);
            wanted.push(unknown);
            assert_eq!(kill("eth1", &wanted).unwrap(), []);
            for end in &mut clients {
                assert_eq!(hear(end, Duration::from_secs(5)), Heard::Reset);
            }
            assert!(kill("eth9", &wanted).is_err(), "no such interface");
            // With a socket here no packets are needed, nor an interface.
            let end = connect(&client, PUBLIC[0]).unwrap();
            let mut accepted = loop {
                let (stream, from) = server.accept().unwrap();
                if from.port() == end.local_addr().unwrap().port() {
                    break stream;
                }
            };
            let direction = Direction {
                far: end.local_addr().unwrap(),
                near: end.peer_addr().unwrap(),
            };
            assert_eq!(kill("eth9", &[direction]).unwrap(), []);
            assert!(accepted.read(&mut [0; 8]).is_err());
        },
    );
}
