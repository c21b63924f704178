//! The NAT gateway: the group's file as it is in force, what the node does, and what is wrong with it.
//!
//! ```text
//!  events (11.natgw) ─► NatgwDesk ─group─► Duty of Natgw ─role─► NatgwKernel (thread) ─► rules, routes, switches
//!  console ◄──view────────┘  ▲                └─address─► address worker
//!                            └──trouble────────────────────┘
//! ```

mod kernel;
mod worker;

pub use kernel::NatgwKernel;
pub use worker::leftovers;

use crate::net::address::HeldAddress;
use crate::post::Post;
use ctdb_protocol::group_file;
use ctdb_protocol::natgw::group::Group;
use ctdb_protocol::natgw::io::{Input, Part};
use ctdb_protocol::natgw::view::NatgwView;
use ctdb_protocol::settings::{NatGateway, Settings};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long services that start wait for a way out that is being made.
const READY_LIMIT: Duration = Duration::from_secs(3);

struct State {
    /// The lines that are in force.
    group: Group,
    /// The script is enabled.
    enabled: bool,
    /// `event run … removenatgw`
    removed: bool,
    view: NatgwView,
    /// What the kernel did not take.
    trouble: Option<String>,
    /// The kernel has what the node's role wants, and the node has a role.
    ready: bool,
}

struct Inner {
    natgw: NatGateway,
    own: IpAddr,
    post: Post,
    state: Mutex<State>,
    changed: Condvar,
}

/// See the module. Cheap to clone; nothing in it where there is no NAT gateway, or nothing may be set in the kernel
/// (test mode).
#[derive(Clone, Default)]
pub struct NatgwDesk(Option<Arc<Inner>>);

impl NatgwDesk {
    /// As the settings say; switched off until its script is found enabled.
    pub fn new(settings: &Settings, post: &Post) -> Self {
        let natgw = settings.natgw.clone();
        let natgw = natgw.filter(|_| !settings.startup.test_mode);
        Self(natgw.map(|natgw| {
            let state = Mutex::new(State {
                group: Group(natgw.group.clone()),
                enabled: false,
                removed: false,
                view: NatgwView::default(),
                trouble: None,
                ready: false,
            });
            Arc::new(Inner {
                natgw,
                own: settings.cluster.node_address,
                post: post.clone(),
                state,
                changed: Condvar::new(),
            })
        }))
    }

    /// The settings, if there is a NAT gateway.
    pub fn settings(&self) -> Option<&NatGateway> {
        self.0.as_ref().map(|inner| &inner.natgw)
    }

    /// The group as this node sees it.
    pub fn view(&self) -> Option<NatgwView> {
        let inner = self.0.as_ref()?;
        let state = inner.state();
        Some(NatgwView {
            // Also where the script is switched off.
            group: Some(state.group.clone()),
            ..state.view.clone()
        })
    }

    /// Told by the machine's actor. True if the group has a gateway and had none, or the other way round.
    pub fn set_view(&self, view: NatgwView) -> bool {
        let Some(inner) = &self.0 else { return false };
        let mut state = inner.state();
        let changed = state.view.leader.is_some() != view.leader.is_some();
        state.view = view;
        changed
    }

    /// Told by those who work on the kernel: what it did not take, or whether the node has a way out.
    pub(crate) fn set_outcome(&self, outcome: Result<bool, String>) {
        let Some(inner) = &self.0 else { return };
        let mut state = inner.state();
        state.ready = outcome == Ok(true);
        state.trouble = outcome.err();
        inner.changed.notify_all();
    }

    /// Waits a little until this node has its way out, for those that need it next. Not on an arbiter.
    pub fn wait_ready(&self) {
        if let Some(inner) = &self.0 {
            let pending = |state: &mut State| state.enabled && !state.ready;
            // Who needs it says by itself that there was none.
            let _ = inner
                .changed
                .wait_timeout_while(inner.state(), READY_LIMIT, pending);
        }
    }

    /// Whether the script is enabled.
    pub fn set_enabled(&self, enabled: bool) {
        let Some(inner) = &self.0 else { return };
        let mut state = inner.state();
        if state.enabled != enabled {
            state.enabled = enabled;
            inner.configure(&state);
        }
    }

    /// Tells the machine what this node's part is, once more.
    pub fn configure(&self) {
        if let Some(inner) = &self.0 {
            inner.configure(&inner.state());
        }
    }

    /// Takes over what the file says now; the error says what is wrong with it, and the lines before it stay in force.
    /// Reads a file: not for an arbiter.
    pub fn reread(&self) -> Result<(), String> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let group = inner.read()?;
        let mut state = inner.state();
        if state.group != group || state.removed {
            state.group = group;
            state.removed = false;
            inner.configure(&state);
        }
        Ok(())
    }

    /// Has this node take no part until the file is read again.
    pub fn remove(&self) {
        let Some(inner) = &self.0 else { return };
        let mut state = inner.state();
        state.removed = true;
        inner.configure(&state);
    }

    /// Whether the file can be used. Reads it: not for an arbiter.
    pub fn check_file(&self) -> Result<(), String> {
        match &self.0 {
            None => Ok(()),
            Some(inner) => inner.read().map(drop),
        }
    }

    /// Whether there is a gateway, and this node has what it needs of it.
    pub fn check_service(&self) -> Result<(), String> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let state = inner.state();
        if let Some(reason) = state.view.refused.as_ref().or(state.trouble.as_ref()) {
            return Err(reason.clone());
        }
        if state.view.leader.is_none() && state.enabled && !state.removed {
            return Err(String::from("There is no NATGW leader node"));
        }
        Ok(())
    }
}

/// Where the thread notes what switches were before; `run` is the directory of what does not outlive a restart.
pub fn memory(run: &str) -> PathBuf {
    Path::new(run).join("natgw.settings")
}

/// Where the gateway's address goes on this node, if it may be the gateway as far as its variables say.
pub fn place(settings: &Settings) -> Option<HeldAddress> {
    let natgw = settings.natgw.as_ref()?;
    let side = natgw.config.public.as_ref();
    let side = side.filter(|_| !natgw.slave_only && !settings.startup.test_mode)?;
    Some(HeldAddress {
        ip: side.address,
        prefix_len: side.prefix,
        interface: side.interface.clone(),
        passive: false,
    })
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn configure(&self, state: &State) {
        let part = (state.enabled && !state.removed).then(|| {
            let leads = !self.natgw.slave_only && state.group.may_lead(self.own);
            let side = self.natgw.config.public.as_ref().filter(|_| leads);
            Part {
                group: state.group.clone(),
                address: side.map(|side| side.address),
            }
        });
        self.post.natgw.send(Input::Configure(part));
    }

    fn read(&self) -> Result<Group, String> {
        let file = &self.natgw.config.file;
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| format!("CTDB_NATGW_NODES={file}: {error}"))?;
        let (lines, faults) = group_file::parse(&text);
        match faults.into_iter().next() {
            None => Ok(Group(lines)),
            Some(fault) => Err(format!("{file}: {fault}")),
        }
    }
}
