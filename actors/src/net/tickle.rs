//! Segments that make the other end of a TCP connection look at it again.
//!
//! A *tickle* is an ACK with the server's address as its source and numbers that cannot be right. The client's kernel
//! answers such a segment at once with an ACK that has the right ones (RFC 9293 section 3.10.7.4); where the address now
//! lives nobody knows the connection, so that kernel answers with RST, and the client connects anew instead of waiting
//! for its time-outs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::ipv4::MutableIpv4Packet;
use pnet::packet::ipv6::MutableIpv6Packet;
use pnet::packet::tcp::{self, MutableTcpPacket, TcpFlags};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::error::{NetError, Result};

const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;
const TCP_LEN: usize = 20;
const TTL: u8 = 64;
/// `IPPROTO_RAW`: the sender writes the IP header.
const WHOLE_PACKETS: i32 = 255;
/// Any but zero, which would ask the client to stop sending.
const WINDOW: u16 = 1_234;

/// The tickle from `server` to `client`, with its IP header; `None` if one is of IPv4 and the other of IPv6.
pub fn packet(server: SocketAddr, client: SocketAddr) -> Option<Vec<u8>> {
    segment(server, client, TcpFlags::ACK, 0)
}

/// The same for a reset of the client's end, whose number must be the one that it waits for.
pub fn reset_packet(server: SocketAddr, client: SocketAddr, number: u32) -> Option<Vec<u8>> {
    segment(server, client, TcpFlags::RST, number)
}

fn segment(server: SocketAddr, client: SocketAddr, flags: u8, number: u32) -> Option<Vec<u8>> {
    let mut segment = [0; TCP_LEN];
    {
        let mut tcp = MutableTcpPacket::new(&mut segment)?;
        tcp.set_source(server.port());
        tcp.set_destination(client.port());
        tcp.set_data_offset(5);
        tcp.set_sequence(number);
        tcp.set_flags(flags);
        tcp.set_window(WINDOW);
        let tcp_view = tcp.to_immutable();
        let sum = match (server.ip(), client.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => tcp::ipv4_checksum(&tcp_view, &from, &to),
            (IpAddr::V6(from), IpAddr::V6(to)) => tcp::ipv6_checksum(&tcp_view, &from, &to),
            _ => return None,
        };
        tcp.set_checksum(sum);
    }
    match (server.ip(), client.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => in_ipv4(from, to, &segment),
        (IpAddr::V6(from), IpAddr::V6(to)) => in_ipv6(from, to, &segment),
        _ => None,
    }
}

fn in_ipv4(from: Ipv4Addr, to: Ipv4Addr, segment: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; IPV4_LEN + segment.len()];
    let mut packet = MutableIpv4Packet::new(&mut bytes)?;
    packet.set_version(4);
    packet.set_header_length(5);
    packet.set_total_length((IPV4_LEN + segment.len()) as u16);
    packet.set_ttl(TTL);
    packet.set_next_level_protocol(IpNextHeaderProtocols::Tcp);
    packet.set_source(from);
    packet.set_destination(to);
    // The kernel sets identification and checksum.
    packet.set_payload(segment);
    Some(bytes)
}

fn in_ipv6(from: Ipv6Addr, to: Ipv6Addr, segment: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; IPV6_LEN + segment.len()];
    let mut packet = MutableIpv6Packet::new(&mut bytes)?;
    packet.set_version(6);
    packet.set_payload_length(segment.len() as u16);
    packet.set_next_header(IpNextHeaderProtocols::Tcp);
    packet.set_hop_limit(TTL);
    packet.set_source(from);
    packet.set_destination(to);
    packet.set_payload(segment);
    Some(bytes)
}

/// Sends tickles. Needs the right to raw sockets; never blocks.
pub struct TickleSender {
    v4: Socket,
    /// `None` where the kernel has no IPv6.
    v6: Option<Socket>,
}

