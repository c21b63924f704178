//! The nodes that share a NAT gateway.

use crate::settings::GroupLine;
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// See the module: the lines of its file, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group(pub Vec<GroupLine>);

impl Group {
    /// The line of that node.
    pub fn member(&self, address: IpAddr) -> Option<&GroupLine> {
        self.0.iter().find(|member| member.address == address)
    }

    /// Whether the node of that private address may be the gateway, as far as the file says.
    pub fn may_lead(&self, address: IpAddr) -> bool {
        self.member(address).is_some_and(|line| !line.follower_only)
    }

    /// Its addresses without order: what makes it the same group as another one.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses: Vec<IpAddr> = self.0.iter().map(|member| member.address).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }
}
