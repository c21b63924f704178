//! Election: carries votes to the links, the lock's orders to its actor, and the standing to all.

use super::actor::Carry;
use crate::board::Board;
use crate::link::table::Links;
use crate::lock::{ClusterLock, Release, Take};
use crate::log::notice;
use crate::post::Post;
use actix::Addr;
use ctdb_protocol::election::io::{Effect, Input};
use ctdb_protocol::election::machine::Election;
use ctdb_protocol::wire::message::ControlMessage;
use ctdb_protocol::{heartbeat, membership};
use slog::Logger;
use std::cell::RefCell;
use std::rc::Rc;

/// The cluster lock's actor, if one is configured.
pub type SharedLock = Rc<RefCell<Option<Addr<ClusterLock>>>>;

/// See the module.
pub struct ElectionCarry {
    /// Where votes go.
    pub links: Links,
    /// The other duties.
    pub post: Post,
    /// The cluster lock.
    pub lock: SharedLock,
    /// Who leads, for the clients.
    pub board: Board,
    /// Log.
    pub log: Logger,
}

impl Carry<Election> for ElectionCarry {
    fn carry(&mut self, effect: Effect, _: &mut Vec<Input>) {
        match effect {
            Effect::Send { peer, message } => {
                self.links
                    .send_control(peer, ControlMessage::Election(message));
            }
            Effect::TakeLock => {
                if let Some(lock) = self.lock.borrow().as_ref() {
                    // The lock's mailbox holds one order at a time.
                    let _ = lock.try_send(Take);
                }
            }
            Effect::ReleaseLock => {
                if let Some(lock) = self.lock.borrow().as_ref() {
                    let _ = lock.try_send(Release);
                }
            }
            Effect::Standing(standing) => {
                self.board.set_standing(standing);
                self.post
                    .heartbeat
                    .send(heartbeat::io::Input::Standing(standing));
                self.post
                    .membership
                    .send(membership::io::Input::Standing(standing));
            }
            Effect::Log(record) => notice(&self.log, &record),
        }
    }
}
