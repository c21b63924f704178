//! LVS, on a node that takes part in it.

use super::BootError;
use super::control::own;
use crate::context::NodeContext;
use crate::duty::actor::Duty;
use crate::duty::lvs::LvsCarry;
use crate::lvs::{LvsKernel, Place};
use crate::supervise::Supervisor;
use actix::Actor;
use ctdb_protocol::lvs;
use ctdb_protocol::lvs::group::Group;
use ctdb_protocol::lvs::machine::Lvs;
use std::path::Path;
use std::rc::Rc;

/// The kernel's side, if this node takes part.
pub(super) type SharedLvs = Option<Rc<LvsKernel>>;

/// Where this node is in its group; `None` if it is in none, or where nothing may be set in the kernel.
fn place(context: &NodeContext) -> Option<Place> {
    let settings = &context.settings;
    let configured = settings.lvs.as_ref();
    let lvs = configured.filter(|_| !settings.startup.test_mode)?;
    let nodes = context.links.identity.nodes.list();
    Some(Place {
        address: lvs.address,
        interface: lvs.interface.clone(),
        nodes: nodes.iter().map(|node| node.address).collect(),
        memory: Path::new(&settings.paths.run).join("lvs.settings"),
    })
}

/// Starts the kernel's side.
pub(super) fn kernel(context: &NodeContext) -> Result<SharedLvs, BootError> {
    let Some(place) = place(context) else {
        return Ok(None);
    };
    let started = LvsKernel::start(place, &context.post, &context.log);
    started
        .map(|kernel| Some(Rc::new(kernel)))
        .map_err(|source| BootError::Socket {
            what: String::from("thread of LVS"),
            source,
        })
}

/// Starts the machine's actor, again if it must be.
pub(super) fn keep(context: &NodeContext, supervisor: &Supervisor, kernel: &SharedLvs) {
    let (Some(kernel), Some(settings)) = (kernel.clone(), context.settings.lvs.clone()) else {
        return;
    };
    let context = context.clone();
    supervisor.keep("lvs", move |life, _| {
        let nodes = context.links.identity.nodes.list();
        let listed = settings
            .group
            .as_ref()
            .map(|lines| Group::listed(lines, &nodes));
        let now = context.clock.now();
        let machine = Lvs::new(own(&context), settings.address, listed, now);
        let carry = LvsCarry {
            links: context.links.clone(),
            kernel: kernel.clone(),
            log: context.log.clone(),
        };
        let actor = Duty::new("lvs", machine, carry, context.clock, &context.fatal, life).start();
        context.poisons.put("lvs", &actor);
        context.post.lvs.occupy(actor.recipient());
        let view = (*context.board.view()).clone();
        context.post.lvs.send(lvs::io::Input::View(view));
        let on = context.public.is_lvs_on();
        context.post.lvs.send(lvs::io::Input::Enabled(on));
        kernel.retell();
    });
}
