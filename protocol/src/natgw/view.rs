//! What others see of the NAT gateway.

use super::group::Group;
use crate::id::Pnn;
use alloc::string::String;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// The NAT gateway as one node sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatgwView {
    /// The node's group; none: no NAT gateway here.
    pub group: Option<Group>,
    /// Who shall be the gateway, with its private address.
    pub leader: Option<(Pnn, IpAddr)>,
    /// This node has the address and translates.
    pub serving: bool,
    /// Why this node takes no part.
    pub refused: Option<String>,
}
