//! `91.lvs`: one address for the whole cluster.

use super::NativeScript;
use crate::lvs::LvsGroup;
use crate::net::address::{Addresses, HeldAddress};
use crate::net::link::{self, Link};
use crate::post::Post;
use crate::public::PublicAddresses;
use ctdb_protocol::event::name::LVS;
use ctdb_protocol::membership::io::Request;
use ctdb_protocol::settings::Lvs;
use ctdb_protocol::{lvs, membership};
use ipnet::IpNet;
use std::net::IpAddr;

/// See the module.
pub(in crate::event) struct LvsScript {
    /// LVS as this node has it; none without, and where nothing is set in the kernel (test mode).
    pub(in crate::event) lvs: Option<Lvs>,
    /// Addresses that are nobody's own.
    pub(in crate::event) public: PublicAddresses,
    /// The group's file.
    pub(in crate::event) group: LvsGroup,
    /// The duties that hear of the switch.
    pub(in crate::event) post: Post,
}

impl NativeScript for LvsScript {
    fn name(&self) -> &'static str {
        LVS
    }

    fn run(&self, event: &str, _: &[String]) -> Result<(), String> {
        let Some(lvs) = &self.lvs else {
            return Ok(());
        };
        match event {
            "ipreallocated" | "reconfigure" => self.group.reread(),
            "monitor" => self.group.fault().map_or_else(|| self.check(lvs), Err),
            _ => Ok(()),
        }
    }

    fn set_enabled(&self, enabled: bool) {
        if self.lvs.is_none() || !self.public.set_lvs(enabled) {
            return;
        }
        if enabled {
            // Before the address can be here; what the guard knows too much does no harm.
            self.public.tell_guard();
        }
        self.public.configure(&self.post);
        self.post.lvs.send(lvs::io::Input::Enabled(enabled));
        let request = Request::LvsRole(enabled);
        let request = membership::io::Input::Request(request);
        self.post.membership.send(request);
    }
}

impl LvsScript {
    /// As 91.lvs: the interface must be up. Beyond that it must have an address of this node's own.
    fn check(&self, lvs: &Lvs) -> Result<(), String> {
        let present = Addresses::open().and_then(|mut kernel| kernel.list());
        // Without an answer of the kernel nothing is known to be wrong.
        let (Ok(links), Ok(present)) = (link::links(), present) else {
            return Ok(());
        };
        let mut public: Vec<IpAddr> = self.public.list().iter().map(|p| p.address).collect();
        public.extend(self.public.gateway().map(|gateway| gateway.ip));
        let own = present.into_iter().map(|present| present.held);
        let own = own.filter(|held| held.ip != lvs.address && !public.contains(&held.ip));
        fault(lvs, &links, &own.collect::<Vec<_>>()).map_or(Ok(()), Err)
    }
}

/// What keeps this node from serving; `own` are its permanent addresses.
fn fault(lvs: &Lvs, links: &[Link], own: &[HeldAddress]) -> Option<String> {
    let address = lvs.address;
    let Some(name) = &lvs.interface else {
        // Only a follower may be without; it serves where its own network has the address.
        let contains = |held: &&HeldAddress| {
            let net = IpNet::new(held.ip, held.prefix_len);
            net.is_ok_and(|net| net.contains(&address))
        };
        let found = own.iter().any(|held| contains(&held));
        let text = || format!("No interface has a permanent address in the network of {address}");
        return (!found).then(text);
    };
    let Some(link) = links.iter().find(|link| link.name == *name) else {
        return Some(format!("Monitored interface {name} does not exist"));
    };
    if !link.up() {
        return Some(format!("No link on the public network interface {name}"));
    }
    let reaches_clients = |held: &&HeldAddress| {
        held.interface == *name && held.ip.is_ipv4() == address.is_ipv4() && !is_link_local(held.ip)
    };
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    let text = || {
        format!(
            "{name} has no permanent {family} address, from which this node would reach the clients of {address}"
        )
    };
    (!own.iter().any(|held| reaches_clients(&held))).then(text)
}

const fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, up: bool) -> Link {
        Link {
            name: name.into(),
            index: 1,
            mac: None,
            admin_up: true,
            running: up,
            carrier: up,
        }
    }

    /// `10.1.1.1/24 eth1`
    fn held(text: &str) -> HeldAddress {
        let (net, interface) = text.split_once(' ').expect("two words");
        let net: IpNet = net.parse().expect("an address");
        HeldAddress {
            ip: net.addr(),
            prefix_len: net.prefix_len(),
            interface: interface.into(),
            passive: false,
        }
    }

    fn found(lvs: (&str, Option<&str>), up: bool, own: &[&str]) -> String {
        let lvs = Lvs {
            address: lvs.0.parse().expect("an address"),
            interface: lvs.1.map(String::from),
            group: None,
        };
        let own: Vec<HeldAddress> = own.iter().map(|text| held(text)).collect();
        fault(&lvs, &[link("eth0", true), link("eth1", up)], &own).unwrap_or_default()
    }

    #[test]
    fn what_keeps_a_node_from_serving_is_named() {
        let four = ("10.1.1.237", Some("eth1"));
        let six = ("fd88::237", Some("eth1"));
        assert_eq!(found(four, true, &["10.1.1.1/24 eth1"]), "");
        // Not in the network of the address: the clients may be anywhere.
        assert_eq!(found(four, true, &["192.0.2.1/24 eth1"]), "");
        assert_eq!(found(six, true, &["fd88::1/64 eth1"]), "");
        for (lvs, up, own, part) in [
            (four, false, "10.1.1.1/24 eth1", "interface eth1"),
            (
                four,
                true,
                "10.1.1.1/24 eth0",
                "eth1 has no permanent IPv4 address",
            ),
            (four, true, "fd88::1/64 eth1", "no permanent IPv4"),
            (four, true, "169.254.1.1/16 eth1", "no permanent IPv4"),
            (six, true, "fe80::1/64 eth1", "no permanent IPv6"),
            (
                ("10.1.1.237", Some("eth7")),
                true,
                "10.1.1.1/24 eth1",
                "eth7 does not exist",
            ),
        ] {
            let found = found(lvs, up, &[own]);
            assert!(found.contains(part), "{lvs:?} {own}: {found}");
        }
    }

    #[test]
    fn a_follower_without_interface_needs_a_network_with_the_address() {
        let lvs = ("10.1.1.237", None);
        assert_eq!(found(lvs, true, &["10.1.1.1/24 eth0"]), "");
        assert!(found(lvs, true, &["10.1.2.1/24 eth0"]).contains("in the network of 10.1.1.237"));
    }
}
