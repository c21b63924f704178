//! Public addresses: `GET_PUBLIC_IPS`, `GET_PUBLIC_IP_INFO`, `TAKEOVER_IP`, `RELEASE_IP`,
//! `ADD_PUBLIC_IP`, `DEL_PUBLIC_IP`.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload, fixed_payload, put, put_items, put_len};
use super::error::WireError;
use super::iface::Iface;
use super::sockaddr::SockAddr;
use super::text::{put_counted_text, read_text};

/// An address and who serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PublicIp {
    /// The node that serves it, or is to take it; [`super::pnn::UNKNOWN`] for nobody.
    pub pnn: u32,
    /// The address, port 0.
    pub addr: SockAddr,
}

fixed_payload!(PublicIp, "public address", 32, [pnn: u32; addr: SockAddr]);

/// The answer to `GET_PUBLIC_IPS`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PublicIpList {
    /// The addresses.
    pub ips: Vec<PublicIp>,
}

impl Payload for PublicIpList {
    const NAME: &'static str = "public address list";
    const MIN_SIZE: usize = 4;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let count = cursor.count()?;
        Ok(Self {
            ips: cursor.list(count)?,
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        put_len(out, self.ips.len());
        put_items(out, &self.ips);
    }
}

/// The answer to `GET_PUBLIC_IP_INFO`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PublicIpInfo {
    /// The address and who serves it.
    pub ip: PublicIp,
    /// Index in `ifaces` of the interface it is on; 0xFFFFFFFF if on none here.
    pub active: u32,
    /// The interfaces it may be on.
    pub ifaces: Vec<Iface>,
}

impl Payload for PublicIpInfo {
    const NAME: &'static str = "public address info";
    const MIN_SIZE: usize = 40;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let ip = PublicIp::read(cursor)?;
        let active = cursor.u32()?;
        let count = cursor.count()?;
        Ok(Self {
            ip,
            active,
            ifaces: cursor.list(count)?,
        })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        self.ip.emit(out);
        put(out, self.active);
        put_len(out, self.ifaces.len());
        put_items(out, &self.ifaces);
    }
}

/// An address with mask and interface: `ADD_PUBLIC_IP`, `DEL_PUBLIC_IP`, `SEND_GRATUITOUS_ARP`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AddrInfo {
    /// The address, port 0.
    pub addr: SockAddr,
    /// Prefix length. Garbage in `SEND_GRATUITOUS_ARP`, 0 in `DEL_PUBLIC_IP`.
    pub mask: u32,
    /// Interface names separated by commas; none in `DEL_PUBLIC_IP`.
    pub iface: Option<String>,
}

impl Payload for AddrInfo {
    const NAME: &'static str = "address info";
    const MIN_SIZE: usize = 36;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let addr = SockAddr::read(cursor)?;
        let mask = cursor.u32()?;
        let iface = match cursor.count()? {
            0 => None,
            len => Some(read_text(cursor, len)?),
        };
        Ok(Self { addr, mask, iface })
    }
    fn emit(&self, out: &mut Vec<u8>) {
        self.addr.emit(out);
        put(out, self.mask);
        match &self.iface {
            None => put_len(out, 0),
            Some(iface) => put_counted_text(out, iface),
        }
    }
}
