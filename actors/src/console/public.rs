//! Commands that change the public addresses of nodes, or where they are.

use super::ask::{failed, is_reachable};
use super::execute::{Answer, Run};
use ctdb_protocol::client::public_ip::{AddrInfo, PublicIp};
use ctdb_protocol::client::{Opcode, Payload};
use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::command::{Command, Nodes};
use ctdb_protocol::console::render::simple::Done;
use futures_util::future::join_all;
use std::net::IpAddr;
use std::time::Duration;

/// A move is asked for so often: another one may be under way.
const MOVES_MAX: u32 = 5;
/// Pause before it is asked for again.
const MOVE_AGAIN: Duration = Duration::from_secs(1);

type Answered = Result<Answer, Refusal>;

impl Run<'_> {
    /// The answer, if the command is one of these.
    pub(super) async fn public_command(&self, pnn: u32, command: &Command) -> Option<Answered> {
        Some(match command {
            Command::AddIp {
                address,
                prefix,
                iface,
            } => self.add_ip(pnn, *address, *prefix, iface).await,
            Command::DelIp(address) => self.del_ip(pnn, *address).await,
            Command::MoveIp { address, to } => self.move_ip(*address, *to).await,
            Command::ReloadIps(nodes) => self.reload_ips(nodes).await,
            Command::GratuitousArp { address, iface } => {
                self.gratuitous_arp(pnn, *address, iface).await
            }
            _ => return None,
        })
    }

    async fn knows(&self, pnn: u32, address: IpAddr) -> Result<bool, Refusal> {
        let held = self.held(pnn).await?;
        Ok(held.iter().any(|(known, _)| *known == address))
    }

    async fn add_ip(&self, pnn: u32, address: IpAddr, prefix: u8, iface: &str) -> Answered {
        if self.knows(pnn, address).await? {
            let note = format!("Node already knows about IP {address}");
            return Ok(Answer::new(Done).noted(note));
        }
        let info = AddrInfo {
            addr: address.into(),
            mask: prefix.into(),
            iface: Some(iface.into()),
        };
        self.ask
            .data(pnn, Opcode::AddPublicIp, info.to_bytes())
            .await?;
        self.reallocate().await
    }

    async fn del_ip(&self, pnn: u32, address: IpAddr) -> Answered {
        if !self.knows(pnn, address).await? {
            let note = format!("Node does not know about IP address {address}");
            return Ok(Answer::new(Done).noted(note));
        }
        let info = AddrInfo {
            addr: address.into(),
            ..AddrInfo::default()
        };
        self.set(pnn, Opcode::DelPublicIp, info.to_bytes()).await
    }

    async fn move_ip(&self, address: IpAddr, to: u32) -> Answered {
        let nodes = self.ask.nodes(self.own()).await?;
        let reachable = nodes
            .iter()
            .any(|node| node.pnn == to && is_reachable(node));
        if !reachable || !self.knows(to, address).await? {
            let mut refusal = Refusal::new(format!("Failed to move IP {address} to node {to}"));
            let reason = format!("Node {to} CANNOT host IP address {address}");
            refusal.notes.push(reason);
            return Err(refusal);
        }
        let order = PublicIp {
            pnn: to,
            addr: address.into(),
        };
        let mut refusal = Refusal::new(format!("Failed to move IP {address} to node {to}"));
        for _ in 0..MOVES_MAX {
            let opcode = Opcode::TakeoverIp;
            let reply = self.ask.reply(to, opcode, order.to_bytes()).await?;
            if reply.status == 0 {
                return Ok(Answer::new(Done));
            }
            refusal.notes = vec![failed(opcode, &reply).message];
            tokio::time::sleep(MOVE_AGAIN).await;
        }
        Err(refusal)
    }

    async fn reload_ips(&self, wanted: &Nodes) -> Answered {
        let mut nodes = self.ask.nodes(self.own()).await?;
        if let Nodes::List(list) = wanted {
            let known = |pnn: &&u32| nodes.iter().any(|node| node.pnn == **pnn);
            if let Some(missing) = list.iter().find(|pnn| !known(pnn)) {
                return Err(Refusal::new(format!("Node {missing} does not exist")));
            }
        }
        nodes.retain(|node| match wanted {
            Nodes::Chosen => node.pnn == self.own(),
            Nodes::All => is_reachable(node),
            Nodes::List(list) => list.contains(&node.pnn),
        });
        let reloads = nodes
            .iter()
            .map(|node| self.ask.data(node.pnn, Opcode::ReloadPublicIps, Vec::new()));
        let mut refused = Vec::new();
        for (node, reload) in nodes.iter().zip(join_all(reloads).await) {
            if let Err(refusal) = reload {
                refused.push(format!("Node {}: {}", node.pnn, refusal.message));
            }
        }
        if refused.is_empty() {
            return self.reallocate().await;
        }
        Err(Refusal {
            notes: refused,
            ..Refusal::new("Failed to reload IPs on some nodes.")
        })
    }

    async fn gratuitous_arp(&self, pnn: u32, address: IpAddr, iface: &str) -> Answered {
        let info = AddrInfo {
            addr: address.into(),
            mask: 0,
            iface: Some(iface.into()),
        };
        self.set(pnn, Opcode::SendGratuitousArp, info.to_bytes())
            .await
    }
}
