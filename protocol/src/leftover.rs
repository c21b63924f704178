//! What a daemon leaves in the kernel when it is killed: told to the guard before it is made, so that the guard can take
//! it away without knowing any configuration.

use crate::routing::route::Scope;
use alloc::string::String;
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
    /// An nftables table.
    Table {
        /// `ip`, `ip6`, `inet`, `netdev`.
        family: String,
        /// Its name.
        name: String,
    },
}
