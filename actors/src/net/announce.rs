//! Telling the neighbours where a public address lives now: gratuitous ARP and unsolicited neighbour advertisements.
//!
//! The frames are built by pure functions. For IPv4 both forms are sent, the request and the reply: neighbours differ in
//! which one they believe (RFC 5227 prefers the request, older stacks update on the reply only). How often to repeat
//! them is the caller's matter (CTDB: three rounds).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet::datalink::{self, Channel, DataLinkSender, MacAddr, NetworkInterface};
use pnet::packet::arp::{ArpHardwareTypes, ArpOperation, ArpOperations, MutableArpPacket};
use pnet::packet::ethernet::{EtherType, EtherTypes, MutableEthernetPacket};
use pnet::packet::icmpv6::ndp::{
    MutableNeighborAdvertPacket, NdpOption, NdpOptionTypes, NeighborAdvertFlags,
};
use pnet::packet::icmpv6::{self, Icmpv6Packet, Icmpv6Types};
use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::ipv6::MutableIpv6Packet;

use super::error::{NetError, Result};
use super::link::{self, Link};

const ETHERNET_LEN: usize = 14;
/// Smallest Ethernet payload.
const MIN_PAYLOAD_LEN: usize = 46;
const ARP_LEN: usize = 28;
const IPV6_LEN: usize = 40;
/// Advertisement with one link-layer address option.
const ADVERT_LEN: usize = 24 + 8;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// RFC 4861 section 7.1.2: receivers drop advertisements with any other hop limit.
const HOP_LIMIT: u8 = 255;

/// The gratuitous ARP frames for an address: request form, then reply form.
pub fn arp_frames(mac: [u8; 6], ip: Ipv4Addr) -> [Vec<u8>; 2] {
    [
        arp_frame(mac, ip, ArpOperations::Request, MacAddr::zero()),
        arp_frame(mac, ip, ArpOperations::Reply, MacAddr::from(mac)),
    ]
}

fn arp_frame(mac: [u8; 6], ip: Ipv4Addr, operation: ArpOperation, target: MacAddr) -> Vec<u8> {
    let mut body = [0; ARP_LEN];
    if let Some(mut arp) = MutableArpPacket::new(&mut body) {
        arp.set_hardware_type(ArpHardwareTypes::Ethernet);
        arp.set_protocol_type(EtherTypes::Ipv4);
        arp.set_hw_addr_len(6);
        arp.set_proto_addr_len(4);
        arp.set_operation(operation);
        arp.set_sender_hw_addr(mac.into());
        arp.set_sender_proto_addr(ip);
        arp.set_target_hw_addr(target);
        arp.set_target_proto_addr(ip);
    }
    ethernet(mac, MacAddr::broadcast(), EtherTypes::Arp, &body)
}

/// The unsolicited neighbour advertisement for an address: to all nodes, with the override flag.
pub fn advertisement_frame(mac: [u8; 6], ip: Ipv6Addr) -> Vec<u8> {
    let mut message = [0; ADVERT_LEN];
    if let Some(mut advert) = MutableNeighborAdvertPacket::new(&mut message) {
        advert.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
        advert.set_flags(NeighborAdvertFlags::Override);
        advert.set_target_addr(ip);
        let option_type = NdpOptionTypes::TargetLLAddr;
        advert.set_options(&[NdpOption {
            option_type,
            length: 1,
            data: mac.to_vec(),
        }]);
    }
    let sum =
        Icmpv6Packet::new(&message).map_or(0, |packet| icmpv6::checksum(&packet, &ip, &ALL_NODES));
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut body = [0; IPV6_LEN + ADVERT_LEN];
    if let Some(mut packet) = MutableIpv6Packet::new(&mut body) {
        packet.set_version(6);
        packet.set_payload_length(ADVERT_LEN as u16);
        packet.set_next_header(IpNextHeaderProtocols::Icmpv6);
        packet.set_hop_limit(HOP_LIMIT);
        packet.set_source(ip);
        packet.set_destination(ALL_NODES);
        packet.set_payload(&message);
    }
    // RFC 2464 section 7: the group's last four bytes behind 33:33.
    ethernet(
        mac,
        MacAddr::new(0x33, 0x33, 0, 0, 0, 1),
        EtherTypes::Ipv6,
        &body,
    )
}

fn ethernet(mac: [u8; 6], to: MacAddr, kind: EtherType, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; ETHERNET_LEN + body.len().max(MIN_PAYLOAD_LEN)];
    if let Some(mut packet) = MutableEthernetPacket::new(&mut frame) {
        packet.set_destination(to);
        packet.set_source(mac.into());
        packet.set_ethertype(kind);
    }
    frame[ETHERNET_LEN..ETHERNET_LEN + body.len()].copy_from_slice(body);
    frame
}

