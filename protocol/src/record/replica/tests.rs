//! Three machines with a persistent database each, all messages and jobs done in their order unless a test holds
//! them back.

use super::SEQNUM_KEY;
use super::apply::may_replace;
use super::digest::record_digest;
use super::io::{CommitId, Job, JobId, Outcome, Request, status};
use super::message::{Change, Copy};
use crate::id::{DbId, Generation, Pnn, Rsn};
use crate::machine::{Effects, Machine};
use crate::membership::io::Recover;
use crate::membership::message::{Composition, DbInfo, Scope};
use crate::record::header::{HEADER_BYTES, RecordHeader};
use crate::record::io::{Effect, Input};
use crate::record::machine::RecordMachine;
use crate::record::message::RecordMessage;
use crate::time::Instant;
use crate::timing::Timing;
use crate::wire::bytes::Bytes;
use crate::wire::message::DbKind;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

const DB: DbId = DbId(4);

type Content = BTreeMap<Bytes, Vec<u8>>;

struct Node {
    machine: RecordMachine,
    disk: Content,
    refill: Option<Content>,
    jobs: VecDeque<(JobId, Job)>,
    healthy: bool,
}

struct Cluster {
    nodes: Vec<Node>,
    links: VecDeque<(Pnn, Pnn, RecordMessage)>,
    generation: u32,
    members: Vec<Pnn>,
    ready: BTreeSet<Pnn>,
    answers: BTreeMap<CommitId, i32>,
    wanted: Vec<String>,
    /// Nodes whose jobs are not done.
    stuck: BTreeSet<usize>,
    now: Instant,
    /// Portions sent.
    portions: usize,
}

fn value(rsn: u64, data: &[u8]) -> Vec<u8> {
    let header = RecordHeader {
        rsn: Rsn(rsn),
        ..RecordHeader::default()
    };
    [&header.to_bytes(), data].concat()
}

fn change(key: &[u8], rsn: u64, data: &[u8]) -> Change {
    Change {
        key: key.into(),
        value: value(rsn, data).into(),
    }
}

/// A transaction that makes `seqnum` the number of the database.
fn transaction(seqnum: u64, data: &[u8]) -> Vec<Change> {
    vec![
        change(b"key", seqnum, data),
        change(SEQNUM_KEY, seqnum, &seqnum.to_le_bytes()),
    ]
}

impl Cluster {
    /// Nodes that have just recovered with these contents.
    fn new(disks: Vec<Content>) -> Self {
        let node = |(disk, pnn)| Node {
            machine: RecordMachine::new(Pnn(pnn), Timing::DEFAULT, pnn.into()),
            disk,
            refill: None,
            jobs: VecDeque::new(),
            healthy: true,
        };
        let nodes: Vec<Node> = disks.into_iter().zip(0..).map(node).collect();
        let mut cluster = Self {
            members: (0..nodes.len() as u32).map(Pnn).collect(),
            nodes,
            links: VecDeque::new(),
            generation: 10,
            ready: BTreeSet::new(),
            answers: BTreeMap::new(),
            wanted: Vec::new(),
            stuck: BTreeSet::new(),
            now: Instant::ZERO,
            portions: 0,
        };
        for node in 0..cluster.nodes.len() {
            let kind = DbKind::Persistent;
            cluster.feed(node, Input::Opened { db: DB, kind });
        }
        cluster
    }

    fn feed(&mut self, node: usize, input: Input) {
        let mut effects = Effects::new();
        self.nodes[node].machine.step(self.now, input, &mut effects);
        for effect in effects.drain() {
            match effect {
                Effect::Send { peer, message } => {
                    self.links.push_back((Pnn(node as u32), peer, message));
                }
                Effect::Replica { id, job, .. } => self.nodes[node].jobs.push_back((id, job)),
                Effect::CommitDone { commit, status } => {
                    assert_eq!(self.answers.insert(commit, status), None, "answered twice");
                }
                Effect::Ready { generation, .. } => {
                    assert_eq!(generation, Generation::new(self.generation, 0));
                    self.ready.insert(Pnn(node as u32));
                }
                Effect::WantRecovery { reason } => self.wanted.push(reason),
                other => panic!("{other:?}"),
            }
        }
    }

    fn order(&mut self, order: &Recover) {
        for member in self.members.clone() {
            self.feed(member.0 as usize, Input::Recover(order.clone()));
        }
    }

