//! The network interfaces that may carry public addresses: which are up, and how many addresses each has.

use super::view::InterfaceStatus;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

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
}
