//! Between the LVS machines.

use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// An Ethernet address.
pub type Mac = [u8; 6];

/// One message. It carries the whole state, so a lost or repeated one does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LvsMessage {
    /// I serve this address.
    Seat {
        /// The address of the sender's group.
        address: IpAddr,
        /// Where the sender is reached on the network of the clients; without it the sender does not serve.
        mac: Option<Mac>,
    },
}
