//! Who leads an LVS group and who serves. Pure; every node comes to the same answer from the same flags.
//!
//! Healthy nodes; if there are none, those that are only UNHEALTHY. Never one that is BANNED, STOPPED, DISABLED or
//! DISCONNECTED. The leader is the one with the lowest number among those that may lead, as 4.17 chooses it.

use super::group::Group;
use crate::flags::NodeFlags;
use crate::id::Pnn;
use alloc::vec::Vec;

/// Whether the node could lead or serve when there is no healthy one.
pub const fn is_usable(flags: NodeFlags) -> bool {
    flags.difference(NodeFlags::UNHEALTHY).is_empty()
}

/// The nodes that new connections go to, in ascending order.
pub fn servers(group: &Group, flags: impl Fn(Pnn) -> NodeFlags) -> Vec<Pnn> {
    usable(group.0.keys().copied(), flags)
}

/// The node that receives for all of them.
pub fn leader(group: &Group, flags: impl Fn(Pnn) -> NodeFlags) -> Option<Pnn> {
    let candidates = group.0.keys().copied().filter(|pnn| group.may_lead(*pnn));
    usable(candidates, flags).first().copied()
}

/// The healthy ones of these nodes, or if there are none the usable ones.
pub fn usable(nodes: impl Iterator<Item = Pnn>, flags: impl Fn(Pnn) -> NodeFlags) -> Vec<Pnn> {
    let mut usable: Vec<Pnn> = nodes.filter(|pnn| is_usable(flags(*pnn))).collect();
    if usable.iter().any(|pnn| flags(*pnn).is_ok()) {
        usable.retain(|pnn| flags(*pnn).is_ok());
    }
    usable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lvs::group::Role;
    use alloc::format;
    use alloc::string::{String, ToString};
    use core::fmt::Write;

    /// A line: the nodes of the group from number 0 on, each by its state, `f` before it for follower-only, `-` for
    /// a node outside of the group; then leader and servers.
    const TABLE: &str = "
OK OK OK -> 0: 0 1 2
- OK OK -> 1: 1 2
fOK OK OK -> 1: 0 1 2
fOK fOK -> none: 0 1
UNHEALTHY OK OK -> 1: 1 2
UNHEALTHY UNHEALTHY -> 0: 0 1
DISABLED UNHEALTHY -> 1: 1
BANNED STOPPED DISCONNECTED DISABLED -> none:
BANNED|UNHEALTHY OK -> 1: 1
fOK UNHEALTHY UNHEALTHY -> 1: 0
DISCONNECTED UNHEALTHY -> 1: 1
DELETED UNHEALTHY -> 1: 1
DISABLED|UNHEALTHY fUNHEALTHY -> none: 1
- - -> none:
";

    fn state(word: &str) -> NodeFlags {
        let flag = |name: &str| match name {
            "OK" => NodeFlags::empty(),
            name => NodeFlags::from_name(name).unwrap_or_else(|| panic!("no flag {name}")),
        };
        word.split('|').map(flag).collect()
    }

    fn answer(nodes: &str) -> String {
        let mut group = Group::default();
        let mut states = Vec::new();
        for (pnn, word) in (0..).map(Pnn).zip(nodes.split(' ')) {
            let (role, word) = match word.strip_prefix('f') {
                Some(word) => (Role::Follower, word),
                None => (Role::Any, word),
            };
            if word == "-" {
                states.push(NodeFlags::empty());
                continue;
            }
            group.0.insert(pnn, role);
            states.push(state(word));
        }
        let flags = |pnn: Pnn| states[pnn.0 as usize];
        let leader = leader(&group, flags).map_or("none".to_string(), |pnn| pnn.to_string());
        let mut answer = format!("{leader}:");
        for pnn in servers(&group, flags) {
            let _ = write!(answer, " {pnn}");
        }
        answer
    }

    #[test]
    fn leader_and_servers_as_the_table_says() {
        for line in TABLE.trim().lines() {
            let (nodes, expected) = line.split_once(" -> ").expect("an arrow");
            assert_eq!(answer(nodes), expected, "{nodes}");
        }
    }
}
