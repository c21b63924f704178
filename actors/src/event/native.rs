//! Scripts whose work the daemon does itself, as steps of an event.

use super::process::wall_us;
use crate::board::Board;
use crate::net::link::{self, Link};
use crate::post::Post;
use ctdb_protocol::event::io::Script;
use ctdb_protocol::event::result::ScriptResult;
use ctdb_protocol::takeover::io::Input;
use ctdb_protocol::takeover::view::InterfaceStatus;

/// What the native scripts look at.
#[derive(Clone)]
pub struct Natives {
    /// Interfaces of the public addresses.
    pub board: Board,
    /// Where the state of an interface goes that the board shows otherwise.
    pub post: Post,
    /// The interfaces are the kernel's; none where addresses are only recorded (test mode).
    pub kernel_links: bool,
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
        let interfaces = self.reread(self.board.addresses().interfaces.clone());
        let down: Vec<&str> = interfaces
            .iter()
            .filter(|i| !i.up)
            .map(|i| i.name.as_str())
            .collect();
        let some_up = down.len() < interfaces.len();
        if down.is_empty() || (self.partially_online && some_up) {
            return Ok(());
        }
        let down = down.join(", ");
        Err(format!("No link on the public network interface {down}"))
    }

    /// The interfaces as the kernel has them. What `setifacelink` told otherwise ends here, as in 4.17, whose script
    /// reports every interface's link at each monitor event.
    fn reread(&self, mut interfaces: Vec<InterfaceStatus>) -> Vec<InterfaceStatus> {
        if !self.kernel_links {
            return interfaces;
        }
        // Without an answer of the kernel what is known stands.
        let Ok(links) = link::links() else {
            return interfaces;
        };
        for interface in &mut interfaces {
            let link = links.iter().find(|link| link.name == interface.name);
            let up = link.is_some_and(Link::up);
            if interface.up != up {
                interface.up = up;
                let name = interface.name.clone();
                self.post.takeover.send(Input::Interface { name, up });
            }
        }
        interfaces
    }
}
