//! Routing rules and routes in the kernel.
//!
//! Layout facts: `struct rtmsg` and `struct fib_rule_hdr` of `linux/rtnetlink.h` and `linux/fib_rules.h`, twelve bytes
//! each. Routes are marked as those of ip(8) are (protocol `boot`), rules carry no mark: both look as if an admin had
//! made them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ctdb_protocol::routing::diff::Changes;
use ctdb_protocol::routing::route::{Route, Routing, Rule};
use ipnet::IpNet;
use netlink_sys::protocols::NETLINK_ROUTE;
use rustix::io::Errno;

use super::error::{NetError, Result};
use super::link;
use super::socket::NetlinkSocket;
use super::wire::{self, Message, Writer};

/// Requests sent at once, as for addresses.
const BATCH_LEN: usize = 100;
/// Length of both headers.
const HEADER_LEN: usize = 12;

const RTM_NEWROUTE: u16 = 24;
pub(super) const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;
const RTM_NEWRULE: u16 = 32;
pub(super) const RTM_DELRULE: u16 = 33;
const RTM_GETRULE: u16 = 34;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
/// The same number in routes and rules.
const ATTR_TABLE: u16 = 15;
const FRA_SRC: u16 = 2;
const FRA_PRIORITY: u16 = 6;

const RTPROT_BOOT: u8 = 3;
const RTN_UNICAST: u8 = 1;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
/// In a removal: whatever scope it has.
const RT_SCOPE_NOWHERE: u8 = 255;
const FR_ACT_TO_TBL: u8 = 1;
/// A route learnt for one destination, not one that somebody made.
const RTM_F_CLONED: u32 = 0x200;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Requests about routes and rules, over one socket.
pub struct Routes {
    socket: NetlinkSocket,
}

impl Routes {
    /// Opens the socket in the network namespace of the calling thread.
    pub fn open() -> Result<Self> {
        Ok(Self {
            socket: NetlinkSocket::open(NETLINK_ROUTE, "route")?,
        })
    }

    /// All rules about a source address alone, and all unicast routes, of both families.
    pub fn list(&mut self) -> Result<Routing> {
        let names: BTreeMap<u32, String> = link::dump(&mut self.socket)?
            .into_iter()
            .map(|link| (link.index, link.name))
            .collect();
        let mut found = Routing::default();
        for family in [AF_INET, AF_INET6] {
            let request = self.dump(RTM_GETRULE, family);
            self.socket.query(&request, |message| {
                found.rules.extend(parse_rule(&message));
            })?;
            let request = self.dump(RTM_GETROUTE, family);
            self.socket.query(&request, |message| {
                found.routes.extend(parse_route(&message, &names));
            })?;
        }
        Ok(found)
    }

    fn dump(&mut self, kind: u16, family: u8) -> Vec<u8> {
        let mut request = Writer::default();
        let flags = wire::FLAG_REQUEST | wire::FLAG_DUMP;
        request.message(kind, flags, self.socket.next_seq());
        request.raw(&header([family, 0, 0, 0], [0; 4]));
        request.finish()
    }

    /// Makes the changes, as far as the kernel takes them; answers what it did not take.
    pub fn apply(&mut self, changes: &Changes) -> Vec<NetError> {
        let indices: BTreeMap<String, u32> = match link::dump(&mut self.socket) {
            Ok(links) => links.into_iter().map(|l| (l.name, l.index)).collect(),
            Err(error) => return vec![error],
        };
        let (remove, add) = (&changes.remove, &changes.add);
        let mut requests: Vec<Request<'_>> = Vec::new();
        requests.extend(remove.rules.iter().map(|rule| Request::Rule(rule, false)));
        requests.extend(remove.routes.iter().map(|r| Request::Route(r, false)));
        requests.extend(add.routes.iter().map(|route| Request::Route(route, true)));
        requests.extend(add.rules.iter().map(|rule| Request::Rule(rule, true)));
        let mut failures = Vec::new();
        for chunk in requests.chunks(BATCH_LEN) {
            self.send(chunk, &indices, &mut failures);
        }
        failures
    }

