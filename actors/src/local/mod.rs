//! The clients of this node: `smbd`, `winbindd`, the `ctdb` tool and whatever else uses the local socket.
//!
//! ```text
//!  socket ──► Session (actor) ──► Router ──► outboxes of other clients        messages
//!                                   │ ├────► data lanes of peers              messages, controls
//!                                   │ ├────► controls/                        answered at once or later
//!                                   │ └────► record shard ──► outbox          calls
//!  data lanes ──── inbox ──────────►┘
//! ```
//! * A client never waits for another one, and the daemon never waits for a client.
//! * Whatever a client registered goes at once when it disconnects.
//! * [`prepare`] makes the parts that links and records need; [`LocalHandle::start`] lets clients in.

mod access;
mod attach;
mod broadcast;
mod calls;
mod controls;
mod databases;
mod listen;
mod memory;
mod outbox;
mod packet;
mod pushes;
mod registry;
mod remote;
mod router;
mod seqnum;
mod session;
mod sink;
mod statistics;
#[cfg(test)]
mod tests;
mod tickler;
mod tickles;
mod traverse;
mod vacuum;

pub use access::LocalRecords;
pub use databases::{Databases, ShardAddr};
pub(crate) use listen::open as open_socket;

use crate::context::NodeContext;
use crate::link::inbound::ClientInbox;
use crate::log::notice;
use crate::records::CallDone;
use crate::supervise::Supervisor;
use actix::{Actor, ArbiterHandle};
use controls::{Answer, Ask};
use ctdb_protocol::client::{ControlFlags, ControlReply, Opcode};
use ctdb_protocol::notice::Notice;
use router::Router;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The client side of a node.
#[derive(Clone)]
pub struct LocalHandle {
    router: Arc<Router>,
}

/// Makes the client side; nobody can connect yet.
pub fn prepare(context: NodeContext) -> LocalHandle {
    LocalHandle {
        router: Arc::new(Router::new(context)),
    }
}

impl LocalHandle {
    /// Takes what peers send on behalf of their clients. To be called on an arbiter.
    pub fn inbox(&self) -> ClientInbox {
        let router = self.router.clone();
        Arc::new(move |peer, message| router.from_peer(peer, message))
    }

    /// Takes the ends of calls from a record shard, on its thread. Never waits.
    pub fn call_done(&self) -> Box<dyn FnMut(CallDone) + Send> {
        let router = self.router.clone();
        Box::new(move |done| router.finish_call(done))
    }

    /// Controls for this program itself.
    pub fn controls(&self) -> ControlHandle {
        ControlHandle {
            router: self.router.clone(),
        }
    }

    /// Records for this program itself.
    pub fn records(&self) -> LocalRecords {
        LocalRecords {
            router: self.router.clone(),
        }
    }

    /// Makes the databases known. Clients that use one before are refused.
    pub fn set_databases(&self, databases: Databases) {
        // Set once in the life of a daemon.
        let _ = self.router.databases.set(databases);
    }

    /// Opens the socket of the configuration and serves it on `arbiter`.
    pub fn start(&self, arbiter: &ArbiterHandle) -> io::Result<()> {
        let path = self.router.context.settings.paths.socket.clone();
        let socket = Arc::new(listen::open(Path::new(&path))?);
        let router = self.router.clone();
        let started = arbiter.spawn_fn(move || {
            let context = &router.context;
            notice(&context.log, &Notice::ListeningClients { path });
            let supervisor = Supervisor::new(&context.log, &context.fatal);
            let router = router.clone();
            supervisor.keep("client socket", move |life, _| {
                let actor = listen::Listener::new(router.clone(), socket.clone(), life).start();
                router.context.poisons.put("client socket", &actor);
            });
        });
        if started {
            Ok(())
        } else {
            Err(io::Error::other("the arbiter of the data plane has ended"))
        }
    }
}

/// Controls as clients send them, for callers inside the program. To be used on an arbiter.
#[derive(Clone)]
pub struct ControlHandle {
    router: Arc<Router>,
}

impl ControlHandle {
    /// Carries out a control at a node, or several (then without waiting for them). Controls that concern
    /// a connection are refused.
    pub async fn call(&self, dest: u32, opcode: Opcode, data: Vec<u8>) -> ControlReply {
        let answer = {
            let ask = Ask {
                opcode,
                srvid: 0,
                flags: ControlFlags::empty(),
                data: &data,
                client: None,
                peer: None,
            };
            self.router.control(dest, &ask)
        };
        match answer {
            Answer::Now(reply) => reply,
            Answer::Later(future) => future.await,
        }
    }
}
