//! What of the kernel's routing the daemon keeps.

use super::policy::PolicyRouting;
use crate::log::{notice, text};
use crate::net::cleanup;
use crate::net::error::NetError;
use crate::net::route_keeper::{RouteEvent, RouteKeeper};
use crate::public::PublicAddresses;
use ctdb_protocol::leftover::Leftover;
use ctdb_protocol::notice::{Level, Notice};
use ctdb_protocol::routing::config::Config;
use ctdb_protocol::settings::Settings;
use slog::Logger;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// See the module. Cheap to clone.
#[derive(Clone, Default)]
pub struct KernelRouting {
    /// Keeps rules and routes; none where nothing may be set (test mode).
    pub keeper: Option<Arc<RouteKeeper>>,
    /// Policy routing, if the variables want it; the error is what is wrong with them.
    pub policy: Option<Result<Arc<PolicyRouting>, String>>,
    /// Says what there is to take away, should this process and its guard be killed.
    note: Option<PathBuf>,
}

impl KernelRouting {
    /// Starts what the settings want, and takes away what an earlier life left of it.
    pub fn start(
        settings: &Settings,
        public: &PublicAddresses,
        tell_guard: impl FnOnce(Vec<Leftover>),
        log: &Logger,
    ) -> Result<Self, NetError> {
        if settings.startup.test_mode {
            return Ok(Self::default());
        }
        let note = Path::new(&settings.paths.run).join("leftovers");
        clear_up(&note, log);
        let config = Config::from_variables(&settings.events.script_variables).transpose();
        let mut leftovers = Vec::new();
        if let Some(natgw) = &settings.natgw {
            let memory = crate::natgw::memory(&settings.paths.run);
            leftovers.extend(crate::natgw::leftovers(&natgw.config, &memory)?);
        }
        if let Some(Ok(config)) = &config {
            leftovers.extend(PolicyRouting::leftovers(config)?);
        }
        if let Some(lvs) = &settings.lvs {
            leftovers.extend(crate::lvs::leftovers(lvs)?);
        }
        // Without the note a killed guard costs what it cost before there was one.
        if let Err(error) = write_note(&note, &leftovers) {
            let said = format_args!("{}: {error}", note.display());
            text(log, Level::Warning, said);
        }
        tell_guard(leftovers);
        let keeper_log = log.clone();
        let keeper = Arc::new(RouteKeeper::start(move |event| {
            report(&event, &keeper_log);
        })?);
        let policy = match config {
            None => None,
            Some(Err(fault)) => Some(Err(fault.to_string())),
            Some(Ok(config)) => {
                let routing = PolicyRouting::start(config, &keeper, public, log)?;
                Some(Ok(Arc::new(routing)))
            }
        };
        Ok(Self {
            keeper: Some(keeper),
            policy,
            note: Some(note),
        })
    }

    /// Policy routing, if it is done.
    pub fn policy(&self) -> Option<&Arc<PolicyRouting>> {
        self.policy.as_ref()?.as_ref().ok()
    }

    /// Takes everything back, at the end of the daemon.
    pub fn end(&self) {
        if let Some(policy) = self.policy() {
            policy.end();
        }
    }

    /// All that was made is taken back: nobody has to clear up.
    pub fn forget(&self) {
        if let Some(note) = &self.note {
            // Usually there is one; what is in it is true in any case.
            let _ = std::fs::remove_file(note);
        }
    }
}

fn write_note(note: &Path, leftovers: &[Leftover]) -> std::io::Result<()> {
    let fresh = note.with_extension("new");
    std::fs::write(&fresh, serde_json::to_vec(leftovers)?)?;
    std::fs::rename(fresh, note)
}

/// Takes away what a daemon left that was killed together with its guard.
fn clear_up(note: &Path, log: &Logger) {
    let Ok(noted) = std::fs::read(note) else {
        return;
    };
    // What only another release knows is left to that release's next start.
    let noted: Vec<serde_json::Value> = serde_json::from_slice(&noted).unwrap_or_default();
    let leftovers = noted.into_iter().map(serde_json::from_value);
    let leftovers: Vec<Leftover> = leftovers.filter_map(Result::ok).collect();
    for error in cleanup::remove_leftovers(&leftovers) {
        let said = format_args!("left by an earlier daemon: {error}");
        text(log, Level::Warning, said);
    }
}

fn report(event: &RouteEvent, log: &Logger) {
    match event {
        RouteEvent::Repaired { count } => {
            let count = *count as u64;
            notice(log, &Notice::RoutesRepaired { count });
        }
        RouteEvent::Failed(reason) => {
            let reason = reason.clone();
            notice(log, &Notice::RoutesFailed { reason });
        }
    }
}