    fn send(
        &mut self,
        chunk: &[Request<'_>],
        indices: &BTreeMap<String, u32>,
        failures: &mut Vec<NetError>,
    ) {
        let mut writer = Writer::default();
        let mut numbers = BTreeMap::new();
        for request in chunk {
            let seq = self.socket.next_seq();
            match request.write(&mut writer, seq, indices) {
                Ok(()) => drop(numbers.insert(seq, request)),
                Err(error) => failures.push(error),
            }
        }
        let answers = match self.socket.exchange(&writer.finish()) {
            Ok(answers) => answers,
            Err(error) => return failures.push(error),
        };
        for (seq, request) in numbers {
            match answers.get(&seq) {
                Some(0) => {}
                Some(errno) => {
                    let errno = Errno::from_raw_os_error(*errno);
                    if !request.is_met(errno) {
                        failures.push(NetError::kernel(request.name(), errno));
                    }
                }
                None => failures.push(NetError::Invalid(format!("{}: no answer", request.name()))),
            }
        }
    }
}

/// One change; true: add.
#[derive(Clone, Copy)]
enum Request<'a> {
    Rule(&'a Rule, bool),
    Route(&'a Route, bool),
}

impl Request<'_> {
    fn adds(&self) -> bool {
        match self {
            Self::Rule(_, adds) | Self::Route(_, adds) => *adds,
        }
    }

    fn name(&self) -> String {
        let what = if self.adds() { "add" } else { "remove" };
        match self {
            Self::Rule(rule, _) => {
                format!("{what} rule from {} lookup {}", rule.source, rule.table)
            }
            Self::Route(route, _) => format!("{what} route {route}"),
        }
    }

    /// It was as wanted before.
    fn is_met(&self, errno: Errno) -> bool {
        match errno {
            Errno::EXIST => self.adds(),
            Errno::SRCH | Errno::NOENT | Errno::NODEV => !self.adds(),
            _ => false,
        }
    }

    fn write(&self, writer: &mut Writer, seq: u32, indices: &BTreeMap<String, u32>) -> Result<()> {
        let more = if self.adds() {
            wire::FLAG_CREATE | wire::FLAG_EXCL
        } else {
            0
        };
        let flags = wire::FLAG_REQUEST | wire::FLAG_ACK | more;
        match self {
            Self::Rule(rule, adds) => {
                let kind = if *adds { RTM_NEWRULE } else { RTM_DELRULE };
                let (family, source) = bytes(rule.source);
                let length = (source.len() * 8) as u8;
                writer.message(kind, flags, seq);
                writer.raw(&header([family, 0, length, 0], [0, 0, 0, FR_ACT_TO_TBL]));
                writer.attribute(FRA_SRC, &source);
                writer.attribute(FRA_PRIORITY, &rule.preference.to_ne_bytes());
                writer.attribute(ATTR_TABLE, &rule.table.to_ne_bytes());
            }
            Self::Route(route, adds) => {
                let interface = route.interface.as_ref();
                let index = interface
                    .map(|name| indices.get(name).ok_or(name))
                    .transpose();
                let index = index.map_err(|_| NetError::kernel(self.name(), Errno::NODEV));
                let index = match index {
                    // With the interface the kernel has removed its routes.
                    Err(_) if !adds => return Ok(()),
                    index => index?,
                };
                let kind = if *adds { RTM_NEWROUTE } else { RTM_DELROUTE };
                writer.message(kind, flags, seq);
                write_route(writer, route, *adds, index.copied());
            }
        }
        Ok(())
    }
}

fn write_route(writer: &mut Writer, route: &Route, adds: bool, index: Option<u32>) {
    let (family, network) = bytes(route.network.addr());
    let scope = match (adds, route.gateway, route.network) {
        (false, ..) => RT_SCOPE_NOWHERE,
        (true, None, IpNet::V4(_)) => RT_SCOPE_LINK,
        (true, ..) => RT_SCOPE_UNIVERSE,
    };
    let what = [0, RTPROT_BOOT, scope, RTN_UNICAST];
    writer.raw(&header([family, route.network.prefix_len(), 0, 0], what));
    writer.attribute(RTA_DST, &network);
    if let Some(gateway) = route.gateway {
        writer.attribute(RTA_GATEWAY, &bytes(gateway).1);
    }
    if let Some(index) = index {
        writer.attribute(RTA_OIF, &index.to_ne_bytes());
    }
    if route.metric != 0 {
        writer.attribute(RTA_PRIORITY, &route.metric.to_ne_bytes());
    }
    writer.attribute(ATTR_TABLE, &route.table.to_ne_bytes());
}

/// Family, destination and source length, service; four bytes that mean different things; no flags.
fn header(first: [u8; 4], second: [u8; 4]) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..4].copy_from_slice(&first);
    header[4..8].copy_from_slice(&second);
    header
}

fn bytes(ip: IpAddr) -> (u8, Vec<u8>) {
    match ip {
        IpAddr::V4(ip) => (AF_INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (AF_INET6, ip.octets().to_vec()),
    }
}

fn address(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => Some(IpAddr::from(<[u8; 4]>::try_from(value).ok()?)),
        AF_INET6 => Some(IpAddr::from(<[u8; 16]>::try_from(value).ok()?)),
        _ => None,
    }
}

/// A table below 256 stands in the header too, others in the attribute alone.
fn table(payload: &[u8]) -> Option<u32> {
    let long = wire::find(payload, HEADER_LEN, ATTR_TABLE).and_then(wire::number);
    long.or_else(|| payload.get(4).copied().map(u32::from))
}

fn parse_rule(message: &Message<'_>) -> Option<Rule> {
    let payload = message.payload;
    if message.kind != RTM_NEWRULE || *payload.get(7)? != FR_ACT_TO_TBL {
        return None;
    }
    let source = wire::find(payload, HEADER_LEN, FRA_SRC)?;
    if usize::from(*payload.get(2)?) != source.len() * 8 {
        return None;
    }
    let preference = wire::find(payload, HEADER_LEN, FRA_PRIORITY).and_then(wire::number);
    Some(Rule {
        source: address(*payload.first()?, source)?,
        preference: preference.unwrap_or(0),
        table: table(payload)?,
    })
}

fn parse_route(message: &Message<'_>, names: &BTreeMap<u32, String>) -> Option<Route> {
    let payload = message.payload;
    let flags = wire::number(payload.get(8..)?)?;
    if message.kind != RTM_NEWROUTE || *payload.get(7)? != RTN_UNICAST || flags & RTM_F_CLONED != 0
    {
        return None;
    }
    let family = *payload.first()?;
    let attribute = |kind| wire::find(payload, HEADER_LEN, kind);
    let number = |kind| attribute(kind).and_then(wire::number);
    let destination = match attribute(RTA_DST) {
        Some(value) => address(family, value)?,
        None if family == AF_INET => IpAddr::from([0; 4]),
        None => IpAddr::from([0; 16]),
    };
    let gateway = match attribute(RTA_GATEWAY) {
        Some(value) => Some(address(family, value)?),
        None => None,
    };
    Some(Route {
        gateway,
        network: IpNet::new(destination, *payload.get(1)?).ok()?,
        interface: number(RTA_OIF).and_then(|index| names.get(&index).cloned()),
        table: table(payload)?,
        metric: number(RTA_PRIORITY).unwrap_or(0),
    })
}
