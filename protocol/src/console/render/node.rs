//! Nodes: `status`, `nodestatus`, `listnodes`.

use super::{Report, bit, line, put_fields};
use crate::console::json::Value;
use crate::flags::NodeFlags;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// `status` shows this generation as INVALID (CTDB's number for "in no composition").
const INVALID_GENERATION: u32 = 1;

const HEADING: [&str; 11] = [
    "Node",
    "IP",
    "Disconnected",
    "Unknown",
    "Banned",
    "Disabled",
    "Unhealthy",
    "Stopped",
    "Inactive",
    "PartiallyOnline",
    "ThisNode",
];

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLine {
    /// Its number.
    pub pnn: u32,
    /// Its private address.
    pub address: String,
    /// Its flags.
    pub flags: NodeFlags,
    /// Its flags are fine, but some interface of public addresses is down.
    pub partially_online: bool,
    /// It is the node that was asked.
    pub this_node: bool,
    /// The node that was asked is in no cluster yet: what it says of this one is not from a keepalive.
    pub unknown: bool,
}

impl NodeLine {
    fn deleted(&self) -> bool {
        self.flags.contains(NodeFlags::DELETED)
    }

    /// The words for its state.
    pub fn state(&self) -> String {
        if self.flags.is_ok() && !self.unknown {
            let state = if self.partially_online {
                "PARTIALLYONLINE"
            } else {
                "OK"
            };
            return state.into();
        }
        let is = |flag| self.flags.intersects(flag);
        let words = [
            (is(NodeFlags::DISCONNECTED), "DISCONNECTED"),
            (self.unknown, "UNKNOWN"),
            (is(NodeFlags::DISABLED), "DISABLED"),
            (is(NodeFlags::BANNED), "BANNED"),
            (is(NodeFlags::UNHEALTHY), "UNHEALTHY"),
            (is(NodeFlags::DELETED), "DELETED"),
            (is(NodeFlags::STOPPED), "STOPPED"),
            (is(NodeFlags::INACTIVE), "INACTIVE"),
        ];
        let set = words.iter().filter(|(is_set, _)| *is_set);
        set.map(|(_, word)| *word).collect::<Vec<_>>().join("|")
    }

    fn human(&self, out: &mut Vec<u8>) {
        let (pnn, address, state) = (self.pnn, &self.address, self.state());
        let this = if self.this_node { " (THIS NODE)" } else { "" };
        line!(out, "pnn:{pnn} {address:<16} {state}{this}");
    }

    fn machine(&self, out: &mut Vec<u8>, separator: char) {
        let flag = |flag| bit(self.flags.intersects(flag));
        let fields = [
            &*self.pnn.to_string(),
            &self.address,
            flag(NodeFlags::DISCONNECTED),
            bit(self.unknown),
            flag(NodeFlags::BANNED),
            flag(NodeFlags::DISABLED),
            flag(NodeFlags::UNHEALTHY),
            flag(NodeFlags::STOPPED),
            flag(NodeFlags::INACTIVE),
            bit(self.flags.is_ok() && self.partially_online),
            if self.this_node { "Y" } else { "N" },
        ];
        put_fields(out, separator, fields);
    }

    fn json(&self) -> Value {
        let flag = |flag| Value::Bool(self.flags.intersects(flag));
        let flags = Value::object([
            ("disconnected", flag(NodeFlags::DISCONNECTED)),
            ("unknown", self.unknown.into()),
            ("banned", flag(NodeFlags::BANNED)),
            ("disabled", flag(NodeFlags::DISABLED)),
            ("unhealthy", flag(NodeFlags::UNHEALTHY)),
            ("stopped", flag(NodeFlags::STOPPED)),
            ("inactive", flag(NodeFlags::INACTIVE)),
        ]);
        Value::object([
            ("pnn", self.pnn.into()),
            ("address", self.address.as_str().into()),
            ("partially_online", self.partially_online.into()),
            ("flags_raw", self.flags.bits().into()),
            ("flags_ok", self.flags.is_ok().into()),
            ("flags", flags),
            ("this_node", self.this_node.into()),
        ])
    }
}

/// `nodestatus`, and the first part of `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeList {
    /// The nodes, by number.
    pub nodes: Vec<NodeLine>,
    /// Say how many there are.
    pub heading: bool,
}

impl NodeList {
    /// The flags of all shown nodes: the exit code of `nodestatus`.
    pub fn all_flags(&self) -> u32 {
        let shown = self.nodes.iter().filter(|node| !node.deleted());
        shown.fold(0, |all, node| all | node.flags.bits())
    }
}

