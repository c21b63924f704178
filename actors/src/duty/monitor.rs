//! Monitor: runs the events and carries their outcome to membership.
//!
//! Today the events are built-in checks: the interfaces of the public addresses. The admin's scripts are
//! found and named in one record, but not run yet.

use super::actor::Carry;
use crate::board::Board;
use crate::fatal::Fatal;
use crate::log::notice;
use crate::post::Post;
use ctdb_protocol::membership;
use ctdb_protocol::monitor::io::{Effect, Event, Input, Outcome};
use ctdb_protocol::monitor::machine::Monitor;
use ctdb_protocol::notice::Notice;
use slog::Logger;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Scripts whose work the daemon does itself (design.md section 2).
const NATIVE: [&str; 4] = ["10.interface", "11.natgw", "13.per_ip_routing", "91.lvs"];

/// See the module.
pub struct MonitorCarry {
    /// Where states go.
    pub post: Post,
    /// Interfaces of the public addresses.
    pub board: Board,
    /// Directory of the event scripts.
    pub scripts: PathBuf,
    /// `CTDB_PARTIALLY_ONLINE_INTERFACES=yes`: one live interface is enough.
    pub partially_online: bool,
    /// The end when an event that must succeed fails.
    pub fatal: Fatal,
    /// Log.
    pub log: Logger,
}

impl MonitorCarry {
    fn run(&self, event: Event) -> Outcome {
        match event {
            Event::Init => {
                self.name_scripts();
                Outcome::Passed
            }
            Event::Setup | Event::Startup => Outcome::Passed,
            Event::Monitor => self.check_interfaces(),
        }
    }

    /// As 10.interface: every interface must be up, or one of them if partially online is allowed.
    fn check_interfaces(&self) -> Outcome {
        let addresses = self.board.addresses();
        let down: Vec<&str> = addresses
            .interfaces
            .iter()
            .filter(|i| !i.up)
            .map(|i| i.name.as_str())
            .collect();
        let some_up = down.len() < addresses.interfaces.len();
        if down.is_empty() || (self.partially_online && some_up) {
            return Outcome::Passed;
        }
        Outcome::Failed {
            detail: format!(
                "No link on the public network interface {}",
                down.join(", ")
            ),
        }
    }

    fn name_scripts(&self) {
        let scripts = enabled_scripts(&self.scripts);
        if !scripts.is_empty() {
            notice(
                &self.log,
                &Notice::ScriptsNotRun {
                    scripts: scripts.join(" "),
                },
            );
        }
    }
}

/// Names of the executable `NN.name.script` files in `directory` that are not native, sorted.
fn enabled_scripts(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| {
            std::fs::metadata(entry.path()).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0)
        })
        .filter_map(|entry| {
            Some(
                entry
                    .file_name()
                    .to_str()?
                    .strip_suffix(".script")?
                    .to_string(),
            )
        })
        .filter(|name| name.as_bytes().get(2) == Some(&b'.') && !NATIVE.contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

impl Carry<Monitor> for MonitorCarry {
    fn carry(&mut self, effect: Effect, answers: &mut Vec<Input>) {
        match effect {
            Effect::RunEvent(event) => {
                answers.push(Input::CheckDone {
                    event,
                    outcome: self.run(event),
                });
            }
            Effect::RunState(state) => {
                self.post
                    .membership
                    .send(membership::io::Input::RunState(state));
            }
            Effect::Health(fit) => self
                .post
                .membership
                .send(membership::io::Input::Health(fit)),
            Effect::Fatal { reason } => self.fatal.end(&reason),
            Effect::Log(record) => notice(&self.log, &record),
        }
    }
}
