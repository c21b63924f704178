//! The plan of the vnnmap: which node is lmaster of which slot.
//!
//! Slots keep their place. There is one for each node that may be lmaster, connected or not; it belongs to
//! that node while the node is a member, and else to another member. So a lost node moves no slot but its
//! own, and its return brings just these back.

use crate::id::Pnn;
use alloc::vec::Vec;

/// What the plan needs to know of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotNode {
    /// Its line in the nodes file is commented out.
    pub deleted: bool,
    /// It may be lmaster; true while its capabilities are not known.
    pub lmaster: bool,
}

/// The lmaster of each slot. `nodes` is indexed by node number, `members` ascending. Slots without their
/// own node are dealt round to the members that may be lmaster; if there is no such member, `leader` is
/// lmaster of everything.
pub fn plan(nodes: &[SlotNode], members: &[Pnn], leader: Pnn) -> Vec<Pnn> {
    let may = |pnn: Pnn| {
        nodes
            .get(pnn.0 as usize)
            .is_some_and(|node| node.lmaster && !node.deleted)
    };
    let able: Vec<Pnn> = members.iter().copied().filter(|pnn| may(*pnn)).collect();
    if able.is_empty() {
        return alloc::vec![leader];
    }
    let mut substitutes = able.iter().copied().cycle();
    (0..nodes.len() as u32)
        .map(Pnn)
        .filter(|pnn| may(*pnn))
        .filter_map(|pnn| match able.binary_search(&pnn) {
            Ok(_) => Some(pnn),
            Err(_) => substitutes.next(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    /// Per node: `M` member, `m` member that may not be lmaster, `L` lost, `l` lost and may not be
    /// lmaster, `d` deleted; then the expected vnnmap with leader 0.
    const TABLE: &[(&str, &str)] = &[
        ("M", "0"),
        ("MMM", "012"),
        ("MLM", "002"),
        ("LMM", "112"),
        ("MMMM", "0123"),
        ("MLLM", "0033"),
        ("LLLM", "3333"),
        ("LLMM", "2323"),
        ("MLLLM", "00404"),
        ("MdM", "02"),
        ("MdL", "00"),
        ("MmM", "02"),
        ("Mlm", "0"),
        ("mmm", "0"),
        ("mLm", "0"),
        ("mLM", "22"),
    ];

    fn run(nodes: &str) -> String {
        let slots: Vec<SlotNode> = nodes
            .chars()
            .map(|c| SlotNode {
                deleted: c == 'd',
                lmaster: !matches!(c, 'm' | 'l'),
            })
            .collect();
        let members: Vec<Pnn> = nodes
            .chars()
            .zip(0..)
            .filter(|(c, _)| matches!(c, 'M' | 'm'))
            .map(|(_, n)| Pnn(n))
            .collect();
        let plan = plan(&slots, &members, Pnn(0));
        plan.iter()
            .map(alloc::string::ToString::to_string)
            .collect()
    }

    #[test]
    fn table() {
        for (nodes, expected) in TABLE {
            assert_eq!(run(nodes), *expected, "{nodes}");
        }
    }

    #[test]
    fn slots_of_members_never_move_and_the_rest_is_even() {
        const NODES: u32 = 8;
        let slots = [SlotNode {
            deleted: false,
            lmaster: true,
        }; NODES as usize];
        for mask in 1u32..1 << NODES {
            let members: Vec<Pnn> = (0..NODES).filter(|n| mask >> n & 1 == 1).map(Pnn).collect();
            let plan = plan(&slots, &members, members[0]);
            assert_eq!(plan.len(), NODES as usize);
            let share = |pnn| plan.iter().filter(|owner| **owner == pnn).count();
            for pnn in &members {
                assert_eq!(plan[pnn.0 as usize], *pnn);
            }
            let shares: Vec<usize> = members.iter().map(|pnn| share(*pnn)).collect();
            assert_eq!(shares.iter().sum::<usize>(), NODES as usize);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }
}
