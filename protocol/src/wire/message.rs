//! The messages of both lanes. Each duty owns its part and defines it beside its machine.

use super::bytes::Bytes;
use super::hello::Hello;
use crate::election::message::ElectionMessage;
use crate::heartbeat::message::Keepalive;
use crate::id::{Pnn, SrvId};
use crate::lvs::message::LvsMessage;
use crate::membership::message::MembershipMessage;
use crate::natgw::message::NatgwMessage;
use crate::record::message::RecordMessage;
use crate::takeover::message::TakeoverMessage;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// Everything that can stand in a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Packet {
    /// First frame on a link.
    Hello(Hello),
    /// The hello was refused for this reason; the link is closed after it.
    Refused(String),
    /// On the control lane.
    Control(ControlMessage),
    /// On the data lane.
    Data(DataMessage),
}

/// Messages of the control lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlMessage {
    /// I am alive, this is my state.
    Keepalive(Keepalive),
    /// I leave in order and hold nothing any more.
    Goodbye,
    /// Between the election machines.
    Election(ElectionMessage),
    /// Between the membership machines.
    Membership(MembershipMessage),
    /// Between the takeover machines.
    Takeover(TakeoverMessage),
    /// Between the LVS machines.
    Lvs(LvsMessage),
    /// Between the NAT gateway machines.
    Natgw(NatgwMessage),
}

/// Messages of the data lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataMessage {
    /// Between the record machines.
    Record(RecordMessage),
    /// On behalf of clients.
    Client(ClientMessage),
}

/// How a database is kept (client-protocol.md section 9, dbid map).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum DbKind {
    /// Cleared at start, each record has one dmaster.
    #[default]
    Volatile,
    /// Full copy on all nodes, synced.
    Persistent,
    /// Full copy on all nodes, cleared at start.
    Replicated,
}

/// What nodes carry for their clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientMessage {
    /// A message to every client that registered `srvid` on the receiving node.
    Message {
        /// The port.
        srvid: SrvId,
        /// Payload, not looked into.
        data: Bytes,
    },
    /// A control to be carried out by the receiving node (payloads as on the client socket).
    Control {
        /// Number of the request at the sender; 0 when no reply is wanted.
        request: u64,
        /// Number of the control.
        opcode: u32,
        /// The header's srvid field.
        srvid: SrvId,
        /// The header's flags.
        flags: u32,
        /// Payload.
        data: Bytes,
    },
    /// Answer to a control.
    ControlReply {
        /// Number of the request.
        request: u64,
        /// 0 or the value that the control answers in its status.
        status: i32,
        /// Payload.
        data: Bytes,
        /// Error text, empty if none.
        error: String,
    },
    /// Open this database too: a client of the sender attached it.
    Attach {
        /// Its name.
        name: String,
        /// Its kind.
        kind: DbKind,
    },
    /// Send me the records you are dmaster of.
    TraverseStart {
        /// Number of the traverse at the sender.
        request: u64,
        /// The database.
        db: crate::id::DbId,
        /// Empty records too.
        with_empty: bool,
    },
    /// Records of a traverse.
    TraverseRecords {
        /// Number of the traverse.
        request: u64,
        /// Key, and header with data, of each record.
        records: alloc::vec::Vec<(Bytes, Bytes)>,
        /// No more will come from this node.
        done: bool,
    },
    /// The traverse is not wanted any more.
    TraverseStop {
        /// Number of the traverse.
        request: u64,
    },
    /// A tunnel packet for whoever registered the tunnel.
    Tunnel {
        /// Tunnel id.
        tunnel: u64,
        /// Request, reply, no-reply flags.
        flags: u32,
        /// Number of the request at the asking client's node.
        reqid: u32,
        /// Node of the asking client.
        from: Pnn,
        /// Payload.
        data: Bytes,
    },
}
