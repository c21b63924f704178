//! LVS: carries what the nodes tell each other to the links, and plans to the kernel.

use super::actor::Carry;
use crate::link::table::Links;
use crate::log::notice;
use crate::lvs::{LvsGroup, LvsKernel};
use ctdb_protocol::lvs::io::{Effect, Input};
use ctdb_protocol::lvs::machine::Lvs;
use ctdb_protocol::wire::message::ControlMessage;
use slog::Logger;
use std::rc::Rc;

/// See the module.
pub struct LvsCarry {
    /// Where messages go.
    pub links: Links,
    /// Where the console finds who is refused.
    pub group: LvsGroup,
    /// The kernel.
    pub kernel: Rc<LvsKernel>,
    /// Log.
    pub log: Logger,
}

impl Carry<Lvs> for LvsCarry {
    fn carry(&mut self, effect: Effect, _: &mut Vec<Input>) {
        match effect {
            Effect::Send { peer, message } => {
                self.links.send_control(peer, ControlMessage::Lvs(message));
            }
            Effect::Apply(plan) => self.kernel.apply(plan),
            Effect::Foreign(nodes) => self.group.set_foreign(nodes),
            Effect::Log(record) => notice(&self.log, &record),
        }
    }
}