    fn prepare(&mut self, members: &[u32]) {
        self.generation += 1;
        self.members = members.iter().copied().map(Pnn).collect();
        self.ready.clear();
        let prepare = Composition {
            generation: Generation::new(self.generation, 0),
            members: self.members.clone(),
            vnnmap: self.members.clone(),
        };
        self.order(&Recover::Prepare(prepare));
    }

    fn rebuild(&mut self, contributors: &[u32]) {
        let name = String::from("p.tdb");
        let kind = DbKind::Persistent;
        self.order(&Recover::Rebuild {
            scope: Scope::Whole,
            generation: Generation::new(self.generation, 0),
            contributors: contributors.iter().copied().map(Pnn).collect(),
            databases: vec![DbInfo { id: DB, name, kind }],
        });
    }

    /// A whole recovery.
    fn recover(&mut self, members: &[u32], contributors: &[u32]) {
        self.prepare(members);
        self.rebuild(contributors);
        self.settle();
        assert_eq!(self.ready.len(), members.len(), "all are ready");
        let (generation, db) = (Generation::new(self.generation, 0), DB);
        self.order(&Recover::Serve { generation, db });
        self.order(&Recover::Commit { generation });
        self.settle();
    }

    /// Messages of dead nodes and to them are lost.
    fn settle(&mut self) {
        loop {
            if let Some((peer, to, message)) = self.links.pop_front() {
                if self.members.contains(&to) {
                    self.feed(to.0 as usize, Input::Message { peer, message });
                }
            } else if !self.work() {
                return;
            }
        }
    }

    /// Does one job; answers whether there was one.
    fn work(&mut self) -> bool {
        let is_free = |pnn: &usize| !self.stuck.contains(pnn);
        let Some(node) = (0..self.nodes.len())
            .filter(is_free)
            .find(|pnn| !self.nodes[*pnn].jobs.is_empty())
        else {
            return false;
        };
        if let Some((job, what)) = self.nodes[node].jobs.pop_front()
            && let Some(outcome) = self.do_job(node, what)
        {
            let request = Request::Done { job, outcome };
            self.feed(node, Input::Replica { db: DB, request });
        }
        true
    }

    fn do_job(&mut self, node: usize, job: Job) -> Option<Outcome> {
        let Node {
            disk,
            refill,
            healthy,
            ..
        } = &mut self.nodes[node];
        Some(match job {
            Job::Update(changes) => {
                let refused = |change: &Change| {
                    !may_replace(disk.get(&change.key).map(|v| &v[..]), &change.value)
                };
                if changes.iter().any(refused) {
                    return Some(Outcome::Failed);
                }
                disk.extend(
                    changes
                        .into_iter()
                        .map(|change| (change.key, change.value.0)),
                );
                Outcome::Done
            }
            Job::Inspect => Outcome::Copy(copy(disk, *healthy)),
            Job::Read { .. } => {
                self.portions += 1;
                let full = disk.iter().filter(|(_, value)| value.len() > HEADER_BYTES);
                let changes = full.map(|(key, value)| Change {
                    key: key.clone(),
                    value: value.clone().into(),
                });
                let (changes, last) = (changes.collect(), true);
                Outcome::Portion { changes, last }
            }
            Job::Refill { last, changes, .. } => {
                let refill = refill.get_or_insert_default();
                refill.extend(
                    changes
                        .into_iter()
                        .map(|change| (change.key, change.value.0)),
                );
                if last {
                    *disk = core::mem::take(refill);
                }
                Outcome::Done
            }
            Job::Abandon => {
                *refill = None;
                return None;
            }
            Job::Settle { healthy: sound } => {
                *healthy = sound;
                disk.retain(|_, value| value.len() > HEADER_BYTES);
                Outcome::Done
            }
        })
    }

    fn commit(&mut self, node: usize, number: u64, changes: Vec<Change>) -> CommitId {
        let commit = CommitId(number);
        let until = self.now + Duration::from_secs(60);
        let request = Request::Commit {
            commit,
            changes,
            until,
        };
        self.feed(node, Input::Replica { db: DB, request });
        commit
    }

    fn data(&self, node: usize) -> &[u8] {
        let value = self.nodes[node].disk.get(&Bytes::from(&b"key"[..]));
        value.map_or(&[], |value| &value[HEADER_BYTES..])
    }

    fn assert_equal(&self, data: &[u8]) {
        for node in 0..self.nodes.len() {
            assert_eq!(self.data(node), data, "node {node}");
            assert_eq!(self.nodes[node].disk, self.nodes[0].disk, "node {node}");
        }
    }
}

