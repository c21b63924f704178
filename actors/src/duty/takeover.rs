//! Takeover: carries plans and reports to the links, and addresses to the kernel.

use super::actor::Carry;
use super::heartbeat::SharedKernel;
use crate::board::Board;
use crate::link::table::Links;
use crate::log::notice;
use crate::net::address::HeldAddress;
use crate::post::Post;
use ctdb_protocol::monitor;
use ctdb_protocol::takeover::io::{Effect, Input};
use ctdb_protocol::takeover::machine::Takeover;
use ctdb_protocol::takeover::view::AddressView;
use ctdb_protocol::wire::message::ControlMessage;
use slog::Logger;
use std::net::IpAddr;
use tokio::sync::watch;

/// See the module.
pub struct TakeoverCarry {
    /// Where messages go.
    pub links: Links,
    /// The kernel.
    pub kernel: SharedKernel,
    /// The picture, and the clients' ears.
    pub board: Board,
    /// The other duties.
    pub post: Post,
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
            } => {
                self.kernel.borrow().add(held(address, prefix, interface));
            }
            Effect::Remove {
                address,
                prefix,
                interface,
            } => {
                self.kernel
                    .borrow()
                    .remove(held(address, prefix, interface));
            }
            Effect::Taken(address) => self.board.address_taken(address),
            Effect::Released(address) => self.board.address_released(address),
            Effect::View(view) => self.publish(view),
            Effect::RunDone { request, leader } => self.board.run_done(request, leader),
            Effect::Left => {
                self.left.send_replace(true);
            }
            Effect::Log(record) => notice(&self.log, &record),
        }
    }
}

impl TakeoverCarry {
    /// Publishes the picture; a changed interface is a reason to check the node's health now.
    fn publish(&self, view: AddressView) {
        let up =
            |view: &AddressView| -> Vec<bool> { view.interfaces.iter().map(|i| i.up).collect() };
        let changed = up(&self.board.addresses()) != up(&view);
        self.board.set_addresses(view);
        if changed {
            self.post.monitor.send(monitor::io::Input::Recheck);
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
