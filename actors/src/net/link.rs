//! The node's interfaces.

use netlink_sys::protocols::NETLINK_ROUTE;

use super::error::Result;
use super::socket::NetlinkSocket;
use super::wire::{self, Message, Writer};

/// Length of `struct ifinfomsg`.
const IFINFO_LEN: usize = 16;
const RTM_GETLINK: u16 = 18;
pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_DELLINK: u16 = 17;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_CARRIER: u16 = 33;
const IFF_UP: u32 = 0x1;
const IFF_RUNNING: u32 = 0x40;

/// One interface as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The interface's name.
    pub name: String,
    /// The kernel's number of it.
    pub index: u32,
    /// Its Ethernet address; none for tunnels and the like.
    pub mac: Option<[u8; 6]>,
    /// Set up by the admin.
    pub admin_up: bool,
    /// The driver reports that it can carry traffic.
    pub running: bool,
    /// A cable (or its like) is attached.
    pub carrier: bool,
}

impl Link {
    /// True if traffic can flow: set up, running, with carrier.
    pub fn up(&self) -> bool {
        self.admin_up && self.running && self.carrier
    }

    /// Reads an `RTM_NEWLINK` or `RTM_DELLINK` message.
    pub(crate) fn parse(message: &Message<'_>) -> Option<Self> {
        let payload = message.payload;
        let flags = wire::number(payload.get(8..)?)?;
        let attribute = |kind| wire::find(payload, IFINFO_LEN, kind);
        Some(Self {
            name: wire::text(attribute(IFLA_IFNAME)?),
            index: wire::number(payload.get(4..)?)?,
            mac: attribute(IFLA_ADDRESS).and_then(|value| value.try_into().ok()),
            admin_up: flags & IFF_UP != 0,
            running: flags & IFF_RUNNING != 0,
            carrier: attribute(IFLA_CARRIER).is_none_or(|value| value.first() == Some(&1)),
        })
    }
}

/// Lists all interfaces of this network namespace.
pub fn links() -> Result<Vec<Link>> {
    dump(&mut NetlinkSocket::open(NETLINK_ROUTE, "link")?)
}

pub(crate) fn dump(socket: &mut NetlinkSocket) -> Result<Vec<Link>> {
    let mut request = Writer::default();
    request.message(
        RTM_GETLINK,
        wire::FLAG_REQUEST | wire::FLAG_DUMP,
        socket.next_seq(),
    );
    request.raw(&[0; IFINFO_LEN]);
    let mut found = Vec::new();
    socket.query(&request.finish(), |message| {
        if message.kind == RTM_NEWLINK {
            found.extend(Link::parse(&message));
        }
    })?;
    Ok(found)
}
