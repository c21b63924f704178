//! The public addresses that this node may host, as they are now: the configuration's at start, then what
//! `ctdb addip`, `delip` and `reloadips` made of them.

use crate::net::address::{HeldAddress, host_prefix};
use crate::post::Post;
use ctdb_protocol::leftover::Leftover;
use ctdb_protocol::settings::PublicAddress;
use ctdb_protocol::takeover::io::{ConfiguredAddress, Input, Kind};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Reads the addresses of the configuration anew; the error is a text for the admin.
pub type Reread = Box<dyn Fn() -> Result<Vec<PublicAddress>, String> + Send + Sync>;
/// Tells the guard which addresses to remove should this process die. May wait some milliseconds.
pub type TellGuard = Box<dyn Fn(Vec<HeldAddress>) + Send + Sync>;

/// The LVS address as far as takeover, gate and guard are concerned.
#[derive(Clone, Debug)]
pub struct LvsAddress {
    /// The address.
    pub address: IpAddr,
    /// The interface on which this node may answer for it; none if it never leads.
    pub interface: Option<String>,
}
/// Tells the guard what else there is to take away then: all of it.
pub type TellLeftovers = Box<dyn Fn(Vec<Leftover>) + Send + Sync>;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct PublicAddresses {
    shared: Arc<Shared>,
}

struct LvsShared {
    address: IpAddr,
    /// Where this node may answer for it, by what its group says now.
    interface: Mutex<Option<String>>,
}

struct Shared {
    list: Mutex<Vec<PublicAddress>>,
    lvs: Option<LvsShared>,
    /// Where the NAT gateway's address may be put.
    gateway: Option<HeldAddress>,
    /// `event script disable 91.lvs`
    lvs_off: AtomicBool,
    reread: Reread,
    tell_guard: TellGuard,
    /// Addresses are only recorded: there is nothing to remove.
    recorded: bool,
}

