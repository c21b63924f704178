//! Keeps rules and routes in the kernel as they are wanted: set by who wants them, repaired by a thread when they go.
//!
//! Routes go with their interface's link, with the last address of a network, and by the hands of others. The thread
//! hears of each such loss, compares what is there with what is wanted, and adds what is missing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ctdb_protocol::routing::diff::diff;
use ctdb_protocol::routing::route::{Routing, Scope};
use netlink_sys::protocols::NETLINK_ROUTE;

use super::address::RTM_DELADDR;
use super::error::{NetError, Result};
use super::link::RTM_NEWLINK;
use super::route::{RTM_DELROUTE, RTM_DELRULE, Routes};
use super::socket::Heard;
use super::watch::Watcher;
use super::wire;

const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV4_ROUTE: u32 = 7;
const RTNLGRP_IPV4_RULE: u32 = 8;
const RTNLGRP_IPV6_IFADDR: u32 = 9;
const RTNLGRP_IPV6_ROUTE: u32 = 11;
const RTNLGRP_IPV6_RULE: u32 = 19;
/// After these something may be missing. Routes that go with an interface's link or with its last address are not
/// reported themselves.
const LOSSES: [u16; 4] = [RTM_DELROUTE, RTM_DELRULE, RTM_NEWLINK, RTM_DELADDR];
/// Between two comparisons: somebody who removes again and again what is wanted must not keep a processor busy.
const REPAIR_INTERVAL: Duration = Duration::from_millis(50);
/// Between two attempts at what failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Who wants something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// Tables of public addresses.
    PolicyRouting,
    /// Fallback routes.
    NatGateway,
}

/// What the keeper reports, on whatever thread it happens: the receiver must not block.
#[derive(Debug)]
pub enum RouteEvent {
    /// Something that was wanted had gone, and is back.
    Repaired {
        /// How many rules and routes.
        count: usize,
    },
    /// The kernel does not take something; it is tried again every second. The same is said once.
    Failed(String),
}

struct Kept {
    scope: Scope,
    wanted: Routing,
    /// What was said about it last.
    failure: Option<String>,
}

struct State {
    kernel: Routes,
    kept: BTreeMap<Concern, Kept>,
    report: Box<dyn FnMut(RouteEvent) + Send>,
}

/// See the module.
pub struct RouteKeeper {
    state: Arc<Mutex<State>>,
    _watch: Watcher,
}

impl RouteKeeper {
    /// Wants nothing yet.
    pub fn start(report: impl FnMut(RouteEvent) + Send + 'static) -> Result<Self> {
        let groups = [
            RTNLGRP_LINK,
            RTNLGRP_IPV4_IFADDR,
            RTNLGRP_IPV4_ROUTE,
            RTNLGRP_IPV4_RULE,
            RTNLGRP_IPV6_IFADDR,
            RTNLGRP_IPV6_ROUTE,
            RTNLGRP_IPV6_RULE,
        ];
        let socket = Watcher::socket(NETLINK_ROUTE, &groups)?;
        let state = Arc::new(Mutex::new(State {
            kernel: Routes::open()?,
            kept: BTreeMap::new(),
            report: Box::new(report),
        }));
        let watched = state.clone();
        let (mut suspect, mut repaired_at) = (false, Instant::now());
        let each = move |heard: Result<Heard<'_>>| {
            suspect |= match &heard {
                Ok(Heard::Data(bytes)) => {
                    wire::messages(bytes).any(|message| LOSSES.contains(&message.kind))
                }
                Ok(Heard::Nothing) => false,
                Ok(Heard::Overflow) | Err(_) => true,
            };
            let since = repaired_at.elapsed();
            let mut state = lock(&watched);
            let failed = state.kept.values().any(|kept| kept.failure.is_some());
            if (suspect && since >= REPAIR_INTERVAL) || (failed && since >= RETRY_INTERVAL) {
                state.repair();
                (suspect, repaired_at) = (false, Instant::now());
            }
            heard.is_ok()
        };
        Ok(Self {
            state,
            _watch: Watcher::start("routes", socket, each)?,
        })
    }

    /// From now on this is wanted, and all else within the scope is not. What was wanted within an earlier scope is
    /// given up first. Answers what the kernel does not take; that is tried again later.
    pub fn set(&self, concern: Concern, scope: Scope, wanted: Routing) -> Vec<NetError> {
        let mut state = lock(&self.state);
        if let Some(before) = state.kept.get(&concern).filter(|kept| kept.scope != scope) {
            let (old, nothing) = (before.scope.clone(), Routing::default());
            let left = state.change(&old, &nothing);
            if let Err(errors) = left {
                return errors;
            }
        }
        let result = state.change(&scope, &wanted);
        let errors = result.err().unwrap_or_default();
        let failure = errors.first().map(ToString::to_string);
        state.kept.insert(
            concern,
            Kept {
                scope,
                wanted,
                failure,
            },
        );
        errors
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    // Whole after every statement: the kernel's state is read anew each time.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Compares and changes; answers how much was added.
    fn change(
        &mut self,
        scope: &Scope,
        wanted: &Routing,
    ) -> std::result::Result<usize, Vec<NetError>> {
        let present = self.kernel.list().map_err(|error| vec![error])?;
        let changes = diff(scope, wanted, &present);
        if changes.is_empty() {
            return Ok(0);
        }
        let failures = self.kernel.apply(&changes);
        if failures.is_empty() {
            Ok(changes.add.rules.len() + changes.add.routes.len())
        } else {
            Err(failures)
        }
    }

    fn repair(&mut self) {
        let mut kept = std::mem::take(&mut self.kept);
        for entry in kept.values_mut() {
            match self.change(&entry.scope, &entry.wanted) {
                Ok(0) => entry.failure = None,
                Ok(count) => {
                    entry.failure = None;
                    (self.report)(RouteEvent::Repaired { count });
                }
                Err(errors) => {
                    let said = errors.first().map(ToString::to_string);
                    if entry.failure != said {
                        let text = said.clone().unwrap_or_default();
                        (self.report)(RouteEvent::Failed(text));
                    }
                    entry.failure = said;
                }
            }
        }
        self.kept = kept;
    }
}

/// Takes away everything within the scope: what an earlier life left.
pub fn remove_all(scope: &Scope) -> Result<()> {
    let mut kernel = Routes::open()?;
    let present = kernel.list()?;
    let changes = diff(scope, &Routing::default(), &present);
    kernel.apply(&changes).pop().map_or(Ok(()), Err)
}