fn copy(disk: &Content, healthy: bool) -> Copy {
    let mut copy = Copy {
        healthy,
        ..Copy::default()
    };
    for (key, value) in disk {
        if value.len() > HEADER_BYTES {
            copy.records += 1;
            copy.digest = copy.digest.wrapping_add(record_digest(key, value));
        } else {
            copy.empty += 1;
        }
    }
    let seqnum = disk.get(&Bytes::from(SEQNUM_KEY));
    let data = seqnum.map(|value| value[HEADER_BYTES..].try_into());
    copy.seqnum = data.map_or(0, |data| u64::from_le_bytes(data.expect("8 bytes")));
    copy
}

fn content(seqnum: u64, data: &[u8]) -> Content {
    let changes = transaction(seqnum, data).into_iter();
    changes.map(|change| (change.key, change.value.0)).collect()
}

fn three() -> Cluster {
    let mut cluster = Cluster::new(vec![content(1, b"old"); 3]);
    cluster.recover(&[0, 1, 2], &[0, 1, 2]);
    cluster
}

#[test]
fn equal_contents_are_not_copied() {
    let cluster = three();
    assert_eq!(cluster.portions, 0);
}

#[test]
fn commit_is_answered_when_every_member_has_it() {
    let mut cluster = three();
    cluster.stuck.insert(2);
    let commit = cluster.commit(0, 1, transaction(2, b"new"));
    cluster.settle();
    assert_eq!(cluster.answers.get(&commit), None);
    let second = cluster.commit(0, 2, transaction(3, b"other"));
    assert_eq!(cluster.answers[&second], status::REFUSED, "one at a time");
    cluster.stuck.clear();
    cluster.settle();
    assert_eq!(cluster.answers[&commit], status::DONE);
    cluster.assert_equal(b"new");
    assert_eq!(cluster.wanted, Vec::<String>::new());
}

/// Found by the simulator: members without a leader went on to store transactions of which no client was told that
/// they are done, until their number was as high as that of the side that led.
#[test]
fn nothing_is_begun_that_a_lost_member_cannot_have() {
    let mut cluster = three();
    cluster.feed(0, Input::PeerDown { peer: Pnn(2) });
    let refused = cluster.commit(0, 1, transaction(2, b"new"));
    cluster.settle();
    assert_eq!(cluster.answers.get(&refused), Some(&status::REFUSED));
    cluster.assert_equal(b"old");
    cluster.recover(&[0, 1], &[0, 1]);
    let commit = cluster.commit(0, 2, transaction(2, b"new"));
    cluster.settle();
    assert_eq!(cluster.answers[&commit], status::DONE);
    // Who is no member is not missed.
    cluster.feed(0, Input::PeerDown { peer: Pnn(2) });
    let commit = cluster.commit(0, 3, transaction(3, b"newer"));
    cluster.settle();
    assert_eq!(cluster.answers[&commit], status::DONE);
}

#[test]
fn recovery_in_the_middle_leaves_it_on_all_nodes_or_none() {
    // Whether the dead node was the only one that had it.
    for (stuck, expected) in [([1, 2], &b"old"[..]), ([0, 2], b"new")] {
        let mut cluster = three();
        cluster.stuck.extend(stuck);
        let commit = cluster.commit(1, 1, transaction(2, b"new"));
        cluster.settle();
        // Node 0 dies; what it had on its way is lost, and so are the jobs of others that were not begun.
        cluster.stuck.clear();
        if expected == b"old" {
            cluster.nodes[1].jobs.clear();
            cluster.nodes[2].jobs.clear();
        } else {
            cluster.nodes[2].jobs.clear();
        }
        cluster.recover(&[1, 2], &[1, 2]);
        assert_eq!(cluster.answers[&commit], status::RECOVERED);
        assert_eq!(cluster.data(1), expected);
        assert_eq!(cluster.data(2), expected);
    }
}

#[test]
fn highest_number_wins_and_of_equal_ones_the_newest_composition() {
    let mut cluster = Cluster::new(vec![content(3, b"c"), content(5, b"e"), content(4, b"d")]);
    cluster.recover(&[0, 1, 2], &[0, 2]);
    cluster.assert_equal(b"e");
    let mut cluster = Cluster::new(vec![content(5, b"x"), content(5, b"y"), content(4, b"d")]);
    cluster.recover(&[0, 1, 2], &[1, 2]);
    cluster.assert_equal(b"y");
}

