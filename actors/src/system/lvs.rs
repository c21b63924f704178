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
use ctdb_protocol::lvs::machine::Lvs;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The kernel's side, if this node takes part.
pub(super) type SharedLvs = Option<Rc<LvsKernel>>;

/// Where this node is in its group; `None` if it is in none, or where nothing may be set in the kernel.
fn place(context: &NodeContext) -> Option<Place> {
    let settings = &context.settings;
    let configured = settings.lvs.as_ref();
    let lvs = configured.filter(|_| !settings.startup.test_mode)?;
    Some(Place {
        address: lvs.address,
        interface: lvs.interface.clone(),
        nodes: context.links.identity.nodes.clone(),
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
        let (now, listed) = (context.clock.now(), context.lvs_group.listed());
        let machine = Lvs::new(own(&context), settings.address, listed, now);
        context.lvs_group.set_foreign(BTreeSet::new());
        let carry = LvsCarry {
            links: context.links.clone(),
            group: context.lvs_group.clone(),
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
