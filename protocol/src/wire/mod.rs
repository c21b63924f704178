//! What travels between nodes: bincode messages in length-prefixed frames over TCP.
//!
//! Each pair of nodes has two links: the *control* link carries keepalives, elections, recovery and
//! takeover; the *data* link carries records and client messages. A saturated data link therefore can't
//! delay a keepalive. On each link the first frame in each direction is a [`hello::Hello`].

pub mod bytes;
pub mod codec;
pub mod frame;
pub mod hello;
pub mod message;
