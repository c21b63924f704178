//! Public addresses: `ip`, `ipinfo`, `ifaces`.

use super::{Report, bit, line, put_fields};
use crate::client::iface::{Iface, IfaceList};
use crate::client::public_ip::PublicIpInfo;
use crate::console::json::Value;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

/// One address of `ip`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpLine {
    /// The address.
    pub address: IpAddr,
    /// Who serves it.
    pub pnn: Option<u32>,
    /// Interfaces, as one node knows them.
    pub info: Option<PublicIpInfo>,
}

impl IpLine {
    fn names(&self, wanted: impl Fn(usize, &Iface) -> bool) -> Vec<&str> {
        let ifaces = self
            .info
            .iter()
            .flat_map(|info| info.ifaces.iter().enumerate());
        let wanted = ifaces.filter(|(index, iface)| wanted(*index, iface));
        wanted.map(|(_, iface)| iface.name.as_str()).collect()
    }

    fn active(&self) -> Vec<&str> {
        let active = self.info.as_ref().map(|info| info.active as usize);
        self.names(|index, _| Some(index) == active)
    }

    fn available(&self) -> Vec<&str> {
        self.names(|_, iface| iface.link != 0)
    }

    fn configured(&self) -> Vec<&str> {
        self.names(|_, _| true)
    }

    fn node(&self) -> String {
        self.pnn.map_or("-1".into(), |pnn| pnn.to_string())
    }
}

/// `ip`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpList {
    /// The node that was asked; `None`: all of them.
    pub node: Option<u32>,
    /// The addresses, in ascending order.
    pub addresses: Vec<IpLine>,
}

impl Report for IpList {
    fn human(&self, out: &mut Vec<u8>, verbose: bool) {
        match self.node {
            Some(pnn) => line!(out, "Public IPs on node {pnn}"),
            None => line!(out, "Public IPs on ALL nodes"),
        }
        for ip in &self.addresses {
            let (address, node) = (ip.address, ip.node());
            if verbose {
                let active = ip.active().join(",");
                let available = ip.available().join(",");
                let configured = ip.configured().join(",");
                line!(
                    out,
                    "{address} node[{node}] active[{active}] available[{available}] \
                     configured[{configured}]"
                );
            } else {
                line!(out, "{address} {node}");
            }
        }
    }

    fn machine(&self, out: &mut Vec<u8>, separator: char, verbose: bool) {
        let shown = if verbose { 5 } else { 2 };
        let heading = [
            "Public IP",
            "Node",
            "ActiveInterfaces",
            "AvailableInterfaces",
            "ConfiguredInterfaces",
        ];
        put_fields(out, separator, heading.into_iter().take(shown));
        for ip in &self.addresses {
            let fields = [
                ip.address.to_string(),
                ip.node(),
                ip.active().join(","),
                ip.available().join(","),
                ip.configured().join(","),
            ];
            put_fields(
                out,
                separator,
                fields.iter().map(String::as_str).take(shown),
            );
        }
    }

    fn json(&self) -> Value {
        let names = |names: Vec<&str>| Value::list(names.into_iter().map(Value::from));
        Value::list(self.addresses.iter().map(|ip| {
            Value::object([
                ("address", ip.address.to_string().into()),
                ("node", ip.pnn.into()),
                ("active", names(ip.active())),
                ("available", names(ip.available())),
                ("configured", names(ip.configured())),
            ])
        }))
    }
}

const fn link(iface: &Iface) -> &'static str {
    if iface.link != 0 { "up" } else { "down" }
}

fn iface_json(iface: &Iface) -> Value {
    Value::object([
        ("name", iface.name.as_str().into()),
        ("up", (iface.link != 0).into()),
        ("references", iface.references.into()),
    ])
}

/// `ipinfo`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpInfo {
    /// The node that was asked.
    pub node: u32,
    /// The address.
    pub address: IpAddr,
    /// Who serves it.
    pub pnn: Option<u32>,
    /// What that node knows.
    pub info: PublicIpInfo,
}

impl Report for IpInfo {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        line!(
            out,
            "Public IP[{}] info on node {}",
            self.address,
            self.node
        );
        line!(out, "IP:{}", self.address);
        line!(
            out,
            "CurrentNode:{}",
            self.pnn.map_or("-1".into(), |pnn| pnn.to_string())
        );
        line!(out, "NumInterfaces:{}", self.info.ifaces.len());
        for (index, iface) in self.info.ifaces.iter().enumerate() {
            let active = if index == self.info.active as usize {
                " (active)"
            } else {
                ""
            };
            let (name, link, references) = (&iface.name, link(iface), iface.references);
            line!(
                out,
                "Interface[{}]: Name:{name} Link:{link} References:{references}{active}",
                index + 1
            );
        }
    }

    fn json(&self) -> Value {
        let active = self.info.ifaces.get(self.info.active as usize);
        Value::object([
            ("address", self.address.to_string().into()),
            ("node", self.pnn.into()),
            ("active", active.map(|iface| iface.name.clone()).into()),
            (
                "interfaces",
                Value::list(self.info.ifaces.iter().map(iface_json)),
            ),
        ])
    }
}

/// `ifaces`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ifaces {
    /// The node that was asked.
    pub node: u32,
    /// Its interfaces.
    pub list: IfaceList,
}

impl Report for Ifaces {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        if self.list.ifaces.is_empty() {
            line!(out, "No interfaces configured on node {}", self.node);
            return;
        }
        line!(out, "Interfaces on node {}", self.node);
        for iface in &self.list.ifaces {
            let (name, link, references) = (&iface.name, link(iface), iface.references);
            line!(out, "name:{name} link:{link} references:{references}");
        }
    }

    fn machine(&self, out: &mut Vec<u8>, separator: char, verbose: bool) {
        if self.list.ifaces.is_empty() {
            self.human(out, verbose);
            return;
        }
        put_fields(out, separator, ["Name", "LinkStatus", "References"]);
        for iface in &self.list.ifaces {
            let references = iface.references.to_string();
            put_fields(
                out,
                separator,
                [&*iface.name, bit(iface.link != 0), &references],
            );
        }
    }

    fn json(&self) -> Value {
        Value::list(self.list.ifaces.iter().map(iface_json))
    }
}
