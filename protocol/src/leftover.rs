//! What a daemon leaves in the kernel when it is killed: told to the guard before it is made, so that the guard can take
//! it away without knowing any configuration; and noted in a file, should the guard be killed too: whoever starts next
//! takes it away, whatever its configuration is by then.

use crate::routing::route::Scope;
use alloc::string::String;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// One kind of trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leftover {
    /// Rules and routes.
    Routing(Scope),
    /// The file with the names of routing tables.
    TableNames,
    /// A kernel switch that was set.
    Switch {
        /// Its place below `/proc/sys/net`.
        name: String,
        /// What to put back.
        value: String,
    },
    /// An address that is neither leased nor on an interface of the clients.
    Address {
        /// The address.
        address: IpAddr,
        /// Where it is.
        interface: String,
    },
    /// An nftables table.
    Table {
        /// `ip`, `ip6`, `inet`, `netdev`.
        family: String,
        /// Its name.
        name: String,
    },
    /// The chains that translate by iptables, where nftables is missing.
    Chains {
        /// Those of IPv6.
        six: bool,
    },
}
