//! The marks of the participants and the leader's choice of contributors, step by step.

use crate::id::{Generation, Pnn, Term};
use crate::machine::Effects;
use crate::membership::leader::{Answer, Recovery};
use crate::membership::member::Member;
use crate::membership::message::{Composition, MembershipMessage};
use crate::time::Instant;
use alloc::vec::Vec;

/// Prepares and rebuilds `who` for `generation`; then `committing` hear that it is over. The contributors.
fn recover(nodes: &mut [Member], who: &[u32], generation: u32, committing: &[u32]) -> Vec<u32> {
    let mut fx = Effects::new();
    let composition = Composition {
        generation: Generation::new(generation, 0),
        members: who.iter().copied().map(Pnn).collect(),
        vnnmap: alloc::vec![Pnn(who[0])],
    };
    let mut recovery = Recovery::new(Instant::ZERO, composition.clone());
    let mut rebuild = None;
    for pnn in who {
        let node = &mut nodes[*pnn as usize];
        let answer = node.prepare(Instant::ZERO, Term(1), composition.clone(), &mut fx);
        let MembershipMessage::Prepared {
            committed,
            prepared,
            databases,
            ..
        } = answer
        else {
            panic!("no answer to Prepare");
        };
        let answer = Answer {
            committed,
            prepared,
            databases,
        };
        rebuild = recovery.prepared(Pnn(*pnn), answer);
    }
    let Some(MembershipMessage::Rebuild {
        generation,
        newest,
        contributors,
        databases,
    }) = rebuild
    else {
        panic!("no order to rebuild");
    };
    for pnn in who {
        let (contributors, databases) = (contributors.clone(), databases.clone());
        nodes[*pnn as usize].rebuild(generation, newest, contributors, databases, &mut fx);
    }
    for pnn in committing {
        nodes[*pnn as usize].commit(Instant::ZERO, generation, &mut fx);
    }
    contributors.iter().map(|pnn| pnn.0).collect()
}

#[test]
fn contributors_are_those_of_the_newest_composition_that_was_served() {
    let mut nodes: Vec<Member> = (0..4).map(|n| Member::new(Pnn(n))).collect();
    let nodes = &mut nodes[..];
    assert_eq!(recover(nodes, &[0, 1, 2], 10, &[0, 1, 2]), [0, 1, 2]);
    // Node 2 is away, and node 1 misses the commit.
    assert_eq!(recover(nodes, &[0, 1], 20, &[0]), [0, 1]);
    // An attempt that nobody finishes: node 1 still holds the records of 20 afterwards.
    assert_eq!(recover(nodes, &[0, 1, 2], 30, &[]), [0, 1]);
    assert_eq!(recover(nodes, &[0, 1, 2], 40, &[]), [0, 1]);
    // Without node 0: node 1 has what there is. Node 3 has nothing.
    assert_eq!(recover(nodes, &[1, 2, 3], 50, &[3]), [1]);
    // Node 3 served 50, for which all three were rebuilt; node 0 was not.
    assert_eq!(recover(nodes, &[0, 1, 2, 3], 60, &[]), [1, 2, 3]);
}
