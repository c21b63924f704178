//! `natgw leader` and `natgw list`; `natgw status` is a [`super::node::NodeList`].

use super::{Report, line, put_fields};
use crate::console::json::Value;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::IpAddr;

/// `natgw leader`: nothing if no node can be the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatgwLeader(pub Option<(u32, IpAddr)>);

impl Report for NatgwLeader {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        if let Some((pnn, address)) = self.0 {
            line!(out, "{pnn} {address}");
        }
    }

    fn machine(&self, out: &mut Vec<u8>, separator: char, _verbose: bool) {
        put_fields(out, separator, ["Node", "IP"]);
        if let Some((pnn, address)) = self.0 {
            put_fields(out, separator, [&*pnn.to_string(), &address.to_string()]);
        }
    }

    fn json(&self) -> Value {
        let (pnn, address) = self.0.unzip();
        let address = address.map(|address| address.to_string());
        Value::object([
            ("natgw_leader", pnn.into()),
            ("address", address.as_deref().into()),
        ])
    }
}

/// One line of `natgw list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatgwMember {
    /// Its private address.
    pub address: IpAddr,
    /// It is the gateway.
    pub leader: bool,
    /// It never is.
    pub follower_only: bool,
}

/// `natgw list`: the members of the group, as they stand in its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatgwList(pub Vec<NatgwMember>);

impl Report for NatgwList {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        for member in &self.0 {
            let address = member.address;
            match (member.leader, member.follower_only) {
                (false, false) => line!(out, "{address}"),
                (true, false) => line!(out, "{address}\tLEADER"),
                (false, true) => line!(out, "{address}\tfollower-only"),
                (true, true) => line!(out, "{address}\tLEADER,follower-only"),
            }
        }
    }

    fn machine(&self, out: &mut Vec<u8>, separator: char, _verbose: bool) {
        put_fields(out, separator, ["IP", "Leader", "FollowerOnly"]);
        let digit = |flag| if flag { "1" } else { "0" };
        for member in &self.0 {
            let address = member.address.to_string();
            let fields = [&*address, digit(member.leader), digit(member.follower_only)];
            put_fields(out, separator, fields);
        }
    }

    fn json(&self) -> Value {
        let member = |member: &NatgwMember| {
            Value::object([
                ("address", member.address.to_string().as_str().into()),
                ("leader", member.leader.into()),
                ("follower_only", member.follower_only.into()),
            ])
        };
        Value::list(self.0.iter().map(member))
    }
}
