//! Membership: carries recovery to the links and to the record machines, and the view to all.

use super::actor::Carry;
use crate::board::Board;
use crate::event::EventDesk;
use crate::link::table::Links;
use crate::log::notice;
use crate::post::Post;
use ctdb_protocol::membership::io::{Effect, Input, Recover};
use ctdb_protocol::membership::machine::Membership;
use ctdb_protocol::wire::message::ControlMessage;
use ctdb_protocol::{election, heartbeat, lvs, monitor, natgw, record, takeover};
use slog::Logger;
use std::sync::atomic::Ordering;

/// See the module.
pub struct MembershipCarry {
    /// Where messages go.
    pub links: Links,
    /// The other duties.
    pub post: Post,
    /// Runs the scripts, beside all else.
    pub events: EventDesk,
    /// The picture, for the clients.
    pub board: Board,
    /// Log.
    pub log: Logger,
}

impl Carry<Membership> for MembershipCarry {
    fn carry(&mut self, effect: Effect, _: &mut Vec<Input>) {
        match effect {
            Effect::Send { peer, message } => {
                self.links
                    .send_control(peer, ControlMessage::Membership(message));
            }
            Effect::Own(node) => {
                self.post.heartbeat.send(heartbeat::io::Input::Own(node));
                self.post.election.send(election::io::Input::Own(node));
            }
            Effect::Records(input) => {
                if let record::io::Input::Recover(Recover::Prepare(_)) = &input {
                    self.events.tell("startrecovery", Vec::new());
                }
                for records in &self.post.records {
                    records.send(input.clone());
                }
            }
            Effect::View(view) => {
                let generation = view.composition.generation.number;
                self.links
                    .identity
                    .generation
                    .store(generation, Ordering::Relaxed);
                self.board.set_view(view.clone());
                self.post
                    .monitor
                    .send(monitor::io::Input::View(view.clone()));
                self.post.lvs.send(lvs::io::Input::View(view.clone()));
                self.post.natgw.send(natgw::io::Input::View(view.clone()));
                self.post.takeover.send(takeover::io::Input::View(view));
            }
            Effect::Recovered(_) => {
                self.post.monitor.send(monitor::io::Input::Recovered);
                self.board.recovered();
                self.events.tell("recovered", Vec::new());
            }
            Effect::Log(record) => notice(&self.log, &record),
        }
    }
}