/// All frames that announce one address.
pub fn frames(mac: [u8; 6], ip: IpAddr) -> Vec<Vec<u8>> {
    match ip {
        IpAddr::V4(ip) => arp_frames(mac, ip).to_vec(),
        IpAddr::V6(ip) => vec![advertisement_frame(mac, ip)],
    }
}

/// Announces addresses on an interface, one round. Open it shortly before use: its socket also collects what the
/// interface receives.
pub struct Announcer {
    sender: Box<dyn DataLinkSender>,
    mac: [u8; 6],
    interface: String,
}

impl Announcer {
    /// Opens a packet socket on the interface.
    pub fn open(interface: &str) -> Result<Self> {
        let missing = || NetError::Invalid(format!("interface {interface:?} does not exist"));
        let found = link::links()?
            .into_iter()
            .find(|link| link.name == interface);
        let Link {
            name, index, mac, ..
        } = found.ok_or_else(missing)?;
        let no_mac =
            || NetError::Invalid(format!("interface {interface:?} has no Ethernet address"));
        let mac = mac.ok_or_else(no_mac)?;
        let ours = NetworkInterface {
            name: name.clone(),
            description: String::new(),
            index,
            mac: Some(mac.into()),
            ips: Vec::new(),
            flags: 0,
        };
        let config = datalink::Config {
            promiscuous: false,
            ..datalink::Config::default()
        };
        let fail = |source| NetError::io(format!("packet socket on {interface}"), source);
        match datalink::channel(&ours, config).map_err(fail)? {
            Channel::Ethernet(sender, _) => Ok(Self {
                sender,
                mac,
                interface: name,
            }),
            _ => Err(NetError::Invalid(format!(
                "{interface}: not an Ethernet channel"
            ))),
        }
    }

    /// Sends one round for each address; the first failure ends it.
    pub fn announce(&mut self, addresses: &[IpAddr]) -> Result<()> {
        for frame in addresses.iter().flat_map(|ip| frames(self.mac, *ip)) {
            let sent = self.sender.send_to(&frame, None).unwrap_or(Ok(()));
            sent.map_err(|source| NetError::io(format!("announce on {}", self.interface), source))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use pnet::packet::Packet;

    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0xaa, 0xbb, 0xcc];

    #[test]
    fn gratuitous_arp_bytes() {
        let [request, reply] = arp_frames(MAC, Ipv4Addr::new(10, 1, 2, 3));
        let mut expected = vec![
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0xaa, 0xbb, 0xcc, 8, 6, // Ethernet
            0, 1, 8, 0, 6, 4, 0, 1, // Ethernet, IPv4, request
            2, 0, 0, 0xaa, 0xbb, 0xcc, 10, 1, 2, 3, // sender
            0, 0, 0, 0, 0, 0, 10, 1, 2, 3, // target
        ];
        expected.resize(60, 0);
        assert_eq!(request, expected);
        expected[21] = 2;
        expected[32..38].copy_from_slice(&MAC);
        assert_eq!(reply, expected);
    }

    #[test]
    fn neighbour_advertisement_bytes() {
        let ip: Ipv6Addr = "fd00::5".parse().unwrap();
        let frame = advertisement_frame(MAC, ip);
        let address = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
        let mut expected = vec![
            0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0xaa, 0xbb, 0xcc, 0x86, 0xdd,
        ];
        expected.extend([0x60, 0, 0, 0, 0, 32, 58, 255]);
        expected.extend(address);
        expected.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        // The sum, added up by hand: pseudo header, message with a zero sum field, complement.
        let words = [
            0xfd00_u32, 5, 0xff02, 1, 32, 58, 0x8800, 0x2000, 0xfd00, 5, 0x0201, 0x0200, 0x00aa,
            0xbbcc,
        ];
        let sum: u32 = words.iter().sum();
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        expected.extend([136, 0]);
        expected.extend(sum.to_be_bytes());
        expected.extend([0x20, 0, 0, 0]);
        expected.extend(address);
        expected.extend([2, 1]);
        expected.extend(MAC);
        assert_eq!(frame, expected);
    }

    #[test]
    fn the_advertisement_is_whole_for_a_packet_parser() {
        let frame = advertisement_frame(MAC, "2001:db8::1".parse().unwrap());
        let body = &frame[ETHERNET_LEN + IPV6_LEN..];
        let packet = Icmpv6Packet::new(body).unwrap();
        let sum = icmpv6::checksum(&packet, &"2001:db8::1".parse().unwrap(), &ALL_NODES);
        assert_eq!(packet.get_checksum(), sum);
        assert_eq!(packet.packet().len(), ADVERT_LEN);
    }
}
