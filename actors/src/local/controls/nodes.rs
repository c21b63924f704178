//! What this node and the cluster are.

use super::{Answer, Ask, Done, Refused, data, done};
use crate::local::router::Router;
use crate::local::statistics::timeval;
use crate::log;
use crate::nodes::NodesFile;
use ctdb_protocol::client::nodemap::{Node, NodeFlags as WireFlags, NodeMap};
use ctdb_protocol::client::sockaddr::SockAddr;
use ctdb_protocol::client::text::Text;
use ctdb_protocol::client::uptime::{TimeVal, Uptime};
use ctdb_protocol::client::vnnmap::VnnMap;
use ctdb_protocol::client::{ControlReply, Opcode};
use ctdb_protocol::flags::NodeFlags;
use ctdb_protocol::id::{Generation, Pnn};
use ctdb_protocol::notice::Notice;
use ctdb_protocol::settings::{ClusterLock, NODE_PORT, NodeEntry};
use ctdb_protocol::time::Instant;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

pub(super) fn answer(router: &Arc<Router>, ask: &Ask<'_>) -> Option<Answer> {
    let own = || router.own_view().state;
    let reply: Done = match ask.opcode {
        Opcode::GetPnn => status(router.own.0),
        Opcode::GetPid => status(std::process::id()),
        Opcode::Ping => status(router.registry().len() as u32),
        Opcode::Uptime => data(&uptime(router)),
        Opcode::GetNodeMap => data(&node_map(&nodes_file(router).list(), |pnn| {
            flags_of(router, pnn)
        })),
        Opcode::GetNodesFile => return Some(Answer::later_result(read(router.clone()))),
        Opcode::ReloadNodesFile => return Some(Answer::later_result(reload(router.clone()))),
        Opcode::GetVnnMap => data(&vnn_map(router)),
        Opcode::GetRecMode => status(router.context.board.view().mode as u32),
        Opcode::GetRunstate => data(&(own().run_state as u32)),
        Opcode::GetCapabilities => data(&own().capabilities.bits()),
        Opcode::GetReclockFile => Ok(ControlReply::ok(cluster_lock(router))),
        _ => return None,
    };
    Some(reply.into())
}

/// An answer in the status.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the end of handlers that can refuse"
)]
fn status(value: u32) -> Done {
    Ok(ControlReply::status(value.cast_signed()))
}

/// Flags of a node as they are known now; of one that nothing was heard of, those it starts with.
fn flags_of(router: &Router, pnn: usize) -> NodeFlags {
    let view = router.context.board.view();
    let unknown = if pnn == router.own.0 as usize {
        NodeFlags::UNHEALTHY
    } else {
        NodeFlags::UNHEALTHY | NodeFlags::DISCONNECTED
    };
    view.nodes.get(pnn).map_or(unknown, |node| node.flags)
}

fn nodes_file(router: &Router) -> &NodesFile {
    &router.context.links.identity.nodes
}

/// What the file says now, in force or not.
async fn file_now(router: &Router) -> Result<Vec<NodeEntry>, Refused> {
    let nodes = nodes_file(router).clone();
    let read = tokio::task::spawn_blocking(move || nodes.read()).await;
    read.map_err(|_| Refused::plainly())?
        .map_err(Refused::because)
}

async fn read(router: Arc<Router>) -> Done {
    let nodes = file_now(&router).await?;
    data(&node_map(&nodes, |_| NodeFlags::empty()))
}

/// Takes the file over, and with it the group file of LVS. The tool has compared those of all nodes.
async fn reload(router: Arc<Router>) -> Done {
    let new = file_now(&router).await?;
    let (before, post) = (nodes_file(&router).list(), &router.context.post);
    let connected = |pnn: Pnn| !flags_of(&router, pnn.0 as usize).contains(NodeFlags::DISCONNECTED);
    let replaced = nodes_file(&router).replace(new.clone(), connected, post);
    replaced.map_err(Refused::because)?;
    // Its lines are private addresses of nodes. It counts as well where the nodes file has no change.
    let group = router.context.lvs_group.clone();
    let read = tokio::task::spawn_blocking(move || group.reread()).await;
    read.map_err(|_| Refused::plainly())?
        .map_err(Refused::because)?;
    if new != before {
        let nodes = u32::try_from(new.iter().filter(|node| !node.deleted).count());
        let notice = Notice::NodesReloaded {
            nodes: nodes.unwrap_or(u32::MAX),
            lines: u32::try_from(new.len()).unwrap_or(u32::MAX),
        };
        log::notice(&router.context.log, &notice);
    }
    done()
}

/// All nodes of a list. The port is that of 4.17 whatever port the links use: clients know no other.
fn node_map(nodes: &[NodeEntry], flags: impl Fn(usize) -> NodeFlags) -> NodeMap {
    let nodes = nodes.iter().enumerate();
    let node = |(pnn, entry): (usize, &NodeEntry)| {
        let mut flags = flags(pnn);
        if entry.deleted {
            flags |= NodeFlags::DELETED;
        }
        Node {
            pnn: pnn as u32,
            flags: WireFlags::from_bits_retain(flags.bits()),
            addr: SockAddr::from(SocketAddr::new(entry.address, NODE_PORT)),
        }
    };
    NodeMap {
        nodes: nodes.map(node).collect(),
    }
}

fn vnn_map(router: &Router) -> VnnMap {
    let view = router.context.board.view();
    VnnMap {
        // Before its first composition a node has none, which clients know as INVALID.
        generation: view
            .composition
            .generation
            .number
            .max(Generation::INVALID.number),
        map: view.composition.vnnmap.iter().map(|pnn| pnn.0).collect(),
    }
}

fn uptime(router: &Router) -> Uptime {
    let context = &router.context;
    let (now, clock_now) = (SystemTime::now(), context.clock.now());
    let wall = |at: Option<Instant>| match at {
        Some(at) => timeval(now.checked_sub(clock_now.since(at)).unwrap_or(now)),
        None => TimeVal::default(),
    };
    let view = context.board.view();
    Uptime {
        current_time: timeval(now),
        ctdbd_start_time: timeval(context.started),
        last_recovery_started: wall(view.recovery_began),
        last_recovery_finished: wall(view.recovery_ended),
    }
}

fn cluster_lock(router: &Router) -> Vec<u8> {
    use ctdb_protocol::client::Payload;
    match &router.context.settings.cluster.lock {
        ClusterLock::None => Vec::new(),
        ClusterLock::File(path) => Text(path.clone()).to_bytes(),
        ClusterLock::Command(words) => Text(format!("!{}", words.join(" "))).to_bytes(),
    }
}