impl TickleSender {
    /// Opens the sockets.
    ///
    /// # Errors
    /// Raw sockets are not allowed.
    pub fn open() -> Result<Self> {
        Ok(Self {
            v4: raw(Domain::IPV4).map_err(|source| NetError::io("raw socket", source))?,
            v6: raw(Domain::IPV6).ok(),
        })
    }

    /// Sends one tickle.
    ///
    /// # Errors
    /// The kernel has no way to the client, or no room now; or the two ends are of different families.
    pub fn send(&self, server: SocketAddr, client: SocketAddr) -> Result<()> {
        self.transmit("tickle", client, packet(server, client))
    }

    /// Resets the client's end, which waits for the byte of that number.
    ///
    /// # Errors
    /// The same.
    pub fn reset(&self, server: SocketAddr, client: SocketAddr, number: u32) -> Result<()> {
        self.transmit("reset", client, reset_packet(server, client, number))
    }

    fn transmit(&self, what: &str, client: SocketAddr, packet: Option<Vec<u8>>) -> Result<()> {
        let said = format!("{what} {client}");
        let bytes = packet.ok_or_else(|| NetError::Invalid(said.clone()))?;
        let socket = match client {
            SocketAddr::V4(_) => Some(&self.v4),
            SocketAddr::V6(_) => self.v6.as_ref(),
        };
        let socket = socket.ok_or_else(|| NetError::Invalid(said.clone()))?;
        // A raw socket has no ports: the kernel takes another number there for a protocol.
        let to = SockAddr::from(SocketAddr::new(client.ip(), 0));
        socket
            .send_to(&bytes, &to)
            .map(drop)
            .map_err(|source| NetError::io(&said, source))
    }
}

/// A socket that takes whole packets.
fn raw(domain: Domain) -> std::io::Result<Socket> {
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(WHOLE_PACKETS)))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pnet::packet::Packet;
    use pnet::packet::ipv4::Ipv4Packet;
    use pnet::packet::ipv6::Ipv6Packet;
    use pnet::packet::tcp::TcpPacket;

    fn end(text: &str) -> SocketAddr {
        text.parse().expect("a literal")
    }

    #[test]
    fn an_ack_goes_from_the_server_to_the_client() {
        let bytes = packet(end("10.0.0.31:445"), end("10.0.0.9:50000")).expect("one family");
        let ip = Ipv4Packet::new(&bytes).expect("whole");
        assert_eq!((ip.get_version(), ip.get_total_length()), (4, 40));
        assert_eq!(ip.get_source(), Ipv4Addr::new(10, 0, 0, 31));
        assert_eq!(ip.get_destination(), Ipv4Addr::new(10, 0, 0, 9));
        let tcp = TcpPacket::new(ip.payload()).expect("whole");
        assert_eq!((tcp.get_source(), tcp.get_destination()), (445, 50_000));
        assert_eq!((tcp.get_sequence(), tcp.get_acknowledgement()), (0, 0));
        assert_eq!(tcp.get_flags(), TcpFlags::ACK);
        let sum = tcp::ipv4_checksum(&tcp, &ip.get_source(), &ip.get_destination());
        assert_eq!(tcp.get_checksum(), sum);
    }

    #[test]
    fn ipv6_has_the_same_segment() {
        let bytes = packet(end("[fd00::31]:2049"), end("[fd00::9]:700")).expect("one family");
        let ip = Ipv6Packet::new(&bytes).expect("whole");
        assert_eq!((ip.get_version(), ip.get_payload_length()), (6, 20));
        let tcp = TcpPacket::new(ip.payload()).expect("whole");
        assert_eq!((tcp.get_source(), tcp.get_destination()), (2_049, 700));
        let sum = tcp::ipv6_checksum(&tcp, &ip.get_source(), &ip.get_destination());
        assert_eq!(tcp.get_checksum(), sum);
    }

    #[test]
    fn families_do_not_mix() {
        assert_eq!(packet(end("10.0.0.31:445"), end("[fd00::9]:700")), None);
    }
}
