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
