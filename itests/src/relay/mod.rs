//! The floor of the rings: relays that pass frames on and do nothing else, and clients that use them as the clients of a
//! ring use a daemon.
//!
//! A frame goes from a client through its own relay and the other node's relay to the other client, as a message does; a
//! call goes to the relay of the node that had the token before and comes back with so many bytes as a record has.
//! That is what a pass costs in system calls and in processes that wake, whatever the daemon is written in.

mod frame;
mod node;
mod ring;

pub use node::Node;
pub use ring::Ring;
