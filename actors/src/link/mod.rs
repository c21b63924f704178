//! Links to the other nodes.
//!
//! ```text
//!  Listener ──accepted streams──► PeerLink (one actor a peer) ◄── dialled streams
//!                                    │ both lanes up: LinkUp; one lost: both closed, LinkDown
//!          control lane ◄────────────┴────────────► data lane
//!       read on the control arbiter            read on the data arbiter
//!       ──► heartbeat, election, membership,    ──► records, client messages
//!           takeover
//! ```
//! The node with the higher number dials. The two lanes of a peer live and die together: a record message
//! that was lost with a data lane is as lost as one lost with its node, and only a recovery finds it.
//! Anybody sends through [`table::Links`]; a lane's queue is bounded, and a peer that does not read for so
//! long that it fills is closed.

pub mod handshake;
pub mod inbound;
pub mod lane;
pub mod listen;
pub mod peer;
pub mod socket;
pub mod table;
