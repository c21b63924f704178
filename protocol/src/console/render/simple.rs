//! Reports of one line or of a plain list.

use super::{Report, bit, line, put_fields};
use crate::console::json::Value;
use crate::flags::Capabilities;
use alloc::string::String;
use alloc::vec::Vec;

/// One value on a line: `pnn`, `getpid`, `runstate`, `getdebug`, `leader`, `version` …
#[derive(Clone, Debug, PartialEq)]
pub struct Single {
    /// Its name in JSON.
    pub name: &'static str,
    /// What is printed; `None` prints nothing.
    pub text: Option<String>,
    /// What JSON gets.
    pub value: Value,
}

impl Single {
    /// A text that is the same in all forms.
    pub fn text(name: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            name,
            value: text.as_str().into(),
            text: Some(text),
        }
    }

    /// A number.
    pub fn number(name: &'static str, number: impl Into<i64>) -> Self {
        let number = number.into();
        Self {
            name,
            text: Some(alloc::format!("{number}")),
            value: number.into(),
        }
    }
}

impl Report for Single {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        if let Some(text) = &self.text {
            line!(out, "{text}");
        }
    }

    fn json(&self) -> Value {
        Value::object([(self.name, self.value.clone())])
    }
}

/// A command that prints nothing when it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done;

impl Report for Done {
    fn human(&self, _out: &mut Vec<u8>, _verbose: bool) {}

    fn json(&self) -> Value {
        Value::object([])
    }
}

/// `ping`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Who answered.
    pub node: u32,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// Its clients.
    pub clients: i32,
}

impl Report for Ping {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        let Self { node, clients, .. } = self;
        let (seconds, micros) = (self.micros / 1_000_000, self.micros % 1_000_000);
        line!(
            out,
            "response from {node} time={seconds}.{micros:06} sec  ({clients} clients)"
        );
    }

    fn json(&self) -> Value {
        Value::object([
            ("node", self.node.into()),
            ("time_us", self.micros.into()),
            ("clients", self.clients.into()),
        ])
    }
}

/// `getcapabilities`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapabilityList(pub Capabilities);

impl Report for CapabilityList {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        // The last three lines are the seed's; 4.17 has dropped them.
        for (name, capability) in [
            ("LEADER", Capabilities::LEADER),
            ("LMASTER", Capabilities::LMASTER),
            ("RECMASTER", Capabilities::LEADER),
            ("LVS", Capabilities::LVS),
            ("NATGW", Capabilities::NATGW),
        ] {
            let word = if self.0.contains(capability) {
                "YES"
            } else {
                "NO"
            };
            line!(out, "{name}: {word}");
        }
    }

    fn machine(&self, out: &mut Vec<u8>, separator: char, _verbose: bool) {
        put_fields(out, separator, ["LEADER", "LMASTER"]);
        let has = |capability| bit(self.0.contains(capability));
        put_fields(
            out,
            separator,
            [has(Capabilities::LEADER), has(Capabilities::LMASTER)],
        );
    }

    fn json(&self) -> Value {
        let has = |capability| Value::Bool(self.0.contains(capability));
        Value::object([
            ("leader", has(Capabilities::LEADER)),
            ("lmaster", has(Capabilities::LMASTER)),
            ("lvs", has(Capabilities::LVS)),
            ("natgw", has(Capabilities::NATGW)),
        ])
    }
}

/// `getvar`, `listvars`: names and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(pub Vec<(String, u32)>);

impl Report for Variables {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        for (name, value) in &self.0 {
            line!(out, "{name:<26} = {value}");
        }
    }

    fn json(&self) -> Value {
        let field = |(name, value): &(String, u32)| (name.clone(), (*value).into());
        Value::Object(self.0.iter().map(field).collect())
    }
}

/// `process-exists`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessExists {
    /// The process.
    pub pid: i32,
    /// The message port it must have registered.
    pub srvid: Option<u64>,
    /// It does.
    pub exists: bool,
}

impl Report for ProcessExists {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        let verdict = if self.exists {
            "exists"
        } else {
            "does not exist"
        };
        match self.srvid {
            None => line!(out, "PID {} {verdict}", self.pid),
            Some(srvid) => line!(out, "PID {} with SRVID 0x{srvid:x} {verdict}", self.pid),
        }
    }

    fn json(&self) -> Value {
        Value::object([
            ("pid", self.pid.into()),
            ("srvid", self.srvid.into()),
            ("exists", self.exists.into()),
        ])
    }
}

/// `getlog`, `help`: lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines(pub Vec<String>);

impl Report for Lines {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        for text in &self.0 {
            line!(out, "{text}");
        }
    }

    fn json(&self) -> Value {
        Value::list(self.0.iter().map(|text| text.as_str().into()))
    }
}

/// `isnotleader`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsNotLeader(pub bool);

impl Report for IsNotLeader {
    fn human(&self, out: &mut Vec<u8>, _verbose: bool) {
        let words = if self.0 { "is not" } else { "is" };
        line!(out, "this node {words} the leader");
    }

    fn json(&self) -> Value {
        Value::object([("leader", (!self.0).into())])
    }
}
