//! The public addresses that this node may host, as they are now: the configuration's at start, then what
//! `ctdb addip`, `delip` and `reloadips` made of them.

use crate::net::address::HeldAddress;
use crate::post::Post;
use ctdb_protocol::settings::PublicAddress;
use ctdb_protocol::takeover::io::{ConfiguredAddress, Input};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Reads the addresses of the configuration anew; the error is a text for the admin.
pub type Reread = Box<dyn Fn() -> Result<Vec<PublicAddress>, String> + Send + Sync>;
/// Tells the guard which addresses to remove should this process die. May wait some milliseconds.
pub type TellGuard = Box<dyn Fn(Vec<HeldAddress>) + Send + Sync>;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct PublicAddresses {
    shared: Arc<Shared>,
}

struct Shared {
    list: Mutex<Vec<PublicAddress>>,
    reread: Reread,
    tell_guard: TellGuard,
    /// Addresses are only recorded: there is nothing to remove.
    recorded: bool,
}

impl PublicAddresses {
    /// Those of the configuration.
    pub fn new(
        list: Vec<PublicAddress>,
        recorded: bool,
        reread: Reread,
        tell_guard: TellGuard,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                list: Mutex::new(list),
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

    /// Adds one; false if the address is there already.
    pub fn add(&self, new: PublicAddress) -> bool {
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

    /// Tells the guard. Not on an arbiter.
    pub fn tell_guard(&self) {
        let list = self.list();
        if !self.shared.recorded {
            (self.shared.tell_guard)(places(&list));
        }
    }

    /// Tells the takeover duty, after the guard when there are new ones.
    pub fn configure(&self, post: &Post) {
        let addresses = self.list();
        let addresses = addresses.into_iter().map(|public| ConfiguredAddress {
            address: public.address,
            prefix: public.prefix,
            interfaces: public.interfaces,
        });
        post.takeover.send(Input::Configure(addresses.collect()));
    }
}

/// Every place where one of the addresses could be put.
pub fn places(list: &[PublicAddress]) -> Vec<HeldAddress> {
    let places = list.iter().flat_map(|public| {
        public.interfaces.iter().map(|interface| HeldAddress {
            ip: public.address,
            prefix_len: public.prefix,
            interface: interface.clone(),
        })
    });
    places.collect()
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
}
