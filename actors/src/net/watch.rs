//! A monitor of interfaces and addresses, on its own socket and thread.
//!
//! The socket is not the one of requests: with a shared one, notifications caused by our own requests get lost. The
//! kernel announces every renewal of an address; only changes are passed on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_ROUTE;

use super::address::{Addresses, RTM_DELADDR, RTM_NEWADDR, RawAddress};
use super::error::{NetError, Result};
use super::link::{self, Link, RTM_DELLINK, RTM_NEWLINK};
use super::socket::{Heard, NetlinkSocket};
use super::wire::{self, Message};

const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV6_IFADDR: u32 = 9;

/// How soon a monitor notices that it shall end.
const END_CHECK: Duration = Duration::from_millis(250);

/// A change that the kernel reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetEvent {
    /// An interface appeared, or began or ceased to carry traffic.
    LinkChanged {
        /// The interface.
        name: String,
        /// Traffic can flow.
        up: bool,
    },
    /// An interface is gone.
    LinkGone {
        /// The interface.
        name: String,
    },
    /// An address appeared.
    AddressAdded {
        /// The interface.
        interface: String,
        /// The address.
        ip: IpAddr,
    },
    /// An address disappeared.
    AddressRemoved {
        /// The interface.
        interface: String,
        /// The address.
        ip: IpAddr,
    },
    /// Events were lost: list everything again.
    Resync,
    /// The monitor ended because of this error; no more events come.
    Failed(String),
}

/// A running monitor; it ends when this is dropped.
#[derive(Debug)]
pub struct NetWatch {
    _thread: Watcher,
}

/// A thread with a flag that ends it.
#[derive(Debug)]
pub(crate) struct Watcher {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// A socket that a watcher can listen on.
    pub(crate) fn socket(protocol: isize, groups: &[u32]) -> Result<NetlinkSocket> {
        NetlinkSocket::listen(protocol, "netlink", groups, END_CHECK)
    }

    /// Listens until dropped, showing what is heard; ends early when `each` returns false.
    pub(crate) fn start(
        name: &str,
        mut socket: NetlinkSocket,
        mut each: impl FnMut(Result<Heard<'_>>) -> bool + Send + 'static,
    ) -> Result<Self> {
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let work = move || {
            while !ended.load(Ordering::Relaxed) {
                if !each(socket.hear()) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work);
        let thread = thread.map_err(|source| NetError::io(format!("thread {name}"), source))?;
        Ok(Self {
            end,
            thread: Some(thread),
        })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the caller's closure has been reported by that thread already.
            let _ = thread.join();
        }
    }
}

impl NetWatch {
    /// Starts the monitor; events from now on are given to `deliver`, on the monitor's thread.
    pub fn start(mut deliver: impl FnMut(NetEvent) + Send + 'static) -> Result<Self> {
        let groups = [RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR];
        // Listen first, then look: what changes in between is heard, and known already.
        let socket = Watcher::socket(NETLINK_ROUTE, &groups)?;
        let mut known = Picture::take()?;
        let each = move |heard: Result<Heard<'_>>| {
            match heard {
                Ok(Heard::Nothing) => {}
                Ok(Heard::Data(bytes)) => wire::messages(bytes)
                    .filter_map(|message| known.apply(&message))
                    .for_each(&mut deliver),
                Ok(Heard::Overflow) => match Picture::take() {
                    Ok(taken) => {
                        known = taken;
                        deliver(NetEvent::Resync);
                    }
                    Err(error) => {
                        deliver(NetEvent::Failed(error.to_string()));
                        return false;
                    }
                },
                Err(error) => {
                    deliver(NetEvent::Failed(error.to_string()));
                    return false;
                }
            }
            true
        };
        Ok(Self {
            _thread: Watcher::start("net-watch", socket, each)?,
        })
    }
}

/// What is known, so that only changes are reported.
#[derive(Debug, Default)]
struct Picture {
    links: BTreeMap<u32, (String, bool)>,
    addresses: BTreeSet<(u32, IpAddr)>,
}

impl Picture {
    fn take() -> Result<Self> {
        let links: BTreeMap<_, _> = link::links()?
            .into_iter()
            .map(|link| (link.index, (link.name.clone(), link.up())))
            .collect();
        let mut addresses = BTreeSet::new();
        for present in Addresses::open()?.list()? {
            let mut named = links.iter();
            let found = named.find(|(_, (name, _))| *name == present.held.interface);
            addresses.extend(found.map(|(index, _)| (*index, present.held.ip)));
        }
        Ok(Self { links, addresses })
    }

