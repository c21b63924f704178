//! 10.interface: the links of the public interfaces.

use super::NativeScript;
use crate::board::Board;
use crate::net::link::{self, Link};
use crate::post::Post;
use ctdb_protocol::event::name::INTERFACE;
use ctdb_protocol::takeover::io::Input;
use ctdb_protocol::takeover::view::InterfaceStatus;

/// See the module.
pub(in crate::event) struct Interfaces {
    /// Interfaces of the public addresses.
    pub(in crate::event) board: Board,
    /// Where the state of an interface goes that the board shows otherwise.
    pub(in crate::event) post: Post,
    /// The interfaces are the kernel's; none where addresses are only recorded (test mode).
    pub(in crate::event) kernel_links: bool,
    /// `CTDB_PARTIALLY_ONLINE_INTERFACES=yes`: one live interface is enough.
    pub(in crate::event) partially_online: bool,
}

impl NativeScript for Interfaces {
    fn name(&self) -> &'static str {
        INTERFACE
    }

    fn run(&self, event: &str, _: &[String]) -> Result<(), String> {
        match event {
            "monitor" => self.check_interfaces(),
            _ => Ok(()),
        }
    }
}

impl Interfaces {
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
