//! Setting, renewing and removing IP addresses on interfaces.
//!
//! Facts this relies on (measured on Linux 6.18): an address with `valid_lft` v disappears between v and v + 1 s after
//! its last renewal; a renewal that comes after that silently re-creates the address, so who renews must know that the
//! lease still holds; a secondary address goes with its primary unless `promote_secondaries` is set (see `sysctl`).
//! IPv6 addresses are set without duplicate detection: a take-over must not wait for it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_sys::protocols::NETLINK_ROUTE;
use rustix::io::Errno;

use super::error::{NetError, Result};
use super::link;
use super::socket::NetlinkSocket;
use super::wire::{self, Message, Writer};

/// Default life of a public address without renewal, in seconds.
pub const DEFAULT_VALID_S: u32 = 2;

/// Requests sent at once: as many as fit both socket buffers with their acknowledgements.
const BATCH_LEN: usize = 100;

pub(crate) const RTM_NEWADDR: u16 = 20;
pub(crate) const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
/// Length of `struct ifaddrmsg`.
const IFADDR_LEN: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_F_NODAD: u32 = 0x02;
const FOREVER: u32 = u32::MAX;
/// `RT_SCOPE_*` of `linux/rtnetlink.h`.
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const SCOPE_HOST: u8 = 254;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// An address with its prefix length on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeldAddress {
    /// The address.
    pub ip: IpAddr,
    /// Length of the network prefix in bits.
    pub prefix_len: u8,
    /// Name of the interface.
    pub interface: String,
    /// Clients reach it, but this host never chooses it for what it sends by itself.
    pub passive: bool,
}

impl HeldAddress {
    /// An address without a network of its own that this host never sends from by itself.
    pub fn passive(ip: IpAddr, interface: &str) -> Self {
        Self {
            ip,
            prefix_len: host_prefix(ip),
            interface: interface.to_owned(),
            passive: true,
        }
    }
}

/// The prefix that holds this address alone.
pub const fn host_prefix(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl std::fmt::Display for HeldAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} on {}", self.ip, self.prefix_len, self.interface)
    }
}

/// An address as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentAddress {
    /// Address, prefix and interface.
    pub held: HeldAddress,
    /// Seconds until the kernel removes it; none: it stays.
    pub valid_s: Option<u32>,
}

/// What a request for one address did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The kernel changed something.
    Done,
    /// It was as wanted before (already there, or already gone).
    Unchanged,
}

/// Requests about addresses, over one socket.
pub struct Addresses {
    socket: NetlinkSocket,
}

#[derive(Clone, Copy)]
enum Request {
    Add { flags: u16, valid_s: u32 },
    Remove,
}

impl Addresses {
    /// Opens the socket in the network namespace of the calling thread.
    pub fn open() -> Result<Self> {
        Ok(Self {
            socket: NetlinkSocket::open(NETLINK_ROUTE, "address")?,
        })
    }

    /// Sets addresses that live `valid_s` seconds (none: for ever). One that is already there gets the new life time.
    pub fn add(&mut self, wanted: &[HeldAddress], valid_s: Option<u32>) -> Vec<Result<Outcome>> {
        let valid_s = valid_s.unwrap_or(FOREVER);
        let flags = wire::FLAG_CREATE | wire::FLAG_EXCL;
        let mut results = self.request("add", wanted, Request::Add { flags, valid_s });
        let there: Vec<usize> = (0..wanted.len())
            .filter(|at| matches!(&results[*at], Err(e) if e.errno() == Some(Errno::EXIST)))
            .collect();
        if !there.is_empty() {
            let again: Vec<_> = there.iter().map(|at| wanted[*at].clone()).collect();
            let request = Request::Add {
                flags: wire::FLAG_REPLACE,
                valid_s,
            };
            for (at, result) in there.iter().zip(self.request("renew", &again, request)) {
                results[*at] = result.map(|_| Outcome::Unchanged);
            }
        }
        results
    }

    /// Renews the life of addresses, in batches. The kernel re-creates one that is missing: the caller must check its
    /// lease before *and after*.
    pub fn renew(&mut self, held: &[HeldAddress], valid_s: u32) -> Vec<Result<Outcome>> {
        let request = Request::Add {
            flags: wire::FLAG_CREATE | wire::FLAG_REPLACE,
            valid_s,
        };
        self.request("renew", held, request)
    }

    /// Removes addresses, in batches. One that is not there, or whose interface is gone, is `Unchanged`.
    pub fn remove(&mut self, held: &[HeldAddress]) -> Vec<Result<Outcome>> {
        let mut results = self.request("remove", held, Request::Remove);
        for result in &mut results {
            let errno = result.as_ref().err().and_then(NetError::errno);
            if matches!(errno, Some(Errno::ADDRNOTAVAIL | Errno::NODEV)) {
                *result = Ok(Outcome::Unchanged);
            }
        }
        results
    }

    /// Lists all addresses of this network namespace.
    pub fn list(&mut self) -> Result<Vec<PresentAddress>> {
        let names: BTreeMap<u32, String> = link::dump(&mut self.socket)?
            .into_iter()
            .map(|link| (link.index, link.name))
            .collect();
        let mut request = Writer::default();
        let flags = wire::FLAG_REQUEST | wire::FLAG_DUMP;
        request.message(RTM_GETADDR, flags, self.socket.next_seq());
        request.raw(&[0; IFADDR_LEN]);
        let mut found = Vec::new();
        self.socket.query(&request.finish(), |message| {
            let Some(address) = RawAddress::parse(&message) else {
                return;
            };
            let Some(interface) = names.get(&address.index) else {
                return;
            };
            let RawAddress {
                ip,
                prefix_len,
                valid_s,
                ..
            } = address;
            let held = HeldAddress {
                ip,
                prefix_len,
                interface: interface.clone(),
                // What it was set for the kernel does not say.
                passive: false,
            };
            found.push(PresentAddress { held, valid_s });
        })?;
        Ok(found)
    }

