//! What the nodes say about the cluster, asked by Debian's tool.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::lab::Cluster;

/// A node as another one sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its number.
    pub pnn: usize,
    /// The columns that are set: `Disconnected`, `Unhealthy`, ….
    pub flags: Vec<String>,
}

impl NodeStatus {
    /// Whether no flag is set.
    pub fn is_ok(&self) -> bool {
        self.flags.is_empty()
    }

    /// Whether that flag is set.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|name| name == flag)
    }
}

impl Cluster {
    /// All nodes as a node sees them; `None` if it does not answer.
    pub fn status(&self, node: usize) -> Option<Vec<NodeStatus>> {
        let output = self.ctdb(node, &["-X", "status"]);
        output
            .success()
            .then(|| parse_status(&output.stdout))
            .flatten()
    }

    /// Whether `node` sees that flag set on `other`.
    pub fn sees(&self, node: usize, other: usize, flag: &str) -> bool {
        let status = self.status(node);
        status.is_some_and(|list| list.iter().any(|seen| seen.pnn == other && seen.has(flag)))
    }

    /// The node of each public address (`None`: nobody) as a node sees it; `None` if it does not answer.
    pub fn owners(&self, node: usize) -> Option<BTreeMap<IpAddr, Option<usize>>> {
        let output = self.ctdb(node, &["-X", "ip", "all"]);
        output
            .success()
            .then(|| parse_owners(&output.stdout))
            .flatten()
    }

    /// The leader as a node sees it.
    pub fn leader(&self, node: usize) -> Option<usize> {
        let output = self.ctdb(node, &["leader"]);
        output.stdout.trim().parse().ok()
    }

    /// Whether every node sees all nodes OK and a node for every address.
    pub fn settled(&self) -> bool {
        let all: Vec<usize> = self.nodes().collect();
        self.settled_among(&all)
    }

    /// Whether these nodes see each other OK, and a node for every address.
    pub fn settled_among(&self, nodes: &[usize]) -> bool {
        let addresses = self.layout().public_addresses().len();
        nodes.iter().all(|node| {
            let ok = self.status(*node).is_some_and(|list| {
                let is_ok = |pnn| list.iter().any(|seen| seen.pnn == pnn && seen.is_ok());
                nodes.iter().all(|other| is_ok(*other))
            });
            ok && self.owners(*node).is_some_and(|owners| {
                let held = |owner: &Option<usize>| owner.is_some_and(|pnn| nodes.contains(&pnn));
                owners.len() == addresses && owners.values().all(held)
            })
        })
    }
}

/// `-X status`: a heading, then one line a node; the last column is Y or N.
fn parse_status(text: &str) -> Option<Vec<NodeStatus>> {
    let mut lines = text.lines().map(fields);
    let heading = lines.next()?;
    lines
        .map(|line| {
            let columns = heading.iter().zip(&line).skip(2);
            let set = columns.filter(|(name, value)| **value == "1" && **name != "ThisNode");
            let flags = set.map(|(name, _)| (*name).to_owned()).collect();
            Some(NodeStatus {
                pnn: line.first()?.parse().ok()?,
                flags,
            })
        })
        .collect()
}

/// `-X ip`: a heading, then address and node (-1: nobody).
fn parse_owners(text: &str) -> Option<BTreeMap<IpAddr, Option<usize>>> {
    let line = |line: &str| {
        let fields = fields(line);
        Some((fields.first()?.parse().ok()?, fields.get(1)?.parse().ok()))
    };
    text.lines().skip(1).map(line).collect()
}

fn fields(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines() {
        let text = "|Node|IP|Disconnected|Unknown|Banned|Disabled|Unhealthy|Stopped|Inactive|PartiallyOnline|ThisNode|\n\
                    |0|10.99.0.1|0|0|0|0|0|0|0|0|Y|\n\
                    |1|10.99.0.2|1|0|0|0|1|0|1|0|N|\n";
        let list = parse_status(text).unwrap();
        assert!(list[0].is_ok());
        assert_eq!(list[1].flags, ["Disconnected", "Unhealthy", "Inactive"]);
        assert_eq!(parse_status(""), None);
    }

    #[test]
    fn owner_lines() {
        let text = "|Public IP|Node|\n|10.88.0.101|2|\n|fd88::1065|-1|\n";
        let owners = parse_owners(text).unwrap();
        assert_eq!(owners[&"10.88.0.101".parse::<IpAddr>().unwrap()], Some(2));
        assert_eq!(owners[&"fd88::1065".parse::<IpAddr>().unwrap()], None);
    }
}
