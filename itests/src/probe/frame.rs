//! The packets that the probes send, and what they make of those that arrive.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet::packet::icmp::IcmpPacket;
use pnet::packet::icmpv6::Icmpv6Packet;
use pnet::packet::ipv4::Ipv4Packet;
use pnet::packet::{icmp, icmpv6, ipv4};

/// A MAC address.
pub(super) type Mac = [u8; 6];

const BROADCAST: Mac = [0xff; 6];
const IPV4: [u8; 2] = [0x08, 0x00];
const ARP: [u8; 2] = [0x08, 0x06];
const IPV6: [u8; 2] = [0x86, 0xdd];
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Header and payload bytes of our echoes.
const ECHO_BYTES: usize = 10;

/// An echo request for a raw ICMP socket; `tag` comes back in the payload. `ICMPv6` sums are the kernel's work there.
pub(super) fn echo(version6: bool, ident: u16, seq: u16, tag: u16) -> [u8; ECHO_BYTES] {
    let mut packet = [0; ECHO_BYTES];
    packet[0] = if version6 { 128 } else { 8 };
    packet[4..6].copy_from_slice(&ident.to_be_bytes());
    packet[6..8].copy_from_slice(&seq.to_be_bytes());
    packet[8..10].copy_from_slice(&tag.to_be_bytes());
    if !version6 && let Some(view) = IcmpPacket::new(&packet) {
        let sum = icmp::checksum(&view);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

/// The tag of an echo reply to us; `packet` starts with the IP header for IPv4, with `ICMPv6` for IPv6.
pub(super) fn echo_tag(version6: bool, ident: u16, packet: &[u8]) -> Option<u16> {
    let icmp = if version6 {
        packet
    } else {
        packet.get(usize::from(packet.first()? & 15) * 4..)?
    };
    let reply = if version6 { 129 } else { 0 };
    let ours = *icmp.first()? == reply && icmp.get(4..6)? == ident.to_be_bytes();
    ours.then_some(u16::from_be_bytes(icmp.get(8..10)?.try_into().ok()?))
}

/// Who we are on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    pub(super) mac: Mac,
    pub(super) ipv4: Option<Ipv4Addr>,
    pub(super) ipv6: Option<Ipv6Addr>,
    pub(super) ident: u16,
}

impl Own {
    /// The question for the MAC of an address: ARP, or a neighbour solicitation. `None` without an own address of
    /// that family.
    pub(super) fn question(&self, target: IpAddr) -> Option<Vec<u8>> {
        match target {
            IpAddr::V4(ip) => {
                let mut frame = self.ethernet(BROADCAST, ARP);
                frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
                frame.extend(self.mac);
                frame.extend(self.ipv4?.octets());
                frame.extend([0; 6]);
                frame.extend(ip.octets());
                Some(frame)
            }
            IpAddr::V6(ip) => {
                let low = [ip.octets()[13], ip.octets()[14], ip.octets()[15]];
                let mut group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0).octets();
                group[13..].copy_from_slice(&low);
                let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
                message.extend(ip.octets());
                message.extend([1, 1]);
                message.extend(self.mac);
                let to = [0x33, 0x33, 0xff, low[0], low[1], low[2]];
                self.icmpv6(to, group.into(), 255, message)
            }
        }
    }

    /// An echo request straight to a MAC.
    pub(super) fn echo_to(&self, to: Mac, target: IpAddr, seq: u16) -> Option<Vec<u8>> {
        match target {
            IpAddr::V4(ip) => {
                let message = echo(false, self.ident, seq, 0);
                let length = (20 + message.len()) as u16;
                let mut header = vec![0x45, 0];
                header.extend(length.to_be_bytes());
                header.extend(seq.to_be_bytes());
                header.extend([0, 0, 64, 1, 0, 0]);
                header.extend(self.ipv4?.octets());
                header.extend(ip.octets());
                let sum = ipv4::checksum(&Ipv4Packet::new(&header)?);
                header[10..12].copy_from_slice(&sum.to_be_bytes());
                let mut frame = self.ethernet(to, IPV4);
                frame.extend(header);
                frame.extend(message);
                Some(frame)
            }
            IpAddr::V6(ip) => {
                let message = echo(true, self.ident, seq, 0).to_vec();
                self.icmpv6(to, ip, 64, message)
            }
        }
    }

    /// Which address a frame of others answers for, and from which MAC: an ARP reply, a neighbour advertisement or
    /// an echo reply to us.
    pub(super) fn answer(&self, frame: &[u8]) -> Option<(IpAddr, Mac)> {
        let kind = frame.get(12..14)?;
        let packet = frame.get(ETHERNET..)?;
        let source: Mac = frame.get(6..12)?.try_into().ok()?;
        if kind == ARP && packet.get(6..8)? == [0, 2] {
            let ip: [u8; 4] = packet.get(14..18)?.try_into().ok()?;
            return Some((
                Ipv4Addr::from(ip).into(),
                packet.get(8..14)?.try_into().ok()?,
            ));
        }
        if kind == IPV4 && *packet.get(9)? == 1 {
            echo_tag(false, self.ident, packet)?;
            let ip: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
            return Some((Ipv4Addr::from(ip).into(), source));
        }
        if kind == IPV6 && *packet.get(6)? == 58 {
            let message = packet.get(40..)?;
            let advertised = *message.first()? == 136;
            let from = if advertised {
                message.get(8..24)?
            } else {
                echo_tag(true, self.ident, message)?;
                packet.get(8..24)?
            };
            let ip: [u8; 16] = from.try_into().ok()?;
            return Some((Ipv6Addr::from(ip).into(), source));
        }
        None
    }

    fn ethernet(&self, to: Mac, kind: [u8; 2]) -> Vec<u8> {
        let mut frame = to.to_vec();
        frame.extend(self.mac);
        frame.extend(kind);
        frame
    }

    fn icmpv6(&self, to: Mac, target: Ipv6Addr, hops: u8, mut message: Vec<u8>) -> Option<Vec<u8>> {
        let own = self.ipv6?;
        let sum = icmpv6::checksum(&Icmpv6Packet::new(&message)?, &own, &target);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut frame = self.ethernet(to, IPV6);
        frame.extend([0x60, 0, 0, 0]);
        frame.extend((message.len() as u16).to_be_bytes());
        frame.extend([58, hops]);
        frame.extend(own.octets());
        frame.extend(target.octets());
        frame.extend(message);
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Own = Own {
        mac: [2, 0, 0, 0, 0, 1],
        ipv4: Some(Ipv4Addr::new(10, 88, 0, 50)),
        ipv6: Some(Ipv6Addr::new(0xfd88, 0, 0, 0, 0, 0, 0, 0x50)),
        ident: 0x6475,
    };
    const HOLDER: Mac = [2, 0, 0, 0, 0, 9];

    /// What a node makes of a request of ours.
    fn reply(request: &[u8], kind: u8) -> Vec<u8> {
        let mut frame = request.to_vec();
        frame[..6].copy_from_slice(&OWN.mac);
        frame[6..12].copy_from_slice(&HOLDER);
        if frame[12..14] == IPV4 {
            frame[26..34].rotate_left(4);
            frame[34] = kind;
        } else {
            frame[22..54].rotate_left(16);
            frame[54] = kind;
        }
        frame
    }

    #[test]
    fn echo_replies_name_address_and_mac() {
        for (ip, kind) in [("10.88.0.101", 0), ("fd88::101", 129)] {
            let ip: IpAddr = ip.parse().unwrap();
            let request = OWN.echo_to(HOLDER, ip, 7).unwrap();
            assert_eq!(OWN.answer(&request), None, "a request is no answer");
            assert_eq!(OWN.answer(&reply(&request, kind)), Some((ip, HOLDER)));
            let other = Own { ident: 1, ..OWN };
            assert_eq!(other.answer(&reply(&request, kind)), None, "another's echo");
        }
    }

    #[test]
    fn arp_replies_name_address_and_mac() {
        let ip: IpAddr = "10.88.0.101".parse().unwrap();
        let mut frame = OWN.question(ip).unwrap();
        assert_eq!(OWN.answer(&frame), None);
        frame[21] = 2;
        frame[22..28].copy_from_slice(&HOLDER);
        frame[28..32].copy_from_slice(&[10, 88, 0, 101]);
        assert_eq!(OWN.answer(&frame), Some((ip, HOLDER)));
    }

    #[test]
    fn cut_frames_are_no_answers() {
        let ip: IpAddr = "fd88::101".parse().unwrap();
        let frame = reply(&OWN.echo_to(HOLDER, ip, 7).unwrap(), 129);
        for length in 0..frame.len() {
            assert_eq!(OWN.answer(&frame[..length]), None, "{length}");
        }
    }
}
