//! Socket addresses as C's `sockaddr_in` and `sockaddr_in6` in a union of 28 bytes.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, fixed_payload, put, put_zeros};
use super::error::WireError;

const AF_UNSPEC: u16 = 0;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// One end of a connection, or an address alone (port 0).
///
/// smbd leaves the bytes behind an IPv4 address uninitialised; they are ignored here, so equality
/// looks at family, address and port only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum SockAddr {
    /// No address at all: 28 zero bytes.
    #[default]
    Unspecified,
    /// IPv4.
    V4(SocketAddrV4),
    /// IPv6.
    V6(SocketAddrV6),
}

impl SockAddr {
    /// The address without port.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Unspecified => None,
            Self::V4(addr) => Some((*addr.ip()).into()),
            Self::V6(addr) => Some((*addr.ip()).into()),
        }
    }

    /// The port in host order; 0 if unspecified.
    pub fn port(&self) -> u16 {
        match self {
            Self::Unspecified => 0,
            Self::V4(addr) => addr.port(),
            Self::V6(addr) => addr.port(),
        }
    }

    /// The same with `::ffff:a.b.c.d` turned into IPv4, as smbd's dual-stack sockets need it.
    #[must_use]
    pub fn canonical(self) -> Self {
        if let Self::V6(addr) = self
            && let Some(v4) = addr.ip().to_ipv4_mapped()
        {
            return Self::V4(SocketAddrV4::new(v4, addr.port()));
        }
        self
    }
}

impl From<SocketAddr> for SockAddr {
    fn from(addr: SocketAddr) -> Self {
        match addr {
            SocketAddr::V4(addr) => Self::V4(addr),
            SocketAddr::V6(addr) => Self::V6(addr),
        }
    }
}

impl From<IpAddr> for SockAddr {
    fn from(ip: IpAddr) -> Self {
        SocketAddr::new(ip, 0).into()
    }
}

impl Payload for SockAddr {
    const NAME: &'static str = "socket address";
    const MIN_SIZE: usize = 28;

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let family = cursor.u16()?;
        let port = u16::from_be_bytes(cursor.array()?);
        match family {
            AF_UNSPEC => {
                cursor.skip(24)?;
                Ok(Self::Unspecified)
            }
            AF_INET => {
                let ip = Ipv4Addr::from(cursor.array::<4>()?);
                cursor.skip(20)?;
                Ok(Self::V4(SocketAddrV4::new(ip, port)))
            }
            AF_INET6 => {
                // RFC 3493 keeps flowinfo in network order, as it stands in the packet header.
                let flowinfo = u32::from_be_bytes(cursor.array()?);
                let ip = Ipv6Addr::from(cursor.array::<16>()?);
                Ok(Self::V6(SocketAddrV6::new(
                    ip,
                    port,
                    flowinfo,
                    cursor.u32()?,
                )))
            }
            other => Err(cursor.bad_value("address family", other.into())),
        }
    }

    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unspecified => put_zeros(out, 28),
            Self::V4(addr) => {
                put(out, AF_INET);
                out.extend_from_slice(&addr.port().to_be_bytes());
                out.extend_from_slice(&addr.ip().octets());
                put_zeros(out, 20);
            }
            Self::V6(addr) => {
                put(out, AF_INET6);
                out.extend_from_slice(&addr.port().to_be_bytes());
                out.extend_from_slice(&addr.flowinfo().to_be_bytes());
                out.extend_from_slice(&addr.ip().octets());
                put(out, addr.scope_id());
            }
        }
    }
}

/// A TCP connection: `TCP_CLIENT`, `TCP_ADD`, `TCP_REMOVE` and tickle lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Connection {
    /// The SMB client.
    pub src: SockAddr,
    /// The server, on a public address.
    pub dst: SockAddr,
}

fixed_payload!(Connection, "connection", 56, [src: SockAddr; dst: SockAddr]);
