//! Ends TCP connections, with or without a socket of them here: what the program `ctdb_killtcp` does.
//!
//! A socket of this machine is destroyed, which resets the other end. Where there is none, the address may be here all
//! the same: the far end is tickled, its answer tells the number that it waits for, and a reset with that number ends
//! it (RFC 9293 section 3.5.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use pnet::datalink::{self, Channel, DataLinkReceiver, NetworkInterface};
use pnet::packet::Packet;
use pnet::packet::ethernet::{EtherTypes, EthernetPacket};
use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::ipv4::Ipv4Packet;
use pnet::packet::ipv6::Ipv6Packet;
use pnet::packet::tcp::{TcpFlags, TcpPacket};

use super::connections::Connections;
use super::error::{NetError, Result};
use super::link;
use super::tickle::TickleSender;

/// How often a far end is tickled.
const ROUNDS: usize = 50;
/// How long its answer is waited for.
const ROUND: Duration = Duration::from_millis(100);

/// One direction of a connection: `far` is to be reset, in the name of `near`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Direction {
    /// Who is told that the connection has ended.
    pub far: SocketAddr,
    /// Who seems to tell it.
    pub near: SocketAddr,
}

/// Ends the connections; answers those whose far end has not been heard.
///
/// # Errors
/// The kernel refused a socket, or there is no such interface.
pub fn kill(interface: &str, wanted: &[Direction]) -> Result<Vec<Direction>> {
    let mut left = destroy(wanted)?;
    if left.is_empty() {
        return Ok(left);
    }
    let sender = TickleSender::open()?;
    let mut ear = listen(interface)?;
    for _ in 0..ROUNDS {
        for direction in &left {
            // Without a way to it there is nobody to be reset; the next round tries again.
            let _ = sender.send(direction.near, direction.far);
        }
        let begin = Instant::now();
        while begin.elapsed() < ROUND && !left.is_empty() {
            let Some(answer) = ear.next().ok().and_then(Answer::read) else {
                continue;
            };
            let meant = Direction {
                far: answer.from,
                near: answer.to,
            };
            if !left.contains(&meant) {
                continue;
            }
            if let Some(number) = answer.waits_for {
                sender.reset(meant.near, meant.far, number)?;
            }
            left.retain(|direction| *direction != meant);
        }
        if left.is_empty() {
            break;
        }
    }
    Ok(left)
}

/// Destroys the sockets that this machine has of them; answers the rest.
fn destroy(wanted: &[Direction]) -> Result<Vec<Direction>> {
    let addresses = wanted.iter().flat_map(|one| [one.far.ip(), one.near.ip()]);
    let mut kernel = Connections::open()?;
    let mut found = kernel.of(&addresses.collect())?;
    let is = |direction: &Direction, ends: (SocketAddr, SocketAddr)| {
        ends == (direction.near, direction.far) || ends == (direction.far, direction.near)
    };
    found.retain(|one| {
        wanted
            .iter()
            .any(|direction| is(direction, (one.local, one.remote)))
    });
    let mut left = wanted.to_vec();
    // A kernel that can't end connections leaves them all to the packets.
    if kernel.destroy(&found).1.is_ok() {
        left.retain(|direction| {
            !found
                .iter()
                .any(|one| is(direction, (one.local, one.remote)))
        });
    }
    Ok(left)
}

fn listen(interface: &str) -> Result<Box<dyn DataLinkReceiver>> {
    let links = link::links()?;
    let link = links.into_iter().find(|link| link.name == interface);
    let link =
        link.ok_or_else(|| NetError::Invalid(format!("there is no interface {interface}")))?;
    let interface = NetworkInterface {
        name: link.name,
        description: String::new(),
        index: link.index,
        mac: link.mac.map(Into::into),
        ips: Vec::new(),
        flags: 0,
    };
    let config = datalink::Config {
        read_timeout: Some(Duration::from_millis(10)),
        ..datalink::Config::default()
    };
    let fail = |source| NetError::io(format!("packet socket on {}", interface.name), source);
    match datalink::channel(&interface, config).map_err(fail)? {
        Channel::Ethernet(_, receiver) => Ok(receiver),
        _ => Err(NetError::Invalid(format!(
            "{}: no Ethernet interface",
            interface.name
        ))),
    }
}

/// What a far end said.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    from: SocketAddr,
    to: SocketAddr,
    /// The number of the next byte that it waits for; none: it knows no such connection.
    waits_for: Option<u32>,
}

impl Answer {
    fn read(frame: &[u8]) -> Option<Self> {
        let frame = EthernetPacket::new(frame)?;
        let body = frame.payload();
        match frame.get_ethertype() {
            EtherTypes::Ipv4 => {
                let ip = Ipv4Packet::new(body)?;
                let (from, to): (Ipv4Addr, Ipv4Addr) = (ip.get_source(), ip.get_destination());
                let is_tcp = ip.get_next_level_protocol() == IpNextHeaderProtocols::Tcp;
                Self::segment(from.into(), to.into(), ip.payload()).filter(|_| is_tcp)
            }
            EtherTypes::Ipv6 => {
                let ip = Ipv6Packet::new(body)?;
                let (from, to): (Ipv6Addr, Ipv6Addr) = (ip.get_source(), ip.get_destination());
                let is_tcp = ip.get_next_header() == IpNextHeaderProtocols::Tcp;
                Self::segment(from.into(), to.into(), ip.payload()).filter(|_| is_tcp)
            }
            _ => None,
        }
    }

    fn segment(from: IpAddr, to: IpAddr, bytes: &[u8]) -> Option<Self> {
        let tcp = TcpPacket::new(bytes)?;
        let has = |flag| tcp.get_flags() & flag != 0;
        if !has(TcpFlags::ACK) && !has(TcpFlags::RST) {
            return None;
        }
        Some(Self {
            from: SocketAddr::new(from, tcp.get_source()),
            to: SocketAddr::new(to, tcp.get_destination()),
            waits_for: (!has(TcpFlags::RST)).then(|| tcp.get_acknowledgement()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tickle;

    /// What a tickle looks like on the cable.
    fn framed(kind: [u8; 2], packet: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend(kind);
        frame.extend(packet);
        frame
    }

    #[test]
    fn answers_are_read_from_frames_of_both_families() {
        for (kind, from, to) in [
            ([8, 0], "10.0.0.9:500", "10.0.0.31:445"),
            ([0x86, 0xdd], "[fd00::9]:500", "[fd00::31]:445"),
        ] {
            let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
            let ack = tickle::packet(from, to).expect("one family");
            let answer = Answer::read(&framed(kind, &ack)).expect("a segment");
            assert_eq!(
                (answer.from, answer.to, answer.waits_for),
                (from, to, Some(0))
            );
            let reset = tickle::reset_packet(from, to, 7).expect("one family");
            let answer = Answer::read(&framed(kind, &reset)).expect("a segment");
            assert_eq!(answer.waits_for, None);
        }
        assert_eq!(Answer::read(&[0; 20]), None);
        assert_eq!(Answer::read(&framed([8, 0], &[0x45; 24])), None);
    }
}
