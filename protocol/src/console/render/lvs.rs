//! `lvs leader` and `lvs list`; `lvs status` is a [`super::node::NodeList`].

use super::{Report, line, put_fields};
use crate::console::json::Value;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// `lvs leader`: nothing if no node can lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LvsLeader(pub Option<u32>);

impl Report for LvsLeader {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        if let Some(pnn) = self.0 {
            line!(out, "{pnn}");
        }
    }

    fn json(&self) -> Value {
        Value::object([("lvs_leader", self.0.into())])
    }
}

/// `lvs list`: numbers and private addresses of the nodes that connections go to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LvsList(pub Vec<(u32, String)>);

impl Report for LvsList {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        for (pnn, address) in &self.0 {
            line!(out, "{pnn} {address}");
        }
    }

    fn machine(&self, out: &mut Vec<u8>, separator: char, _verbose: bool) {
        put_fields(out, separator, ["Node", "IP"]);
        for (pnn, address) in &self.0 {
            put_fields(out, separator, [&*pnn.to_string(), address]);
        }
    }

    fn json(&self) -> Value {
        let node = |(pnn, address): &(u32, String)| {
            Value::object([("pnn", (*pnn).into()), ("address", address.as_str().into())])
        };
        Value::list(self.0.iter().map(node))
    }
}