impl PublicAddresses {
    /// Those of the configuration.
    pub fn new(
        list: Vec<PublicAddress>,
        lvs: Option<LvsAddress>,
        gateway: Option<HeldAddress>,
        recorded: bool,
        reread: Reread,
        tell_guard: TellGuard,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                list: Mutex::new(list),
                lvs: lvs.filter(|_| !recorded).map(|lvs| LvsShared {
                    address: lvs.address,
                    interface: Mutex::new(lvs.interface),
                }),
                gateway,
                lvs_off: AtomicBool::new(false),
                reread,
                tell_guard,
                recorded,
            }),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<PublicAddress>> {
        let list = self.shared.list.lock();
        list.unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, in the order of the file; later ones at the end.
    pub fn list(&self) -> Vec<PublicAddress> {
        self.locked().clone()
    }

    /// Where the NAT gateway's address may be put on this node.
    pub fn gateway(&self) -> Option<HeldAddress> {
        self.shared.gateway.clone()
    }

    /// Adds one; false if the address is there already, or is the NAT gateway's.
    pub fn add(&self, new: PublicAddress) -> bool {
        let gateway = self.shared.gateway.as_ref();
        if gateway.is_some_and(|gateway| gateway.ip == new.address) {
            return false;
        }
        let mut list = self.locked();
        let fresh = list.iter().all(|known| known.address != new.address);
        if fresh {
            list.push(new);
        }
        fresh
    }

    /// Takes one out; false if it is not there.
    pub fn remove(&self, address: IpAddr) -> bool {
        let mut list = self.locked();
        let before = list.len();
        list.retain(|known| known.address != address);
        list.len() < before
    }

    /// Takes the configuration's list again.
    pub fn reread(&self) -> Result<(), String> {
        let list = (self.shared.reread)()?;
        *self.locked() = list;
        Ok(())
    }

    /// Switches LVS on or off; true if that is a change.
    pub fn set_lvs(&self, on: bool) -> bool {
        self.shared.lvs.is_some() && self.shared.lvs_off.swap(!on, Ordering::Relaxed) == on
    }

    /// The interface on which this node may answer for the LVS address from now on; true if that is a change.
    pub fn set_lvs_interface(&self, new: Option<&String>) -> bool {
        let Some(lvs) = &self.shared.lvs else {
            return false;
        };
        let mut interface = lvs.interface.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *interface, new.cloned()).as_ref() != new
    }

    /// Whether LVS is not switched off.
    pub fn is_lvs_on(&self) -> bool {
        !self.shared.lvs_off.load(Ordering::Relaxed)
    }

    /// The LVS address with its interface, if this node may answer for it.
    fn lvs_place(&self) -> Option<(IpAddr, String)> {
        let lvs = self.shared.lvs.as_ref().filter(|_| self.is_lvs_on())?;
        let interface = lvs.interface.lock();
        let interface = interface.unwrap_or_else(PoisonError::into_inner).clone();
        Some((lvs.address, interface?))
    }

    /// Every place where one of the addresses could be put.
    pub fn places(&self) -> Vec<HeldAddress> {
        let mut places = Vec::new();
        for public in self.list() {
            let interfaces = public.interfaces.into_iter();
            places.extend(interfaces.map(|interface| HeldAddress {
                ip: public.address,
                prefix_len: public.prefix,
                interface,
                passive: false,
            }));
        }
        places.extend(self.gateway());
        let lvs = self.lvs_place();
        places.extend(lvs.map(|(address, interface)| HeldAddress::passive(address, &interface)));
        places
    }

    /// Tells the guard. Not on an arbiter.
    pub fn tell_guard(&self) {
        if self.shared.recorded {
            return;
        }
        let mut places = self.places();
        // Every node of an LVS group has the address on its loopback.
        let lvs = self.shared.lvs.as_ref();
        places.extend(lvs.map(|lvs| HeldAddress::passive(lvs.address, "lo")));
        (self.shared.tell_guard)(places);
    }

    /// Tells the takeover duty, after the guard when there are new ones.
    pub fn configure(&self, post: &Post) {
        let addresses = self.list();
        let addresses = addresses.into_iter().map(|public| ConfiguredAddress {
            address: public.address,
            prefix: public.prefix,
            interfaces: public.interfaces,
            kind: Kind::Public,
        });
        let lvs = self
            .lvs_place()
            .map(|(address, interface)| ConfiguredAddress {
                address,
                prefix: host_prefix(address),
                interfaces: vec![interface],
                kind: Kind::Lvs,
            });
        post.takeover
            .send(Input::Configure(addresses.chain(lvs).collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(last: u8) -> PublicAddress {
        PublicAddress {
            address: IpAddr::from([10, 0, 0, last]),
            prefix: 24,
            interfaces: vec![String::from("eth0"), String::from("eth1")],
        }
    }

    #[test]
    fn changes_and_what_the_guard_hears() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = heard.clone();
        let addresses = PublicAddresses::new(
            vec![public(1)],
            None,
            None,
            false,
            Box::new(|| Ok(vec![public(7)])),
            Box::new(move |places| ear.lock().expect("no panic").push(places.len())),
        );
        assert!(!addresses.add(public(1)), "it is there");
        assert!(addresses.add(public(2)));
        addresses.tell_guard();
        assert!(addresses.remove(public(1).address));
        assert!(!addresses.remove(public(1).address));
        addresses.tell_guard();
        assert_eq!(addresses.list(), [public(2)]);
        addresses.reread().expect("readable");
        assert_eq!(addresses.list(), [public(7)]);
        assert_eq!(*heard.lock().expect("no panic"), [4, 2]);
    }

    #[test]
    fn the_guard_knows_the_lvs_address_on_loopback_even_where_it_never_leads() {
        let places = |interface: Option<&str>, on: bool| {
            let heard = Arc::new(Mutex::new(Vec::new()));
            let ear = heard.clone();
            let addresses = PublicAddresses::new(
                vec![],
                Some(LvsAddress {
                    address: IpAddr::from([10, 1, 1, 237]),
                    interface: interface.map(String::from),
                }),
                None,
                false,
                Box::new(|| Ok(vec![])),
                Box::new(move |places| ear.lock().expect("no panic").extend(places)),
            );
            assert_eq!(addresses.set_lvs(on), !on, "it is on at first");
            addresses.tell_guard();
            let heard = heard.lock().expect("no panic");
            heard.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let (eth, lo) = ("10.1.1.237/32 on eth1", "10.1.1.237/32 on lo");
        assert_eq!(places(Some("eth1"), true), [eth, lo]);
        assert_eq!(places(None, true), [lo]);
        assert_eq!(places(Some("eth1"), false), [lo]);
    }
}