/// Nodes 0 and 1 have a transaction that node 2, now alone with the lock, has not.
fn node_2_alone_before_it_has_an_update() -> Cluster {
    let mut cluster = three();
    cluster.stuck.insert(2);
    cluster.commit(0, 1, transaction(2, b"never acknowledged"));
    cluster.settle();
    // Node 2 is alone with the lock before it has done the update.
    cluster.stuck.clear();
    cluster.nodes[2].jobs.clear();
    cluster.recover(&[2], &[2]);
    cluster
}

/// A node that knew nothing of the last leadership leads after a split, so that its composition does not look like the
/// newest one; what its client was told is done beats what nobody was told of.
#[test]
fn of_equal_numbers_the_acknowledged_transaction_wins() {
    let mut cluster = node_2_alone_before_it_has_an_update();
    let commit = cluster.commit(2, 2, transaction(2, b"acknowledged"));
    cluster.settle();
    assert_eq!(cluster.answers[&commit], status::DONE);
    cluster.recover(&[0, 1, 2], &[0, 1]);
    cluster.assert_equal(b"acknowledged");
    // Whether the client was told, nobody knows; but a recovery went on from there.
    let mut cluster = node_2_alone_before_it_has_an_update();
    cluster.commit(2, 2, transaction(2, b"recovered"));
    cluster.recover(&[2], &[2]);
    cluster.recover(&[0, 1, 2], &[0, 1]);
    cluster.assert_equal(b"recovered");
}

#[test]
fn damaged_copy_is_replaced_and_the_database_is_sound_again() {
    let mut cluster = Cluster::new(vec![Content::new(), content(5, b"e"), content(5, b"e")]);
    cluster.nodes[0].healthy = false;
    cluster.recover(&[0, 1, 2], &[0, 1, 2]);
    cluster.assert_equal(b"e");
    assert!(cluster.nodes[0].healthy);
    // Without any sound copy nothing may be committed.
    let mut cluster = Cluster::new(vec![Content::new()]);
    cluster.nodes[0].healthy = false;
    cluster.recover(&[0], &[0]);
    let commit = cluster.commit(0, 1, transaction(1, b"x"));
    assert_eq!(cluster.answers[&commit], status::REFUSED);
}

#[test]
fn empty_records_are_dropped_by_a_recovery() {
    let mut with_empty = content(5, b"e");
    with_empty.insert(Bytes::from(&b"gone"[..]), value(3, b""));
    let mut cluster = Cluster::new(vec![with_empty.clone(), content(5, b"e"), with_empty]);
    cluster.recover(&[0, 1, 2], &[0, 1, 2]);
    assert_eq!(cluster.portions, 0, "nothing to copy");
    cluster.assert_equal(b"e");
}

#[test]
fn interrupted_recovery_is_repeated_without_loss() {
    let mut cluster = Cluster::new(vec![content(3, b"c"), content(5, b"e"), content(4, b"d")]);
    cluster.prepare(&[0, 1, 2]);
    cluster.rebuild(&[0, 1, 2]);
    // Node 2 is in the middle of its new content, node 0 has it.
    for _ in 0..1_000 {
        if let Some((peer, to, message)) = cluster.links.pop_front() {
            cluster.feed(to.0 as usize, Input::Message { peer, message });
        } else if cluster.nodes[0].refill.is_some() || !cluster.work() {
            break;
        }
    }
    cluster.recover(&[0, 2], &[0, 2]);
    assert_eq!(cluster.data(0), cluster.data(2));
    cluster.recover(&[0, 1, 2], &[0, 2]);
    cluster.assert_equal(b"e");
}

#[test]
fn refusal_and_patience_end_in_a_recovery() {
    let mut cluster = three();
    // Somebody changed the file of node 2.
    cluster.nodes[2].disk = content(9, b"elsewhere");
    let commit = cluster.commit(0, 1, transaction(2, b"new"));
    cluster.settle();
    assert_eq!(
        (cluster.wanted.len(), cluster.answers.get(&commit)),
        (1, None)
    );
    cluster.recover(&[0, 1, 2], &[0, 1, 2]);
    assert_eq!(cluster.answers[&commit], status::RECOVERED);
    cluster.assert_equal(b"elsewhere");

    let mut cluster = three();
    cluster.stuck.insert(2);
    let commit = cluster.commit(0, 1, transaction(2, b"new"));
    cluster.settle();
    cluster.now = cluster.now + Duration::from_secs(60);
    cluster.feed(0, Input::Timeout);
    assert_eq!(cluster.answers[&commit], status::TIMED_OUT);
    assert_eq!(cluster.wanted.len(), 1);
}
