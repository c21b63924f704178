//! The console: a TCP listener on which the `ctdb` tool, or an admin with `nc`, gives commands.
//!
//! ```text
//! listen (supervised) ──► session (one actor each) ──► execute ──► Control   controls, to any node
//!                          lines, token, limits                ├─► Records   records of databases
//!                                                              └─► Cluster   board, log, takeover
//! ```
//!
//! A reply is the command's lines, then exactly one `OK` or `ERR <code> <message>`
//! ([`ctdb_protocol::console::escape`] says how lines that could be taken for those travel).
//! Invariants: a line, a session and a command have bounds in bytes and in time, so no peer, dead or not,
//! makes the console hang; a command that the table marks needs the token; bytes that are no command cost
//! their sender an `ERR`.

mod addresses;
mod ask;
mod change;
mod cluster;
mod control;
mod database;
mod database_admin;
mod event;
mod execute;
mod line;
mod listen;
mod lvs;
mod natgw;
mod node;
mod nodes_file;
mod public;
mod records;
mod session;
mod tcp;
mod time;
mod token;

#[cfg(test)]
mod tests;

pub use cluster::NodeCluster;
pub use execute::Executor;
pub use listen::start;
pub use records::ClientRecords;
pub use session::Limits;
pub use tcp::without_daemon;
pub use time::local_date;
pub use token::{Token, TokenError};

use crate::event::Service;
use crate::poison::PoisonCabinet;
use ctdb_protocol::client::{ControlReply, Opcode};
use ctdb_protocol::console::render::database::RecordLine;
use ctdb_protocol::id::DbId;
use ctdb_protocol::lvs::group::Group;
use ctdb_protocol::natgw::view::NatgwView;
use futures_util::future::LocalBoxFuture;

/// The dispatcher of controls, as its in-process clients see it.
pub trait Control: 'static {
    /// Asks a node (a pnn, or the number that means "this one") and waits for its answer; a node that
    /// can't be reached answers with status -1 and a text. The caller limits the time.
    fn call(
        &self,
        dest: u32,
        opcode: Opcode,
        data: Vec<u8>,
    ) -> LocalBoxFuture<'static, ControlReply>;
}

/// Records of volatile databases, from wherever in the cluster they are. Errors are texts for the admin.
pub trait RecordAccess: 'static {
    /// The data; `None` if there is no record, or an empty one.
    fn read(
        &self,
        db: DbId,
        key: Vec<u8>,
    ) -> LocalBoxFuture<'static, Result<Option<Vec<u8>>, String>>;

    /// Stores the data.
    fn write(
        &self,
        db: DbId,
        key: Vec<u8>,
        data: Vec<u8>,
    ) -> LocalBoxFuture<'static, Result<(), String>>;

    /// Empties the record, for the vacuum to remove.
    fn delete(&self, db: DbId, key: Vec<u8>) -> LocalBoxFuture<'static, Result<(), String>>;

    /// All records that are not empty, of the whole cluster.
    fn scan(&self, db: DbId) -> LocalBoxFuture<'static, Result<Vec<RecordLine>, String>>;
}

/// What the node itself knows without asking others.
pub trait Cluster: 'static {
    /// This node.
    fn own(&self) -> u32;

    /// The leader, if one is known.
    fn leader(&self) -> Option<u32>;

    /// Numbers and private addresses, deleted nodes left out.
    fn nodes(&self) -> Vec<(u32, String)>;

    /// A takeover run, ended; asked for again until it is answered.
    fn reallocate(&self) -> LocalBoxFuture<'static, ()>;

    /// The newest lines of the log, oldest first.
    fn log_tail(&self, lines: usize) -> Vec<String>;

    /// The LVS group that this node knows of.
    fn lvs_group(&self) -> Option<Group> {
        None
    }

    /// Those of its nodes that have LVS switched on and are in no other group.
    fn lvs_able(&self) -> Option<Group> {
        self.lvs_group()
    }

    /// The NAT gateway as this node sees it.
    fn natgw(&self) -> Option<NatgwView> {
        None
    }

    /// Event scripts, if this node has any.
    fn events(&self) -> Option<Service> {
        None
    }

    /// Actors that can be made to panic, in a daemon under test.
    fn poisons(&self) -> PoisonCabinet {
        PoisonCabinet::default()
    }
}