impl Report for NodeList {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        if self.heading {
            let deleted = match self.nodes.iter().filter(|node| node.deleted()).count() {
                0 => String::new(),
                count => format!(" (including {count} deleted nodes)"),
            };
            line!(out, "Number of nodes:{}{deleted}", self.nodes.len());
        }
        for node in self.nodes.iter().filter(|node| !node.deleted()) {
            node.human(out);
        }
    }

    fn machine(&self, out: &mut Vec<u8>, separator: char, _verbose: bool) {
        put_fields(out, separator, HEADING);
        for node in self.nodes.iter().filter(|node| !node.deleted()) {
            node.machine(out, separator);
        }
    }

    fn json(&self) -> Value {
        let shown = self.nodes.iter().filter(|node| !node.deleted());
        let nodes = shown
            .map(|node| (node.pnn.to_string(), node.json()))
            .collect();
        let deleted = self.nodes.iter().filter(|node| node.deleted()).count();
        Value::object([
            ("node_count", (self.nodes.len() as u64).into()),
            ("deleted_node_count", (deleted as u64).into()),
            ("nodes", Value::Object(nodes)),
        ])
    }
}

/// `status`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// All nodes.
    pub nodes: NodeList,
    /// Of the vnnmap.
    pub generation: u32,
    /// The lmaster of each slot.
    pub vnnmap: Vec<u32>,
    /// Records are being recovered.
    pub recovering: bool,
    /// Who leads.
    pub leader: Option<u32>,
    /// Nodes that are unhealthy or banned, and why; lines of ours, behind those of 4.17.
    pub reasons: Vec<(u32, String)>,
}

impl Report for Status {
    fn human(&self, out: &mut Vec<u8>, verbose: bool) {
        self.nodes.human(out, verbose);
        match self.generation {
            INVALID_GENERATION => line!(out, "Generation:INVALID"),
            generation => line!(out, "Generation:{generation}"),
        }
        line!(out, "Size:{}", self.vnnmap.len());
        for (hash, lmaster) in self.vnnmap.iter().enumerate() {
            line!(out, "hash:{hash} lmaster:{lmaster}");
        }
        let mode = if self.recovering {
            "RECOVERY (1)"
        } else {
            "NORMAL (0)"
        };
        line!(out, "Recovery mode:{mode}");
        let leader = self
            .leader
            .map_or("UNKNOWN".into(), |leader| leader.to_string());
        line!(out, "Leader:{leader}");
        // The seed's line, behind that of 4.17.
        line!(out, "Recovery master:{leader}");
        for (pnn, reason) in &self.reasons {
            line!(out, "reason:{pnn} {reason}");
        }
    }

    fn machine(&self, out: &mut Vec<u8>, separator: char, verbose: bool) {
        self.nodes.machine(out, separator, verbose);
    }

    fn json(&self) -> Value {
        let slot = |(hash, lmaster): (usize, &u32)| {
            Value::object([
                ("hash", (hash as u64).into()),
                ("lmaster", (*lmaster).into()),
            ])
        };
        let map = Value::object([
            ("generation", self.generation.into()),
            ("size", (self.vnnmap.len() as u64).into()),
            (
                "vnn_map",
                Value::list(self.vnnmap.iter().enumerate().map(slot)),
            ),
        ]);
        let mode = if self.recovering {
            "RECOVERY"
        } else {
            "NORMAL"
        };
        let reasons = self.reasons.iter();
        let reasons = reasons.map(|(pnn, reason)| (pnn.to_string(), reason.as_str().into()));
        Value::object([
            ("node_status", self.nodes.json()),
            ("vnn_status", map),
            ("recovery_mode", mode.into()),
            ("recovery_mode_raw", u32::from(self.recovering).into()),
            ("leader", self.leader.into()),
            ("reasons", Value::Object(reasons.collect())),
        ])
    }
}

/// `listnodes`: numbers and addresses, without deleted nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListNodes {
    /// Number and private address.
    pub nodes: Vec<(u32, String)>,
}

impl Report for ListNodes {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        for (_, address) in &self.nodes {
            line!(out, "{address}");
        }
    }

    fn machine(&self, out: &mut Vec<u8>, separator: char, _verbose: bool) {
        for (pnn, address) in &self.nodes {
            put_fields(out, separator, [&*pnn.to_string(), address]);
        }
    }

    fn json(&self) -> Value {
        let node = |(pnn, address): &(u32, String)| {
            Value::object([("pnn", (*pnn).into()), ("address", address.as_str().into())])
        };
        Value::list(self.nodes.iter().map(node))
    }
}
