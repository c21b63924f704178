//! NAT gateway: carries what the nodes tell each other to the links, the address to the address worker, and roles to the
//! thread of rules and routes.

use super::actor::Carry;
use super::heartbeat::SharedKernel;
use crate::link::table::Links;
use crate::log::notice;
use crate::natgw::{NatgwDesk, NatgwKernel};
use crate::net::address::HeldAddress;
use crate::post::Post;
use ctdb_protocol::monitor;
use ctdb_protocol::natgw::io::{Effect, Input};
use ctdb_protocol::natgw::machine::Natgw;
use ctdb_protocol::takeover::io::Parting;
use ctdb_protocol::wire::message::ControlMessage;
use slog::Logger;
use std::cell::RefCell;
use std::rc::Rc;
use tokio::sync::watch;

/// The thread's handle, until it is ended.
pub type SharedNatgw = Rc<RefCell<Option<NatgwKernel>>>;

/// See the module.
pub struct NatgwCarry {
    /// Where messages go.
    pub links: Links,
    /// The other duties.
    pub post: Post,
    /// The picture.
    pub desk: NatgwDesk,
    /// Who puts addresses on interfaces.
    pub addresses: SharedKernel,
    /// Where the gateway's address goes, if this node may be the gateway.
    pub place: Option<HeldAddress>,
    /// Rules and routes.
    pub kernel: SharedNatgw,
    /// Becomes true when the address was given up at the end.
    pub left: watch::Sender<bool>,
    /// Log.
    pub log: Logger,
}

impl Carry<Natgw> for NatgwCarry {
    fn carry(&mut self, effect: Effect, _: &mut Vec<Input>) {
        match effect {
            Effect::Send { peer, message } => {
                self.links
                    .send_control(peer, ControlMessage::Natgw(message));
            }
            Effect::Add(_, lease) => {
                if let Some(place) = self.place.clone() {
                    self.addresses.borrow().add(place, lease);
                }
            }
            Effect::Remove(_) => {
                if let Some(place) = self.place.clone() {
                    // The next gateway knows nothing of the connections that this node had by it.
                    self.addresses.borrow().remove(place, Parting::Forsake);
                }
            }
            Effect::Role(role) => {
                if let Some(kernel) = self.kernel.borrow().as_ref() {
                    kernel.become_role(role);
                }
            }
            Effect::View(view) => {
                if self.desk.set_view(view) {
                    self.post.monitor.send(monitor::io::Input::Recheck);
                }
            }
            Effect::Left => {
                self.left.send_replace(true);
            }
            Effect::Log(record) => notice(&self.log, &record),
        }
    }
}
