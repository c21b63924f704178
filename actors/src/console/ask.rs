//! Controls with typed answers and a time limit.

use super::Control;
use ctdb_protocol::client::nodemap::{Node, NodeFlags, NodeMap};
use ctdb_protocol::client::{ControlReply, Opcode, Payload};
use ctdb_protocol::console::Refusal;
use std::rc::Rc;
use std::time::Duration;

/// C's `ETIMEDOUT`, with which 4.17 ends when a daemon does not answer.
pub(super) const ETIMEDOUT: i32 = 110;

/// Asks on behalf of one command.
#[derive(Clone)]
pub(super) struct Ask {
    control: Rc<dyn Control>,
    time_limit: Duration,
}

impl Ask {
    pub(super) fn new(control: &Rc<dyn Control>, time_limit: Duration) -> Self {
        Self {
            control: control.clone(),
            time_limit,
        }
    }

    /// The answer as it came, whatever its status.
    pub(super) async fn reply(
        &self,
        dest: u32,
        opcode: Opcode,
        data: Vec<u8>,
    ) -> Result<ControlReply, Refusal> {
        let call = self.control.call(dest, opcode, data);
        tokio::time::timeout(self.time_limit, call)
            .await
            .map_err(|_| {
                let seconds = self.time_limit.as_secs();
                let message =
                    format!("Control {opcode} to node {dest} timed out after {seconds} s");
                Refusal::coded(ETIMEDOUT, message)
            })
    }

    /// The data of a successful answer.
    pub(super) async fn data(
        &self,
        dest: u32,
        opcode: Opcode,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, Refusal> {
        let reply = self.reply(dest, opcode, data).await?;
        match reply.status {
            0 => Ok(reply.data),
            _ => Err(failed(opcode, &reply)),
        }
    }

    /// The answer, read.
    pub(super) async fn get<T: Payload>(
        &self,
        dest: u32,
        opcode: Opcode,
        data: Vec<u8>,
    ) -> Result<T, Refusal> {
        let data = self.data(dest, opcode, data).await?;
        T::parse(&data).map_err(|error| Refusal::new(format!("Control {opcode}: {error}")))
    }

    /// A control that answers in its status, which must not be negative.
    pub(super) async fn status(&self, dest: u32, opcode: Opcode) -> Result<i32, Refusal> {
        let reply = self.reply(dest, opcode, Vec::new()).await?;
        match reply.status {
            ..0 => Err(failed(opcode, &reply)),
            status => Ok(status),
        }
    }

    /// All nodes, as that node sees them.
    pub(super) async fn nodes(&self, dest: u32) -> Result<Vec<Node>, Refusal> {
        let map: NodeMap = self.get(dest, Opcode::GetNodeMap, Vec::new()).await?;
        Ok(map.nodes)
    }
}

/// 4.17's message about a failed control, and the daemon's reason.
pub(super) fn failed(opcode: Opcode, reply: &ControlReply) -> Refusal {
    let mut message = format!("Control {opcode} failed, ret={}", reply.status);
    if !reply.error.is_empty() {
        message.push_str(": ");
        message.push_str(&reply.error);
    }
    Refusal::new(message)
}

/// Whether a node can be asked anything.
pub(super) fn is_reachable(node: &Node) -> bool {
    !node
        .flags
        .intersects(NodeFlags::DISCONNECTED | NodeFlags::DELETED)
}
