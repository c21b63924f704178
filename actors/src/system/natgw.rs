//! The NAT gateway's duty. Every node has it, also without a gateway: each answers the leader which address it holds.

use super::BootError;
use super::control::own;
use crate::context::NodeContext;
use crate::duty::actor::Duty;
use crate::duty::heartbeat::SharedKernel;
use crate::duty::natgw::{NatgwCarry, SharedNatgw};
use crate::natgw::{self, NatgwKernel};
use crate::supervise::Supervisor;
use actix::Actor;
use ctdb_protocol::natgw::io::Input;
use ctdb_protocol::natgw::machine::Natgw;
use ctdb_protocol::timing::Timing;
use std::cell::RefCell;
use std::rc::Rc;
use tokio::sync::watch;

/// Starts the thread of rules and routes, if there is a NAT gateway.
pub(super) fn kernel(context: &NodeContext) -> Result<SharedNatgw, BootError> {
    let Some(keeper) = &context.routing.keeper else {
        return Ok(SharedNatgw::default());
    };
    let memory = natgw::memory(&context.settings.paths.run);
    let started = NatgwKernel::start(&context.natgw, keeper, memory, &context.log);
    started
        .map(|kernel| Rc::new(RefCell::new(kernel)))
        .map_err(|source| BootError::Socket {
            what: String::from("thread of the NAT gateway"),
            source,
        })
}

/// Starts the machine's actor. What it was granted it would not know again, so its end is that of the worker.
pub(super) fn keep(
    context: &NodeContext,
    supervisor: &Supervisor,
    timing: Timing,
    (addresses_kernel, kernel): (&SharedKernel, &SharedNatgw),
    left: &watch::Sender<bool>,
) {
    follow_nodes_file(context);
    let (context, left) = (context.clone(), left.clone());
    let (addresses_kernel, kernel) = (addresses_kernel.clone(), kernel.clone());
    supervisor.once("natgw", move |life| {
        let nodes = context.links.identity.nodes.lines();
        let machine = Natgw::new(own(&context), nodes, timing);
        let carry = NatgwCarry {
            links: context.links.clone(),
            post: context.post.clone(),
            desk: context.natgw.clone(),
            addresses: addresses_kernel.clone(),
            place: natgw::place(&context.settings),
            kernel: kernel.clone(),
            left: left.clone(),
            log: context.log.clone(),
        };
        let actor = Duty::new("natgw", machine, carry, context.clock, &context.fatal, life).start();
        context.poisons.put("natgw", &actor);
        context.post.natgw.occupy(actor.recipient());
        context.natgw.configure();
        addresses_kernel.borrow().retell();
    });
}

/// `ctdb reloadnodes`: the nodes have changed, and the file of the group perhaps.
fn follow_nodes_file(context: &NodeContext) {
    let nodes = context.links.identity.nodes.clone();
    let (post, desk) = (context.post.clone(), context.natgw.clone());
    let mut changes = nodes.subscribe();
    actix::spawn(async move {
        while changes.changed().await.is_ok() {
            post.natgw.send(Input::Nodes(nodes.lines()));
            let desk = desk.clone();
            // What is wrong with it the next events say.
            let _ = tokio::task::spawn_blocking(move || desk.reread()).await;
        }
    });
}
