//! What of the kernel's routing the daemon keeps.

use super::policy::PolicyRouting;
use crate::log::notice;
use crate::net::error::NetError;
use crate::net::route_keeper::{RouteEvent, RouteKeeper};
use crate::public::PublicAddresses;
use ctdb_protocol::leftover::Leftover;
use ctdb_protocol::notice::Notice;
use ctdb_protocol::routing::config::Config;
use ctdb_protocol::settings::Settings;
use slog::Logger;
use std::sync::Arc;

/// See the module. Cheap to clone.
#[derive(Clone, Default)]
pub struct KernelRouting {
    /// Keeps rules and routes; none where nothing may be set (test mode).
    pub keeper: Option<Arc<RouteKeeper>>,
    /// Policy routing, if the variables want it; the error is what is wrong with them.
    pub policy: Option<Result<Arc<PolicyRouting>, String>>,
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
        let config = Config::from_variables(&settings.events.script_variables).transpose();
        let mut leftovers = Vec::new();
        if let Some(Ok(config)) = &config {
            leftovers.extend(PolicyRouting::leftovers(config)?);
        }
        tell_guard(leftovers);
        let keeper_log = log.clone();
        let keeper = Arc::new(RouteKeeper::start(move |event| {
            report(&event, &keeper_log);
        })?);
        let policy = match config {
            None => None,
            Some(Err(reason)) => Some(Err(reason)),
            Some(Ok(config)) => {
                let routing = PolicyRouting::start(config, &keeper, public, log)?;
                Some(Ok(Arc::new(routing)))
            }
        };
        Ok(Self {
            keeper: Some(keeper),
            policy,
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
