//! `11.natgw`: the NAT gateway.

use super::NativeScript;
use crate::natgw::NatgwDesk;
use crate::net::link::{self, Link};
use ctdb_protocol::event::name::NATGW;

/// See the module.
pub(in crate::event) struct NatgwScript(pub(in crate::event) NatgwDesk);

impl NativeScript for NatgwScript {
    fn name(&self) -> &'static str {
        NATGW
    }

    fn run(&self, event: &str, _: &[String]) -> Result<(), String> {
        match event {
            "startup" => {
                self.0.reread()?;
                // The services that start next may need the outside.
                self.0.wait_ready();
                Ok(())
            }
            "ipreallocated" | "updatenatgw" => {
                self.0.reread()?;
                self.0.check_service()
            }
            "removenatgw" => {
                self.0.remove();
                Ok(())
            }
            "monitor" => {
                self.0.check_file()?;
                self.check_interface()?;
                self.0.check_service()
            }
            _ => Ok(()),
        }
    }

    fn set_enabled(&self, enabled: bool) {
        self.0.set_enabled(enabled);
    }
}

impl NatgwScript {
    /// As 11.natgw: the interface must be up, also where another node is the gateway now.
    fn check_interface(&self) -> Result<(), String> {
        let natgw = self.0.settings();
        let Some(side) = natgw.and_then(|natgw| natgw.config.public.as_ref()) else {
            return Ok(());
        };
        let name = &side.interface;
        let links = link::links().map_err(|error| error.to_string())?;
        match links.iter().find(|link| link.name == *name) {
            None => Err(format!("Monitored interface {name} does not exist")),
            Some(link) if Link::up(link) => Ok(()),
            Some(_) => Err(format!("No link on the public network interface {name}")),
        }
    }
}
