//! The marks of the participants and the leader's choice of contributors, step by step.

use crate::id::{Generation, Pnn, Term};
use crate::machine::Effects;
use crate::membership::contributors::Answer;
use crate::membership::leader::Recovery;
use crate::membership::member::Member;
use crate::membership::message::{Composition, MembershipMessage};
use crate::time::Instant;
use alloc::vec::Vec;

/// Prepares and rebuilds `who` for `generation`; then `committing` hear that it is over. The contributors.
fn recover(nodes: &mut [Member], who: &[u32], generation: u32, committing: &[u32]) -> Vec<u32> {
    begin(nodes, who, generation, who, committing)
}

/// The same, but only `rebuilding` hear the order to rebuild.
fn begin(
    nodes: &mut [Member],
    who: &[u32],
    generation: u32,
    rebuilding: &[u32],
    committing: &[u32],
) -> Vec<u32> {
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
            rebuilt_with,
            intact,
            databases,
            ..
        } = answer
        else {
            panic!("no answer to Prepare");
        };
        let answer = Answer {
            committed,
            prepared,
            rebuilt_with,
            intact,
            databases,
        };
        rebuild = recovery.prepared(Pnn(*pnn), answer);
    }
    let Some(MembershipMessage::Rebuild {
        generation,
        newest,
        contributors,
        scope,
        databases,
    }) = rebuild
    else {
        panic!("no order to rebuild");
    };
    for pnn in rebuilding {
        let (contributors, what) = (contributors.clone(), (scope.clone(), databases.clone()));
        nodes[*pnn as usize].rebuild(generation, newest, contributors, what, &mut fx);
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
    // Node 3 served 50, for which node 1 was rebuilt with its records; node 2 had none, and node 0 was not there.
    assert_eq!(recover(nodes, &[0, 1, 2, 3], 60, &[]), [1, 3]);
}

/// Three nodes at rest in generation 10.
fn three() -> Vec<Member> {
    let mut nodes: Vec<Member> = (0..3).map(|n| Member::new(Pnn(n))).collect();
    recover(&mut nodes, &[0, 1, 2], 10, &[0, 1, 2]);
    nodes
}

/// Records of node 1 may have got another dmaster in 20, whose clients go on at once.
#[test]
fn who_was_away_in_a_rebuild_that_all_members_carried_out_does_not_count() {
    let mut nodes = three();
    assert_eq!(recover(&mut nodes, &[0, 2], 20, &[]), [0, 2]);
    assert_eq!(recover(&mut nodes, &[0, 1, 2], 30, &[]), [0, 2]);
    assert_eq!(recover(&mut nodes, &[0, 1, 2], 40, &[]), [0, 2]);
    // Of node 0 it is not known whether it took part.
    let mut nodes = three();
    assert_eq!(begin(&mut nodes, &[0, 2], 20, &[2], &[]), [0, 2]);
    assert_eq!(recover(&mut nodes, &[1, 2], 30, &[]), [2]);
}

#[test]
fn a_rebuild_that_a_member_missed_has_decided_nothing() {
    let mut nodes = three();
    assert_eq!(begin(&mut nodes, &[0, 2], 20, &[0], &[]), [0, 2]);
    assert_eq!(recover(&mut nodes, &[0, 1, 2], 30, &[]), [0, 1, 2]);
    // A member that lost everything since knows nothing of it.
    let mut nodes = three();
    assert_eq!(begin(&mut nodes, &[0, 2], 20, &[0], &[]), [0, 2]);
    nodes[2] = Member::new(Pnn(2));
    assert_eq!(recover(&mut nodes, &[0, 1, 2], 30, &[]), [0]);
    // Those who hold nothing of theirs yet do not push aside who does.
    let mut nodes = three();
    nodes[0] = Member::new(Pnn(0));
    nodes[2] = Member::new(Pnn(2));
    assert_eq!(recover(&mut nodes, &[0, 2], 20, &[]), [0, 2]);
    assert_eq!(recover(&mut nodes, &[0, 1, 2], 30, &[]), [1]);
}
