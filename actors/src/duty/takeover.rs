//! Takeover: carries plans and reports to the links, and addresses to the kernel.

use super::actor::Carry;
use super::heartbeat::SharedKernel;
use crate::board::Board;
use crate::event::EventDesk;
use crate::link::table::Links;
use crate::log::notice;
use crate::net::address::HeldAddress;
use ctdb_protocol::takeover::io::{Effect, Input};
use ctdb_protocol::takeover::machine::Takeover;
use ctdb_protocol::wire::message::ControlMessage;
use slog::Logger;
use std::collections::BTreeMap;
use std::net::IpAddr;
use tokio::sync::watch;

/// See the module.
pub struct TakeoverCarry {
    /// Where messages go.
    pub links: Links,
    /// The kernel.
    pub kernel: SharedKernel,
    /// Runs the scripts, beside all else.
    pub events: EventDesk,
    /// Where each address was last put, or is taken from.
    pub places: BTreeMap<IpAddr, HeldAddress>,
    /// The picture, and the clients' ears.
    pub board: Board,
    /// Becomes true when everything was given up at the end.
    pub left: watch::Sender<bool>,
    /// Log.
    pub log: Logger,
}

impl Carry<Takeover> for TakeoverCarry {
    fn carry(&mut self, effect: Effect, _: &mut Vec<Input>) {
        match effect {
            Effect::Send { peer, message } => {
                self.links
                    .send_control(peer, ControlMessage::Takeover(message));
            }
            Effect::Prepare(addresses) => {
                let places = addresses.into_iter().flat_map(|new| {
                    let (address, prefix) = (new.address, new.prefix);
                    let place = move |interface| held(address, prefix, interface);
                    new.interfaces.into_iter().map(place)
                });
                self.kernel.borrow().prepare(places.collect());
            }
            Effect::Announce {
                address,
                prefix,
                interface,
            } => {
                self.kernel
                    .borrow()
                    .announce(held(address, prefix, interface));
            }
            Effect::Add {
                address,
                prefix,
                interface,
                lease,
            } => {
                let held = held(address, prefix, interface);
                self.kernel.borrow().add(held.clone(), lease);
                self.places.insert(address, held);
            }
            Effect::Remove {
                address,
                prefix,
                interface,
                parting,
            } => {
                let held = held(address, prefix, interface);
                self.kernel.borrow().remove(held.clone(), parting);
                self.places.insert(address, held);
            }
            Effect::Taken(address) => {
                self.board.address_taken(address);
                self.tell("takeip", address);
            }
            Effect::Released(address) => {
                self.board.address_released(address);
                self.tell("releaseip", address);
            }
            Effect::Moved { address, from, to } => {
                if let Some(place) = self.places.get(&address) {
                    let prefix = place.prefix_len.to_string();
                    let args = vec![from, to, address.to_string(), prefix];
                    self.events.tell("updateip", args);
                }
            }
            Effect::View(view) => self.board.set_addresses(view),
            Effect::RunDone { request, leader } => self.board.run_done(request, leader),

            Effect::Reallocated => self.events.tell("ipreallocated", Vec::new()),
            Effect::Left => {
                self.left.send_replace(true);
            }
            Effect::Log(record) => notice(&self.log, &record),
        }
    }
}

impl TakeoverCarry {
    /// Has the scripts told; the clients, and the address itself, do not wait for them.
    fn tell(&self, event: &str, address: IpAddr) {
        if let Some(place) = self.places.get(&address) {
            let (interface, prefix) = (place.interface.clone(), place.prefix_len.to_string());
            let args = vec![interface, address.to_string(), prefix];
            self.events.tell(event, args);
        }
    }
}

const fn held(ip: IpAddr, prefix_len: u8, interface: String) -> HeldAddress {
    HeldAddress {
        ip,
        prefix_len,
        interface,
    }
}
