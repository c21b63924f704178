//! Commands about public addresses and their interfaces.

use super::ask::{failed, is_reachable};
use super::execute::{Answer, Run};
use ctdb_protocol::client::iface::{Iface, IfaceList};
use ctdb_protocol::client::pnn::UNKNOWN;
use ctdb_protocol::client::public_ip::{PublicIpInfo, PublicIpList};
use ctdb_protocol::client::sockaddr::SockAddr;
use ctdb_protocol::client::{Opcode, Payload};
use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::command::Command;
use ctdb_protocol::console::render::addresses::{Ifaces, IpInfo, IpLine, IpList};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::net::IpAddr;

fn holder(pnn: u32) -> Option<u32> {
    (pnn != UNKNOWN).then_some(pnn)
}

impl Run<'_> {
    /// The answer, if the command is one of these.
    pub(super) async fn address_command(
        &self,
        pnn: u32,
        command: &Command,
    ) -> Option<Result<Answer, Refusal>> {
        Some(match command {
            Command::Ip { all } => self.ip(pnn, *all).await,
            Command::IpInfo(address) => self.ip_info(pnn, *address).await,
            Command::Ifaces => self.ifaces(pnn).await,
            Command::SetIfaceLink { name, up } => self.set_link(pnn, name, *up).await,
            _ => return None,
        })
    }

    pub(super) async fn held(&self, pnn: u32) -> Result<Vec<(IpAddr, Option<u32>)>, Refusal> {
        let list: PublicIpList = self.ask.get(pnn, Opcode::GetPublicIps, Vec::new()).await?;
        let known = list
            .ips
            .iter()
            .filter_map(|ip| Some((ip.addr.ip()?, holder(ip.pnn))));
        Ok(known.collect())
    }

    async fn info(&self, pnn: u32, address: IpAddr) -> Result<PublicIpInfo, Refusal> {
        let query = SockAddr::from(address).to_bytes();
        self.ask.get(pnn, Opcode::GetPublicIpInfo, query).await
    }

    async fn ip(&self, pnn: u32, all: bool) -> Result<Answer, Refusal> {
        let addresses: BTreeMap<IpAddr, Option<u32>> = if all {
            self.all_addresses(pnn).await?
        } else {
            self.held(pnn).await?.into_iter().collect()
        };
        let lines = addresses.into_iter().map(|(address, node)| async move {
            // Interfaces are shown with -v and in JSON; of all nodes the one that has the address knows.
            let asked = if all { node.unwrap_or(pnn) } else { pnn };
            let info = self.info(asked, address).await.ok();
            IpLine {
                address,
                pnn: node,
                info,
            }
        });
        Ok(Answer::new(IpList {
            node: (!all).then_some(pnn),
            addresses: join_all(lines).await,
        }))
    }

    /// What all active nodes know together: a holder that is named wins over none, and a node that names
    /// itself over what others say.
    async fn all_addresses(&self, pnn: u32) -> Result<BTreeMap<IpAddr, Option<u32>>, Refusal> {
        let nodes = self.ask.nodes(pnn).await?;
        let asked = nodes
            .iter()
            .filter(|node| is_reachable(node) && !node.flags.is_inactive());
        let answers = asked.map(|node| async move { (node.pnn, self.held(node.pnn).await) });
        let mut merged = BTreeMap::new();
        for (told_by, held) in join_all(answers).await {
            for (address, node) in held.unwrap_or_default() {
                let entry = merged.entry(address).or_insert(node);
                if entry.is_none() || node == Some(told_by) {
                    *entry = node;
                }
            }
        }
        Ok(merged)
    }

    async fn ip_info(&self, pnn: u32, address: IpAddr) -> Result<Answer, Refusal> {
        let query = SockAddr::from(address).to_bytes();
        let reply = self.ask.reply(pnn, Opcode::GetPublicIpInfo, query).await?;
        if reply.status != 0 {
            let text = format!("Node {pnn} does not know about IP {address}");
            // 4.17 writes the first line to standard output.
            let message = failed(Opcode::GetPublicIpInfo, &reply).message;
            return Err(Refusal {
                output: format!("{text}\n"),
                ..Refusal::new(message)
            });
        }
        let info = PublicIpInfo::parse(&reply.data);
        let info = info.map_err(|error| Refusal::new(error.to_string()))?;
        Ok(Answer::new(IpInfo {
            node: pnn,
            address,
            pnn: holder(info.ip.pnn),
            info,
        }))
    }

    async fn ifaces(&self, pnn: u32) -> Result<Answer, Refusal> {
        let list: IfaceList = self.ask.get(pnn, Opcode::GetIfaces, Vec::new()).await?;
        Ok(Answer::new(Ifaces { node: pnn, list }))
    }

    async fn set_link(&self, pnn: u32, name: &str, up: bool) -> Result<Answer, Refusal> {
        let list: IfaceList = self.ask.get(pnn, Opcode::GetIfaces, Vec::new()).await?;
        if list.ifaces.iter().all(|iface| iface.name != name) {
            let message = format!("Interface {name} not configured on node {pnn}");
            return Err(Refusal::new(message));
        }
        let iface = Iface {
            name: name.into(),
            link: u16::from(up),
            references: 0,
        };
        self.set(pnn, Opcode::SetIfaceLinkState, iface.to_bytes())
            .await
    }
}
