//! ICMP errors as a router sends them: "this was too long", with the beginning of the packet.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// What the router's next link takes, in bytes.
const MTU: u16 = 1_300;
const DESTINATION_UNREACHABLE: u8 = 3;
const FRAGMENTATION_NEEDED: u8 = 4;
const PACKET_TOO_BIG: u8 = 2;
const TCP: u8 = 6;

/// Sends, from the address `router`, an error about a packet that `server` sent to `client`.
pub(super) fn too_big(router: IpAddr, server: SocketAddr, client: SocketAddr) -> io::Result<()> {
    let (domain, protocol) = if server.is_ipv4() {
        (Domain::IPV4, Protocol::ICMPV4)
    } else {
        (Domain::IPV6, Protocol::ICMPV6)
    };
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    socket.bind(&SocketAddr::new(router, 0).into())?;
    let quoted = quoted(server, client);
    let mut message = match server {
        SocketAddr::V4(_) => vec![DESTINATION_UNREACHABLE, FRAGMENTATION_NEEDED, 0, 0, 0, 0],
        // The upper half of the MTU is zero too.
        SocketAddr::V6(_) => vec![PACKET_TOO_BIG, 0, 0, 0, 0, 0],
    };
    message.extend(MTU.to_be_bytes());
    message.extend(quoted);
    if server.is_ipv4() {
        // That of ICMPv6 is the kernel's work.
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    let to = SocketAddr::new(server.ip(), 0);
    socket.send_to(&message, &to.into()).map(drop)
}

/// Head of the packet, and the ports.
fn quoted(server: SocketAddr, client: SocketAddr) -> Vec<u8> {
    let mut packet = Vec::new();
    match (server.ip(), client.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            packet.extend([0x45, 0, 5, 220, 0, 0, 0x40, 0, 64, TCP, 0, 0]);
            packet.extend(from.octets());
            packet.extend(to.octets());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            packet.extend([0x60, 0, 0, 0, 5, 180, TCP, 64]);
            packet.extend(from.octets());
            packet.extend(to.octets());
        }
        _ => unreachable!("a connection has one family"),
    }
    packet.extend(server.port().to_be_bytes());
    packet.extend(client.port().to_be_bytes());
    // Sequence number; whether it is in the window does not matter on the way.
    packet.extend([0; 16]);
    packet
}

fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2);
    let word = |pair: &[u8]| (u32::from(pair[0]) << 8) | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u32 = words.map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_its_checksum_sums_up_to_nothing() {
        let mut message = vec![3, 4, 0, 0, 0, 0, 5, 20, 7, 9];
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(checksum(&message), 0);
    }
}
