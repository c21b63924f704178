//! Scripts whose work the daemon does itself, as steps of an event.

use super::process::wall_us;
use crate::board::Board;
use ctdb_protocol::event::io::Script;
use ctdb_protocol::event::result::ScriptResult;

/// What the native scripts look at.
#[derive(Clone)]
pub struct Natives {
    /// Interfaces of the public addresses.
    pub board: Board,
    /// `CTDB_PARTIALLY_ONLINE_INTERFACES=yes`: one live interface is enough.
    pub partially_online: bool,
}

impl Natives {
    /// The step of a native script in an event.
    pub(super) fn run(&self, script: &Script, event: &str) -> ScriptResult {
        let began_us = wall_us();
        let failure = match event {
            "monitor" => self.check_interfaces().err(),
            _ => None,
        };
        ScriptResult {
            name: script.name.clone(),
            began_us,
            ended_us: wall_us(),
            result: i32::from(failure.is_some()),
            output: failure.map(String::into_bytes),
        }
    }

    /// As 10.interface: every interface must be up, or one of them if partially online is allowed.
    fn check_interfaces(&self) -> Result<(), String> {
        let addresses = self.board.addresses();
        let down: Vec<&str> = addresses
            .interfaces
            .iter()
            .filter(|i| !i.up)
            .map(|i| i.name.as_str())
            .collect();
        let some_up = down.len() < addresses.interfaces.len();
        if down.is_empty() || (self.partially_online && some_up) {
            return Ok(());
        }
        let down = down.join(", ");
        Err(format!("No link on the public network interface {down}"))
    }
}