    fn apply(&mut self, message: &Message<'_>) -> Option<NetEvent> {
        match message.kind {
            RTM_NEWLINK => {
                let link = Link::parse(message)?;
                let now = (link.name.clone(), link.up());
                let before = self.links.insert(link.index, now.clone());
                (before.as_ref() != Some(&now)).then_some(NetEvent::LinkChanged {
                    name: now.0,
                    up: now.1,
                })
            }
            RTM_DELLINK => {
                // Bridges announce a port's leaving with the same message; those name the port's family.
                if message.payload.first() != Some(&0) {
                    return None;
                }
                let link = Link::parse(message)?;
                self.links.remove(&link.index)?;
                self.addresses.retain(|(index, _)| *index != link.index);
                Some(NetEvent::LinkGone { name: link.name })
            }
            RTM_NEWADDR | RTM_DELADDR => {
                let RawAddress { index, ip, .. } = RawAddress::parse(message)?;
                let interface = self.links.get(&index)?.0.clone();
                if message.kind == RTM_NEWADDR {
                    let new = self.addresses.insert((index, ip));
                    return new.then_some(NetEvent::AddressAdded { interface, ip });
                }
                let known = self.addresses.remove(&(index, ip));
                known.then_some(NetEvent::AddressRemoved { interface, ip })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::Writer;
    use super::*;

    /// Flags of an interface: set up, broadcast, multicast.
    const SET_UP: u32 = 0x1003;
    /// `IFF_RUNNING` and `IFF_LOWER_UP`, which go with the carrier.
    const ALIVE: u32 = 0x1_0040;
    const IFF_MASTER: u32 = 0x400;
    const IFLA_ADDRESS: u16 = 1;
    const IFLA_IFNAME: u16 = 3;
    const IFLA_LINK: u16 = 5;
    const IFLA_OPERSTATE: u16 = 16;
    const IFLA_LINKINFO: u16 = 18;
    const IFLA_INFO_KIND: u16 = 1;
    const IFLA_CARRIER: u16 = 33;
    /// Operational states of RFC 2863 as the kernel numbers them.
    const DOWN: u8 = 2;
    const LOWER_LAYER_DOWN: u8 = 7;
    const UP: u8 = 6;

    /// What the kernel says of an interface; its attributes are in the kernel's order.
    struct Said {
        index: u32,
        name: &'static str,
        kind: &'static str,
        flags: u32,
        /// The interface that it rests on.
        below: Option<u32>,
        state: u8,
    }

    impl Said {
        fn bytes(&self) -> Vec<u8> {
            let mut writer = Writer::default();
            writer.message(RTM_NEWLINK, 0, 0);
            // Family, padding, ARPHRD_ETHER.
            writer.raw(&[0, 0, 1, 0]);
            writer.raw(&self.index.to_ne_bytes());
            writer.raw(&self.flags.to_ne_bytes());
            writer.raw(&[0xff; 4]);
            writer.text(IFLA_IFNAME, self.name);
            writer.attribute(IFLA_OPERSTATE, &[self.state]);
            writer.attribute(IFLA_CARRIER, &[u8::from(self.state == UP)]);
            writer.attribute(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 9]);
            if let Some(below) = self.below {
                writer.attribute(IFLA_LINK, &below.to_ne_bytes());
            }
            let nest = writer.nest(IFLA_LINKINFO);
            writer.text(IFLA_INFO_KIND, self.kind);
            writer.close(&nest);
            writer.finish()
        }
    }

    fn bond(alive: bool) -> Said {
        Said {
            index: 7,
            name: "bond0",
            kind: "bond",
            flags: SET_UP | IFF_MASTER | if alive { ALIVE } else { 0 },
            below: None,
            state: if alive { UP } else { DOWN },
        }
    }

    fn vlan(alive: bool) -> Said {
        Said {
            index: 8,
            name: "eth1.10",
            kind: "vlan",
            flags: SET_UP | if alive { ALIVE } else { 0 },
            below: Some(3),
            state: if alive { UP } else { LOWER_LAYER_DOWN },
        }
    }

    fn hear(picture: &mut Picture, said: &Said) -> Vec<NetEvent> {
        let bytes = said.bytes();
        let messages = wire::messages(&bytes);
        messages
            .filter_map(|message| picture.apply(&message))
            .collect()
    }

    #[test]
    fn a_bond_and_a_vlan_that_lose_their_carrier_are_down() {
        let mut picture = Picture::default();
        for said in [bond, vlan] {
            for up in [true, false, true] {
                let name = said(up).name.to_owned();
                let change = NetEvent::LinkChanged { name, up };
                assert_eq!(hear(&mut picture, &said(up)), [change]);
                assert_eq!(hear(&mut picture, &said(up)), [], "nothing new");
            }
        }
        assert_eq!(picture.links[&7], ("bond0".to_owned(), true));
    }

    /// Flags may be late: the bond's last port is gone, and its carrier with it.
    #[test]
    fn a_bond_without_carrier_is_down_whatever_its_flags_say() {
        let mut picture = Picture::default();
        let mut said = bond(true);
        hear(&mut picture, &said);
        said.state = DOWN;
        let name = String::from("bond0");
        let down = NetEvent::LinkChanged { name, up: false };
        assert_eq!(hear(&mut picture, &said), [down]);
    }

    #[test]
    fn a_bond_that_was_not_set_up_is_down() {
        let mut said = bond(true);
        said.flags &= !1;
        let name = String::from("bond0");
        let down = NetEvent::LinkChanged { name, up: false };
        assert_eq!(hear(&mut Picture::default(), &said), [down]);
    }
}
