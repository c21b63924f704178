//! `reloadnodes`: a changed nodes file comes into force on all nodes.

use super::ask::{failed, is_reachable};
use super::execute::{Answer, Run};
use ctdb_protocol::client::Opcode;
use ctdb_protocol::client::nodemap::{Node, NodeFlags, NodeMap};
use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::command::Command;
use ctdb_protocol::console::render::simple::Lines;
use futures_util::future::join_all;

impl Run<'_> {
    /// The answer, if the command is this one.
    pub(super) async fn nodes_file_command(
        &self,
        command: &Command,
    ) -> Option<Result<Answer, Refusal>> {
        match command {
            Command::ReloadNodes => Some(self.reload_nodes().await),
            _ => None,
        }
    }

    /// Compares the files of all connected nodes before the first of them takes its file over: a cluster whose nodes
    /// count differently has no majority that all agree on.
    async fn reload_nodes(&self) -> Result<Answer, Refusal> {
        let own = self.own();
        let in_force = self.ask.nodes(own).await?;
        let wanted = self.nodes_file(own).await?;
        let others: Vec<u32> = in_force
            .iter()
            .filter(|node| node.pnn != own && is_reachable(node))
            .map(|node| node.pnn)
            .collect();
        let files = others.iter().map(|pnn| async {
            let file = self.nodes_file(*pnn).await?;
            same_file(own, &wanted, *pnn, &file).map_err(Refusal::new)
        });
        for compared in join_all(files).await {
            compared?;
        }
        let changes = changes(&in_force, &wanted);
        // This node first: what it can't go over to it refuses before any other one is asked. Without a change it is the
        // group file of LVS that is read again.
        self.reload_on(own).await?;
        for reloaded in join_all(others.iter().map(|pnn| self.reload_on(*pnn))).await {
            reloaded?;
        }
        if changes.is_empty() {
            let text = String::from("No change in nodes file, skipping unnecessary reload");
            return Ok(Answer::new(Lines(vec![text])));
        }
        Ok(Answer::new(Lines(changes)))
    }

    async fn nodes_file(&self, pnn: u32) -> Result<Vec<Node>, Refusal> {
        let map: NodeMap = self.ask.get(pnn, Opcode::GetNodesFile, Vec::new()).await?;
        Ok(map.nodes)
    }

    async fn reload_on(&self, pnn: u32) -> Result<(), Refusal> {
        let opcode = Opcode::ReloadNodesFile;
        let reply = self.ask.reply(pnn, opcode, Vec::new()).await?;
        if reply.status == 0 {
            return Ok(());
        }
        let refusal = failed(opcode, &reply);
        let message = format!("Node {pnn} failed to reload nodes: {}", refusal.message);
        Err(Refusal::new(message))
    }
}

fn is_deleted(node: &Node) -> bool {
    node.flags.contains(NodeFlags::DELETED)
}

fn same_file(own: u32, wanted: &[Node], pnn: u32, file: &[Node]) -> Result<(), String> {
    let of = |nodes: &[Node], line: usize| match nodes.get(line) {
        None => String::from("nothing"),
        Some(node) if is_deleted(node) => String::from("a deleted node"),
        Some(node) => node.addr.ip().map_or_else(String::new, |ip| ip.to_string()),
    };
    let lines = wanted.len().max(file.len());
    let differing = (0..lines).find(|line| of(wanted, *line) != of(file, *line));
    differing.map_or(Ok(()), |line| {
        Err(format!(
            "Nodes file on node {pnn} differs from current node ({own}): node {line} is {} there and {} here; \
             copy one file to all nodes first",
            of(file, line),
            of(wanted, line)
        ))
    })
}

/// What 4.17's tool prints.
fn changes(in_force: &[Node], wanted: &[Node]) -> Vec<String> {
    let change = |node: &Node| {
        let pnn = node.pnn;
        let before = in_force.get(pnn as usize).map(is_deleted);
        match (before, is_deleted(node)) {
            (None, false) => Some(format!("Node {pnn} is NEW")),
            (Some(false), true) => Some(format!("Node {pnn} is DELETED")),
            (Some(true), false) => Some(format!("Node {pnn} is UNDELETED")),
            _ => None,
        }
    };
    wanted.iter().filter_map(change).collect()
}