    fn request(
        &mut self,
        what: &str,
        addresses: &[HeldAddress],
        request: Request,
    ) -> Vec<Result<Outcome>> {
        let mut indices = BTreeMap::new();
        match link::dump(&mut self.socket) {
            Ok(links) => indices.extend(links.into_iter().map(|link| (link.name, link.index))),
            Err(error) => {
                let fail = |_| Err(NetError::Invalid(format!("{what}: {error}")));
                return addresses.iter().map(fail).collect();
            }
        }
        let chunks = addresses.chunks(BATCH_LEN);
        chunks
            .flat_map(|chunk| self.request_chunk(what, chunk, request, &indices))
            .collect()
    }

    fn request_chunk(
        &mut self,
        what: &str,
        chunk: &[HeldAddress],
        request: Request,
        indices: &BTreeMap<String, u32>,
    ) -> Vec<Result<Outcome>> {
        let mut writer = Writer::default();
        let mut numbers = Vec::with_capacity(chunk.len());
        for address in chunk {
            let index = indices.get(&address.interface).copied();
            numbers.push(index.map(|index| {
                let seq = self.socket.next_seq();
                write_request(&mut writer, seq, address, index, request);
                seq
            }));
        }
        let answers = self.socket.exchange(&writer.finish());
        let outcome = |(address, seq): (&HeldAddress, Option<u32>)| {
            let name = || format!("{what} {address}");
            let Some(seq) = seq else {
                return Err(NetError::kernel(name(), Errno::NODEV));
            };
            match &answers {
                Err(error) => Err(NetError::Invalid(format!("{}: {error}", name()))),
                Ok(answers) => match answers.get(&seq) {
                    Some(0) => Ok(Outcome::Done),
                    Some(errno) => Err(NetError::kernel(name(), Errno::from_raw_os_error(*errno))),
                    None => Err(NetError::Invalid(format!("{}: no answer", name()))),
                },
            }
        };
        chunk.iter().zip(numbers).map(outcome).collect()
    }
}

/// Of an IPv4 address: whose scope is narrower than that of the destination is never chosen as a source. On loopback it
/// is that of the host, which `arp_ignore` 3 does not answer for either.
fn scope(address: &HeldAddress) -> u8 {
    match address.ip {
        IpAddr::V4(_) if address.passive && address.interface == "lo" => SCOPE_HOST,
        IpAddr::V4(_) if address.passive => SCOPE_LINK,
        _ => SCOPE_UNIVERSE,
    }
}

fn write_request(
    writer: &mut Writer,
    seq: u32,
    address: &HeldAddress,
    index: u32,
    request: Request,
) {
    let (kind, flags) = match request {
        Request::Add { flags, .. } => (RTM_NEWADDR, flags),
        Request::Remove => (RTM_DELADDR, 0),
    };
    writer.message(kind, wire::FLAG_REQUEST | wire::FLAG_ACK | flags, seq);
    let (family, bytes) = match address.ip {
        IpAddr::V4(ip) => (AF_INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (AF_INET6, ip.octets().to_vec()),
    };
    writer.raw(&[family, address.prefix_len, 0, scope(address)]);
    writer.raw(&index.to_ne_bytes());
    writer.attribute(IFA_LOCAL, &bytes);
    let Request::Add { valid_s, .. } = request else {
        return;
    };
    writer.attribute(IFA_ADDRESS, &bytes);
    match IpNet::new(address.ip, address.prefix_len) {
        Ok(IpNet::V4(net)) if net.prefix_len() < 31 => {
            writer.attribute(IFA_BROADCAST, &net.broadcast().octets());
        }
        Ok(IpNet::V6(_)) => writer.attribute(IFA_FLAGS, &IFA_F_NODAD.to_ne_bytes()),
        _ => {}
    }
    // The kernel takes no deprecated IPv6 address as the source of a new connection while there is another one.
    let preferred_s = match address.ip {
        IpAddr::V6(_) if address.passive => 0,
        _ => valid_s,
    };
    let mut lifetimes = Vec::with_capacity(16);
    for value in [preferred_s, valid_s, 0, 0] {
        lifetimes.extend_from_slice(&value.to_ne_bytes());
    }
    writer.attribute(IFA_CACHEINFO, &lifetimes);
}

/// The fields of an address message that we use.
pub(crate) struct RawAddress {
    pub(crate) index: u32,
    pub(crate) ip: IpAddr,
    pub(crate) prefix_len: u8,
    valid_s: Option<u32>,
}

impl RawAddress {
    /// Reads an `RTM_NEWADDR` or `RTM_DELADDR` message.
    pub(crate) fn parse(message: &Message<'_>) -> Option<Self> {
        if !matches!(message.kind, RTM_NEWADDR | RTM_DELADDR) {
            return None;
        }
        let payload = message.payload;
        let attribute = |kind| wire::find(payload, IFADDR_LEN, kind);
        let bytes = attribute(IFA_LOCAL).or_else(|| attribute(IFA_ADDRESS))?;
        let ip = match *payload.first()? {
            AF_INET => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
            AF_INET6 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
            _ => return None,
        };
        let valid_s = attribute(IFA_CACHEINFO)
            .and_then(|value| wire::number(value.get(4..)?))
            .filter(|valid| *valid != FOREVER);
        let (prefix_len, index) = (*payload.get(1)?, wire::number(payload.get(4..)?)?);
        Some(Self {
            index,
            ip,
            prefix_len,
            valid_s,
        })
    }
}
