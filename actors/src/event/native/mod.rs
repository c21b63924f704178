//! Scripts whose work the daemon does itself, as steps of an event.
//!
//! The work itself belongs to the duties; what is here is the script's part in the events: it appears under its name,
//! its failure counts for the node's health, and switching it off switches the duty off.

mod interface;
mod lvs;
mod natgw;
mod per_ip_routing;

pub(super) use interface::Interfaces;
pub(super) use lvs::LvsScript;
pub(super) use natgw::NatgwScript;
pub(super) use per_ip_routing::PerIpRouting;

use super::process::wall_us;
use ctdb_protocol::event::io::Script;
use ctdb_protocol::event::result::ScriptResult;
use std::sync::Arc;

/// One script's part in the events. It runs on a thread beside the events' arbiter, since it reads files and asks the
/// kernel; an event that was given up may leave it running while the next one begins.
pub trait NativeScript: Send + Sync {
    /// The script that it stands for, without `.script`.
    fn name(&self) -> &'static str;

    /// Its step in an event. The error is what the script would print before it fails.
    fn run(&self, event: &str, args: &[String]) -> Result<(), String>;

    /// Told before every event whether the script is enabled.
    fn set_enabled(&self, _enabled: bool) {}
}

/// All of them. Cheap to clone.
#[derive(Clone)]
pub struct Natives {
    scripts: Arc<[Box<dyn NativeScript>]>,
}

impl Natives {
    /// These.
    pub fn new(scripts: Vec<Box<dyn NativeScript>>) -> Self {
        Self {
            scripts: scripts.into(),
        }
    }

    /// The scripts of the next event are known: whether each is enabled goes to its duty.
    pub(super) fn listed(&self, scripts: &[Script]) {
        for native in self.scripts.iter() {
            let is_on = |script: &Script| script.enabled && script.name == native.name();
            native.set_enabled(scripts.iter().any(is_on));
        }
    }

    /// The step of a native script in an event.
    pub(super) fn run(&self, script: &Script, event: &str, args: &[String]) -> ScriptResult {
        let began_us = wall_us();
        let native = self.scripts.iter().find(|n| n.name() == script.name);
        let failure = native.and_then(|native| native.run(event, args).err());
        ScriptResult {
            name: script.name.clone(),
            began_us,
            ended_us: wall_us(),
            result: i32::from(failure.is_some()),
            output: failure.map(String::into_bytes),
        }
    }
}
