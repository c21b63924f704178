//! The nodes file as it is in force: the configuration's at start, then what `ctdb reloadnodes` made of it.

use crate::post::Post;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::membership::drift::Lines;
use ctdb_protocol::settings::NodeEntry;
use ctdb_protocol::{election, heartbeat, membership};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// Reads the nodes file anew; the error is a text for the admin. May wait, since a command can write the list.
pub type Reread = Box<dyn Fn() -> Result<Vec<NodeEntry>, String> + Send + Sync>;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct NodesFile {
    own: Pnn,
    list: Arc<watch::Sender<Vec<NodeEntry>>>,
    reread: Arc<Reread>,
}

impl fmt::Debug for NodesFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NodesFile").field(&self.list).finish()
    }
}

impl NodesFile {
    /// The configuration's list, as node `own` has it.
    pub fn new(own: Pnn, list: Vec<NodeEntry>, reread: Reread) -> Self {
        Self {
            own,
            list: Arc::new(watch::Sender::new(list)),
            reread: Arc::new(reread),
        }
    }

    /// All lines, deleted ones too; the index is the pnn.
    pub fn list(&self) -> Vec<NodeEntry> {
        self.list.borrow().clone()
    }

    /// Hears of changes.
    pub fn subscribe(&self) -> watch::Receiver<Vec<NodeEntry>> {
        self.list.subscribe()
    }

    /// The private address of a node, unless it is deleted or unknown.
    pub fn address(&self, pnn: Pnn) -> Option<IpAddr> {
        let list = self.list.borrow();
        let node = list.get(pnn.0 as usize).filter(|node| !node.deleted)?;
        Some(node.address)
    }

    /// Whether a node that is not deleted has this private address.
    pub fn has_address(&self, address: IpAddr) -> bool {
        let list = self.list.borrow();
        list.iter()
            .any(|node| !node.deleted && node.address == address)
    }

    /// All nodes that are not deleted, this one too.
    pub fn live(&self) -> Vec<Pnn> {
        live(&self.list.borrow())
    }

    /// All other nodes that are not deleted.
    pub fn peers(&self) -> Vec<Pnn> {
        let mut live = self.live();
        live.retain(|pnn| *pnn != self.own);
        live
    }

    /// The address of each line that is not commented out.
    pub fn lines(&self) -> Lines {
        lines(&self.list.borrow())
    }

    /// What the file says now; it is not in force. May wait: not on an arbiter.
    pub fn read(&self) -> Result<Vec<NodeEntry>, String> {
        (self.reread)()
    }

    /// Takes a list over if it is one that a running cluster can go over to. `connected` tells whether a node is
    /// connected now: such a node must be shut down before its line is commented out.
    pub fn replace(
        &self,
        new: Vec<NodeEntry>,
        connected: impl Fn(Pnn) -> bool,
        post: &Post,
    ) -> Result<(), String> {
        check(&self.list(), &new, self.own, connected)?;
        // The duties first: a new node that connects is one that they know.
        let nodes = live(&new);
        post.heartbeat
            .send(heartbeat::io::Input::Nodes(nodes.clone()));
        post.election.send(election::io::Input::Nodes(nodes));
        post.membership
            .send(membership::io::Input::Nodes(lines(&new)));
        self.list.send_replace(new);
        Ok(())
    }
}

fn lines(list: &[NodeEntry]) -> Lines {
    let line = |node: &NodeEntry| (!node.deleted).then_some(node.address);
    list.iter().map(line).collect()
}

fn live(list: &[NodeEntry]) -> Vec<Pnn> {
    let numbered = (0..).map(Pnn).zip(list);
    let live = numbered.filter(|(_, node)| !node.deleted);
    live.map(|(pnn, _)| pnn).collect()
}

/// Lines are appended, commented out or back again; they never move, since a node's number is its line's.
fn check(
    old: &[NodeEntry],
    new: &[NodeEntry],
    own: Pnn,
    connected: impl Fn(Pnn) -> bool,
) -> Result<(), String> {
    if new.len() < old.len() {
        return Err(format!(
            "The nodes file has {} lines, {} are in force: comment lines out instead of removing them",
            new.len(),
            old.len()
        ));
    }
    for (pnn, (old, new)) in (0..).map(Pnn).zip(old.iter().zip(new)) {
        if !old.deleted && new.deleted {
            if pnn == own {
                return Err(format!("Node {pnn} is this node: it can't delete itself"));
            }
            if connected(pnn) {
                return Err(format!(
                    "Node {pnn} is connected: shut it down before its line is commented out"
                ));
            }
        }
        if !old.deleted && !new.deleted && old.address != new.address {
            return Err(format!(
                "Node {pnn} has address {} in the nodes file and {} in force: a line's address never changes, \
                 append a line instead",
                new.address, old.address
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `1`: the node with that last octet; `#`: a deleted one.
    fn list(text: &str) -> Vec<NodeEntry> {
        let entry = |word: &str| match word {
            "#" => NodeEntry {
                address: IpAddr::from([0, 0, 0, 0]),
                deleted: true,
            },
            octet => NodeEntry {
                address: IpAddr::from([10, 0, 0, octet.parse().expect("a number")]),
                deleted: false,
            },
        };
        text.split(' ').map(entry).collect()
    }

    #[test]
    fn what_a_running_cluster_can_go_over_to() {
        // Node 0 asks; node 1 is connected.
        for (old, new, complaint) in [
            ("1 2 3", "1 2 3", ""),
            ("1 2 3", "1 2 3 4 5", ""),
            ("1 2 3", "1 2 #", ""),
            ("1 2 #", "1 2 3", ""),
            ("1 2 #", "1 2 9", ""),
            ("1 2 3", "1 2", "comment lines out"),
            ("1 2 3", "1 # 3", "Node 1 is connected"),
            ("1 2 3", "# 2 3", "this node"),
            ("1 2 3", "1 2 4", "Node 2 has address 10.0.0.4"),
        ] {
            let checked = check(&list(old), &list(new), Pnn(0), |pnn| pnn == Pnn(1));
            match checked {
                Ok(()) => assert_eq!(complaint, "", "{old} -> {new}"),
                Err(text) => assert!(
                    !complaint.is_empty() && text.contains(complaint),
                    "{old} -> {new}: {text}"
                ),
            }
        }
    }
}
