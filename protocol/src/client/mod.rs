//! The protocol of the local client socket, as spoken by `smbd`, `winbindd` and the `ctdb` tool
//! of 4.17: wire types only, no behaviour.
//!
//! ```text
//! bytes ── FrameSplitter ──► packet ── Request::parse ──► (Envelope, Request)
//!                                                             │ Control.data
//!                                                             ▼
//!                                                      T::parse (Payload)
//! bytes ◄──────────────── Reply::emit ◄── Reply { data: T::to_bytes() }
//! ```
//!
//! Invariants: reading never panics and allocates no more than the input justifies; what was
//! written reads back the same; padding is ignored when read and zero when written. Numbers are
//! plain integers here: their meanings (pnn, `db_id`, generation) begin where behaviour begins.

pub mod backup;
pub mod ban;
pub mod capability;
pub mod cursor;
pub mod database;
pub mod db_statistics;
pub mod dbmap;
pub mod error;
pub mod frame;
pub mod header;
pub mod iface;
pub mod marshall;
pub mod nodemap;
pub mod opcode;
pub mod packet;
pub mod pnn;
pub mod public_ip;
pub mod record_header;
pub mod reply;
pub mod server_id;
pub mod sockaddr;
pub mod srvid;
pub mod srvid_message;
pub mod statistics;
pub mod text;
pub mod tickle;
pub mod traverse;
pub mod tunable;
pub mod uptime;
pub mod vnnmap;

pub use cursor::{Cursor, Payload};
pub use error::WireError;
pub use frame::{FrameError, FrameSplitter};
pub use header::{Envelope, Header, Padding};
pub use opcode::Opcode;
pub use packet::{Call, CallFlags, CallId, Control, ControlFlags, Message, Request, Tunnel};
pub use record_header::{RecordFlags, RecordHeader};
pub use reply::{CallReply, ControlReply, Reply};

#[cfg(test)]
mod tests;
