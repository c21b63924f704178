//! The public addresses as one node sees them.

use crate::id::Pnn;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// One address of this node's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressStatus {
    /// The address.
    pub address: IpAddr,
    /// Length of its network prefix.
    pub prefix: u8,
    /// The node that has it, as far as is known here.
    pub owner: Option<Pnn>,
    /// The interface it is on, if it is here.
    pub active: Option<String>,
    /// Interfaces that may carry it.
    pub interfaces: Vec<String>,
}

/// One interface that public addresses name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// It can carry traffic.
    pub up: bool,
    /// Addresses on it.
    pub references: u32,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressView {
    /// Addresses in ascending order.
    pub addresses: Vec<AddressStatus>,
    /// Interfaces by name.
    pub interfaces: Vec<InterfaceStatus>,
}
