//! The group file as it is in force: the configuration's at start, then what the `ipreallocated` event and
//! `ctdb reloadnodes` find in it.

use crate::nodes::NodesFile;
use crate::post::Post;
use crate::public::PublicAddresses;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::lvs::group::Group;
use ctdb_protocol::lvs::io::Input;
use ctdb_protocol::settings::{GroupLine, Lvs, Settings};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The lines of the group file as it is now, `None` without one; the error is a text for the admin. May wait.
pub type Reread = Box<dyn Fn() -> Result<Option<Vec<GroupLine>>, String> + Send + Sync>;

struct State {
    lines: Option<Vec<GroupLine>>,
    /// What is wrong with the file; the lines before stay in force.
    fault: Option<String>,
    /// Nodes of the group that belong to another one.
    foreign: BTreeSet<Pnn>,
}

struct Inner {
    lvs: Lvs,
    own: IpAddr,
    nodes: NodesFile,
    public: PublicAddresses,
    post: Post,
    reread: Reread,
    state: Mutex<State>,
}

/// See the module. Cheap to clone; nothing in it where there is no LVS.
#[derive(Clone, Default)]
pub struct LvsGroup(Option<Arc<Inner>>);

impl LvsGroup {
    /// The configuration's.
    pub fn new(
        settings: &Settings,
        nodes: &NodesFile,
        public: &PublicAddresses,
        post: &Post,
        reread: Reread,
    ) -> Self {
        let own = settings.cluster.node_address;
        Self(settings.lvs.clone().map(|lvs| {
            let state = Mutex::new(State {
                lines: lvs.group.clone(),
                fault: None,
                foreign: BTreeSet::new(),
            });
            Arc::new(Inner {
                lvs,
                own,
                nodes: nodes.clone(),
                public: public.clone(),
                post: post.clone(),
                reread,
                state,
            })
        }))
    }

    /// The group by the file; `None` without one: then it is all who announce LVS.
    pub fn listed(&self) -> Option<Group> {
        let inner = self.0.as_ref()?;
        inner.listed()
    }

    /// Nodes of the group that belong to another one.
    pub fn foreign(&self) -> BTreeSet<Pnn> {
        let state = self.0.as_ref().map(|inner| inner.state().foreign.clone());
        state.unwrap_or_default()
    }

    /// Told by the machine's actor.
    pub fn set_foreign(&self, foreign: BTreeSet<Pnn>) {
        if let Some(inner) = &self.0 {
            inner.state().foreign = foreign;
        }
    }

    /// Reads the file again, and the list of the nodes with it; the error is what is wrong, and changes nothing. Not on
    /// an arbiter.
    pub fn reread(&self) -> Result<(), String> {
        let Some(inner) = &self.0 else {
            return Ok(());
        };
        let lines = match (inner.reread)() {
            Ok(lines) => lines,
            Err(fault) => {
                inner.state().fault = Some(fault.clone());
                return Err(fault);
            }
        };
        let mut state = inner.state();
        state.fault = None;
        state.lines = lines;
        drop(state);
        inner.tell();
        Ok(())
    }

    /// What is wrong with the file.
    pub fn fault(&self) -> Option<String> {
        let inner = self.0.as_ref()?;
        inner.state().fault.clone()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listed(&self) -> Option<Group> {
        let state = self.state();
        let lines = state.lines.as_ref()?;
        Some(Group::listed(lines, &self.nodes.list()))
    }

    /// Whether this node may lead decides where the address may be.
    fn tell(&self) {
        let lvs = Lvs {
            group: self.state().lines.clone(),
            ..self.lvs.clone()
        };
        let leads = lvs.may_lead(self.own);
        if self
            .public
            .set_lvs_interface(lvs.interface.as_ref().filter(|_| leads))
        {
            self.public.tell_guard();
            self.public.configure(&self.post);
        }
        self.post.lvs.send(Input::Group(self.listed()));
    }
}
