//! The network interfaces that may carry public addresses: which are up, and how many addresses each has.

use super::view::InterfaceStatus;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

#[derive(Debug, Default)]
struct Interface {
    /// `None` until it is told: such an interface carries nothing.
    up: Option<bool>,
    addresses: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    known: BTreeMap<String, Interface>,
}

impl Interfaces {
    /// Notes the state of an interface and returns the one before.
    pub(super) fn set_up(&mut self, name: &str, up: bool) -> Option<bool> {
        self.entry(name).up.replace(up)
    }

    pub(super) fn is_up(&self, name: &str) -> bool {
        self.known
            .get(name)
            .is_some_and(|interface| interface.up == Some(true))
    }

    pub(super) fn any_up(&self, names: &[String]) -> bool {
        names.iter().any(|name| self.is_up(name))
    }

    /// The interface of `names` that is up and has the fewest addresses; the first of equals.
    pub(super) fn best<'a>(&self, names: &'a [String]) -> Option<&'a String> {
        names
            .iter()
            .filter_map(|name| {
                let interface = self.known.get(name)?;
                (interface.up == Some(true)).then_some((name, interface.addresses))
            })
            .min_by_key(|(_, addresses)| *addresses)
            .map(|(name, _)| name)
    }

    /// Of addresses with their interface and those that may carry each: which have to go to another one, so that no
    /// live interface has two more than another that may carry the same.
    pub(super) fn uneven<'a>(
        &self,
        carried: impl Iterator<Item = (IpAddr, &'a str, &'a [String])>,
    ) -> Vec<IpAddr> {
        let live = self
            .known
            .iter()
            .filter(|(_, known)| known.up == Some(true));
        let mut loads: BTreeMap<&str, u32> = live
            .map(|(name, known)| (name.as_str(), known.addresses))
            .collect();
        let mut moving = Vec::new();
        for (address, from, names) in carried {
            let load = |name: &'a String| Some((name.as_str(), *loads.get(name.as_str())?));
            let least = names.iter().filter_map(load).min_by_key(|(_, load)| *load);
            if let (Some((to, least)), Some(most)) = (least, loads.get(from).copied())
                && least + 1 < most
            {
                loads.insert(to, least + 1);
                if let Some(load) = loads.get_mut(from) {
                    *load -= 1;
                }
                moving.push(address);
            }
        }
        moving
    }

    /// An address goes onto the interface.
    pub(super) fn occupy(&mut self, name: &str) {
        self.entry(name).addresses += 1;
    }

    /// An address left the interface.
    pub(super) fn vacate(&mut self, name: &str) {
        let interface = self.entry(name);
        interface.addresses = interface.addresses.saturating_sub(1);
    }

    /// For the view: the interfaces in `names` whose state was told.
    pub(super) fn status(&self, names: &BTreeSet<&str>) -> Vec<InterfaceStatus> {
        let status = |name: &&str| {
            let interface = self.known.get(*name)?;
            Some(InterfaceStatus {
                name: (*name).to_string(),
                up: interface.up?,
                references: interface.addresses,
            })
        };
        names.iter().filter_map(status).collect()
    }

    fn entry(&mut self, name: &str) -> &mut Interface {
        self.known.entry(name.to_string()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_live_interface_with_the_fewest_addresses_is_best() {
        let names = ["eth0", "eth1", "eth2"].map(String::from);
        let mut interfaces = Interfaces::default();
        assert_eq!(interfaces.best(&names), None, "nothing is told yet");
        interfaces.set_up("eth0", true);
        interfaces.set_up("eth1", true);
        interfaces.set_up("eth2", false);
        assert_eq!(interfaces.best(&names), Some(&names[0]));
        interfaces.occupy("eth0");
        assert_eq!(interfaces.best(&names), Some(&names[1]));
        interfaces.set_up("eth1", false);
        assert_eq!(interfaces.best(&names), Some(&names[0]));
        interfaces.vacate("eth0");
        interfaces.vacate("eth0");
        let status = interfaces.status(&["eth0", "eth9"].into());
        assert_eq!(status.len(), 1, "eth9 is not told");
        assert_eq!(status[0].references, 0);
    }
    #[test]
    fn no_live_interface_keeps_two_more_than_another_that_may_carry_the_same() {
        // Interfaces: state and number of addresses; addresses: where each is, and where it may be; who goes.
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [usize]);
        let four = [("a", "a b"), ("a", "a b"), ("a", "a b"), ("a", "a b")];
        let cases: [Case<'_>; 6] = [
            ("a+4 b+0", &four, &[0, 1]),
            ("a+4 b-0", &four, &[]),
            ("a+4 b+3", &four, &[]),
            ("a+4 b+2", &four, &[0]),
            (
                "a+3 b+0 c+0",
                &[("a", "a b"), ("a", "a c"), ("a", "a b")],
                &[0, 1],
            ),
            ("a+3 b+0", &[("a", "a"), ("a", "a"), ("a", "a b")], &[2]),
        ];
        for (state, addresses, expected) in cases {
            let mut interfaces = Interfaces::default();
            for word in state.split(' ') {
                let (name, rest) = word.split_at(1);
                let (sign, count) = rest.split_at(1);
                interfaces.set_up(name, sign == "+");
                for _ in 0..count.parse().expect("a number") {
                    interfaces.occupy(name);
                }
            }
            let names: Vec<Vec<String>> = addresses
                .iter()
                .map(|(_, names)| names.split(' ').map(String::from).collect())
                .collect();
            let ip = |at: usize| IpAddr::from([10, 0, 0, at as u8]);
            let carried = addresses.iter().zip(&names).enumerate();
            let moving =
                interfaces.uneven(carried.map(|(at, ((on, _), names))| (ip(at), *on, &names[..])));
            let expected: Vec<IpAddr> = expected.iter().map(|at| ip(*at)).collect();
            assert_eq!(moving, expected, "{state}");
        }
    }
}
