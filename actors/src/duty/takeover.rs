//! Takeover: carries plans and reports to the links, and addresses to the kernel.

use super::actor::Carry;
use super::heartbeat::SharedKernel;
use crate::board::Board;
use crate::event::EventDesk;
use crate::link::table::Links;
use crate::log::notice;
use crate::lvs::LvsKernel;
use crate::net::address::HeldAddress;
use crate::post::Slot;
use ctdb_protocol::election;
use ctdb_protocol::takeover::io::{Effect, Input};
use ctdb_protocol::takeover::machine::Takeover;
use ctdb_protocol::wire::message::ControlMessage;
use slog::Logger;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use tokio::sync::watch;

/// See the module.
pub struct TakeoverCarry {
    /// Where messages go.
    pub links: Links,
    /// Must hear of a leadership whose lease ended.
    pub election: Slot<election::io::Input>,
    /// The kernel.
    pub kernel: SharedKernel,
    /// Runs the scripts, beside all else.
    pub events: EventDesk,
    /// The LVS address that this node may hold, with those who must hear of that.
    pub lvs: Option<(IpAddr, Rc<LvsKernel>)>,
    /// Where the NAT gateway's address may be put, which is guarded with the others.
    pub gateway: Option<HeldAddress>,
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
                let mut places: Vec<HeldAddress> = self.gateway.iter().cloned().collect();
                for new in addresses {
                    let (address, prefix) = (new.address, new.prefix);
                    let interfaces = new.interfaces.into_iter();
                    places.extend(interfaces.map(|on| self.held(address, prefix, on)));
                }
                self.kernel.borrow().prepare(places);
            }
            Effect::Announce {
                address,
                prefix,
                interface,
            } => {
                let held = self.held(address, prefix, interface);
                self.kernel.borrow().announce(held);
            }
            Effect::Add {
                address,
                prefix,
                interface,
                lease,
            } => {
                let held = self.held(address, prefix, interface);
                self.kernel.borrow().add(held.clone(), lease);
                self.places.insert(address, held);
            }
            Effect::Remove {
                address,
                prefix,
                interface,
                parting,
            } => {
                let held = self.held(address, prefix, interface);
                self.kernel.borrow().remove(held.clone(), parting);
                self.places.insert(address, held);
            }
            Effect::Taken(address) if self.is_lvs(address) => self.tell_lvs(true),
            Effect::Released(address) if self.is_lvs(address) => self.tell_lvs(false),
            // It has one interface.
            Effect::Moved { address, .. } if self.is_lvs(address) => {}
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
            Effect::Reallocated => self.tell_reallocated(),
            Effect::Lapsed => self.step_down(),
            Effect::Left => {
                self.left.send_replace(true);
            }
            Effect::Log(record) => notice(&self.log, &record),
        }
    }
}

impl TakeoverCarry {
    fn step_down(&self) {
        let reason = String::from("its lease ended");
        let input = election::io::Input::AuthorityLost { reason };
        self.election.send(input);
    }

    fn is_lvs(&self, address: IpAddr) -> bool {
        self.lvs.as_ref().is_some_and(|(lvs, _)| *lvs == address)
    }

    fn tell_lvs(&self, held: bool) {
        if let Some((_, kernel)) = &self.lvs {
            kernel.set_held(held);
        }
    }

    fn held(&self, ip: IpAddr, prefix_len: u8, interface: String) -> HeldAddress {
        HeldAddress {
            ip,
            prefix_len,
            interface,
            passive: self.is_lvs(ip),
        }
    }

    /// Has the scripts told, and the clients after them, whatever became of the scripts.
    fn tell_reallocated(&self) {
        let end = self.events.told("ipreallocated", Vec::new());
        let board = self.board.clone();
        actix::spawn(async move {
            end.await;
            board.reallocated();
        });
    }

    /// Has the scripts told; the clients, and the address itself, do not wait for them.
    fn tell(&self, event: &str, address: IpAddr) {
        if let Some(place) = self.places.get(&address) {
            let (interface, prefix) = (place.interface.clone(), place.prefix_len.to_string());
            let args = vec![interface, address.to_string(), prefix];
            self.events.tell(event, args);
        }
    }
}
