//! Controls between nodes: a client's control for another node, and a peer's control for this one.

use super::controls::{self, Answer, Ask};
use super::router::Router;
use ctdb_protocol::client::{ControlFlags, ControlReply, Opcode, pnn};
use ctdb_protocol::id::{Pnn, SrvId};
use ctdb_protocol::tunable::TunableId;
use ctdb_protocol::wire::bytes::Bytes;
use ctdb_protocol::wire::message::ClientMessage;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How often it is looked whether the node that is to answer is still there.
const LOST_CHECK: Duration = Duration::from_millis(100);
/// Most controls that wait for other nodes.
const PENDING_MAX: usize = 65_536;

/// Controls that other nodes have not answered yet.
#[derive(Debug, Default)]
pub(super) struct PendingControls {
    table: Mutex<HashMap<u64, (Pnn, oneshot::Sender<ControlReply>)>>,
}

impl PendingControls {
    fn table(&self) -> MutexGuard<'_, HashMap<u64, (Pnn, oneshot::Sender<ControlReply>)>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer of `peer` is here.
    pub(super) fn complete(
        &self,
        peer: Pnn,
        request: u64,
        status: i32,
        data: Bytes,
        error: String,
    ) {
        let mut table = self.table();
        // Only the node that was asked may answer.
        if table.get(&request).is_none_or(|(asked, _)| *asked != peer) {
            return;
        }
        if let Some((_, answer)) = table.remove(&request) {
            let data = data.0;
            // Whoever asked may be gone.
            let _ = answer.send(ControlReply {
                status,
                data,
                error,
            });
        }
    }
}

/// Takes the request off the table however the wait ends.
struct Wait {
    router: Arc<Router>,
    request: u64,
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.router.pending.table().remove(&self.request);
    }
}

impl Router {
    /// Carries out a control at the node, or the nodes, of `destination`. Broadcasts and controls that want
    /// no answer get an empty one, which is not to be sent.
    pub(super) fn control(self: &Arc<Self>, destination: u32, ask: &Ask<'_>) -> Answer {
        if destination == pnn::CURRENT || destination == self.own.0 {
            return controls::carry_out(self, ask);
        }
        let silent = ask.flags.contains(ControlFlags::NOREPLY);
        if silent || pnn::is_broadcast(destination) {
            self.route(
                destination,
                || match controls::carry_out(self, ask) {
                    Answer::Now(_) => {}
                    Answer::Later(future) => drop(actix::spawn(future)),
                },
                || control_message(0, ask),
            );
            return ControlReply::status(0).into();
        }
        self.forward(Pnn(destination), ask)
    }

    fn forward(self: &Arc<Self>, peer: Pnn, ask: &Ask<'_>) -> Answer {
        let (sender, answer) = oneshot::channel();
        let request = self.next_request();
        {
            let mut table = self.pending.table();
            if table.len() >= PENDING_MAX {
                return ControlReply::error("too many controls wait for other nodes").into();
            }
            table.insert(request, (peer, sender));
        }
        let wait = Wait {
            router: self.clone(),
            request,
        };
        if !self.send_peer(peer, control_message(request, ask)) {
            return ControlReply::error("ctdb_control to disconnected node").into();
        }
        let limit = Duration::from_secs(self.tunable(TunableId::ControlTimeout).into());
        Answer::later(async move {
            tokio::select! {
                answer = answer => answer.unwrap_or_else(|_| ControlReply::status(-1)),
                () = lost(&wait.router, peer) => ControlReply::error("node is disconnected"),
                () = tokio::time::sleep(limit) => {
                    wait.router.counters.control_timeouts.fetch_add(1, Ordering::Relaxed);
                    ControlReply::error("ctdb_control timed out")
                }
            }
        })
    }

    /// Carries out a peer's control and answers it, unless the request is 0.
    pub(super) fn serve_peer(
        self: &Arc<Self>,
        peer: Pnn,
        request: u64,
        opcode: u32,
        (srvid, flags): (SrvId, u32),
        data: &[u8],
    ) {
        let ask = Ask {
            opcode: Opcode::from_number(opcode),
            srvid: srvid.0,
            flags: ControlFlags::from_bits_retain(flags),
            data,
            client: None,
            peer: Some(peer),
        };
        match controls::carry_out(self, &ask) {
            Answer::Now(reply) => self.answer_peer(peer, request, reply),
            Answer::Later(future) => {
                let router = self.clone();
                actix::spawn(async move {
                    let reply = future.await;
                    router.answer_peer(peer, request, reply);
                });
            }
        }
    }

    fn answer_peer(&self, peer: Pnn, request: u64, reply: ControlReply) {
        if request == 0 {
            return;
        }
        let ControlReply {
            status,
            data,
            error,
        } = reply;
        let data = data.into();
        self.send_peer(
            peer,
            ClientMessage::ControlReply {
                request,
                status,
                data,
                error,
            },
        );
    }
}

/// A control as it travels; request 0 wants no answer.
pub(super) fn control_message(request: u64, ask: &Ask<'_>) -> ClientMessage {
    ClientMessage::Control {
        request,
        opcode: ask.opcode.number(),
        srvid: SrvId(ask.srvid),
        flags: ask.flags.bits(),
        data: ask.data.into(),
    }
}

/// Ends when the peer's data lane is down.
async fn lost(router: &Router, peer: Pnn) {
    loop {
        tokio::time::sleep(LOST_CHECK).await;
        if !router.context.links.connected().contains(&peer) {
            return;
        }
    }
}
