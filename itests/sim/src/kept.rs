//! The persistent database of each host and its clients, as Samba makes transactions (client-protocol.md section
//! 5.8): a lock over the cluster, reads from the local file, one commit. What is on a disk outlives its worker.

use crate::clock::{MS, Micros, SEC};
use crate::event::{Event, Mail, Work};
use crate::node::Life;
use crate::sabotage::Sabotage;
use crate::store::increments;
use crate::world::World;
use ctdb_protocol::id::{DbId, Generation, Pnn, Rsn};
use ctdb_protocol::membership::view::RecoveryMode;
use ctdb_protocol::record::header::{HEADER_BYTES, RecordHeader};
use ctdb_protocol::record::io::Input;
use ctdb_protocol::record::replica::SEQNUM_KEY;
use ctdb_protocol::record::replica::apply::may_replace;
use ctdb_protocol::record::replica::digest::record_digest;
use ctdb_protocol::record::replica::io::{CommitId, Job, JobId, Outcome, Request, status};
use ctdb_protocol::record::replica::message::{Change, Copy};
use ctdb_protocol::wire::bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Name of the database.
pub const KEPT: &str = "kept.tdb";
/// A transaction writes both: each lists the transactions in it.
const TWINS: [&[u8]; 2] = [b"one", b"two"];
/// Records in one portion.
const PORTION: usize = 2;
/// No client begins anything in this last part of a run.
const QUIET: Micros = 4 * SEC;
/// The longest that a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Stored values.
pub type Content = BTreeMap<Bytes, Vec<u8>>;

/// What is on a host's disk, and the thread that works on it.
#[derive(Debug, Default)]
pub struct Disk {
    /// The content.
    pub content: Content,
    refill: Option<Content>,
    reading: VecDeque<Bytes>,
    jobs: VecDeque<(JobId, Job)>,
}

impl Disk {
    /// The worker is gone: what was not committed is gone too.
    pub fn end(&mut self) {
        self.refill = None;
        self.reading.clear();
        self.jobs.clear();
    }

    /// The transactions in a record.
    pub fn transactions(&self, twin: usize) -> Vec<u32> {
        let value = self.content.get(&Bytes::from(TWINS[twin]));
        value.map_or_else(Vec::new, |value| increments(&value[HEADER_BYTES..]))
    }

    fn seqnum(&self) -> u64 {
        let value = self.content.get(&Bytes::from(SEQNUM_KEY));
        let data = value.and_then(|value| value[HEADER_BYTES..].try_into().ok());
        data.map_or(0, u64::from_le_bytes)
    }

    fn copy(&self) -> Copy {
        let mut copy = Copy {
            seqnum: self.seqnum(),
            healthy: true,
            ..Copy::default()
        };
        for (key, value) in &self.content {
            copy.records += 1;
            copy.digest = copy.digest.wrapping_add(record_digest(key, value));
        }
        copy
    }

    fn do_job(&mut self, job: Job) -> Option<Outcome> {
        let store = |content: &mut Content, changes: Vec<Change>| {
            content.extend(
                changes
                    .into_iter()
                    .map(|change| (change.key, change.value.0)),
            );
        };
        Some(match job {
            Job::Update(changes) => {
                let old = |change: &Change| self.content.get(&change.key).map(|old| &old[..]);
                if changes
                    .iter()
                    .any(|change| !may_replace(old(change), &change.value))
                {
                    return Some(Outcome::Failed);
                }
                store(&mut self.content, changes);
                Outcome::Done
            }
            Job::Inspect => Outcome::Copy(self.copy()),
            Job::Read { first } => {
                if first {
                    self.reading = self.content.keys().cloned().collect();
                }
                let keys = self.reading.len().min(PORTION);
                let keys: Vec<Bytes> = self.reading.drain(..keys).collect();
                let change = |key: Bytes| {
                    let value = self.content.get(&key).cloned().unwrap_or_default().into();
                    Change { key, value }
                };
                let changes = keys.into_iter().map(change).collect();
                let last = self.reading.is_empty();
                Outcome::Portion { changes, last }
            }
            Job::Refill {
                first,
                last,
                changes,
            } => {
                if first {
                    self.refill = Some(Content::new());
                }
                let Some(refill) = &mut self.refill else {
                    return Some(Outcome::Failed);
                };
                store(refill, changes);
                if last {
                    self.content = self.refill.take().unwrap_or_default();
                }
                Outcome::Done
            }
            Job::Abandon => {
                self.refill = None;
                return None;
            }
            Job::Settle { .. } => Outcome::Done,
        })
    }
}

/// A client in a transaction.
#[derive(Clone, Debug)]
struct Holder {
    node: Pnn,
    life: u32,
    commit: CommitId,
    /// Number of the transaction, and what the database's number was before.
    id: u32,
    old: u64,
    changes: Vec<Change>,
}

/// The clients' lock over the cluster, and what they were told.
#[derive(Debug, Default)]
pub struct Kept {
    /// One in a cluster that is whole; each side of a split has its own copy of the lock's record.
    holders: Vec<Holder>,
    commits: u64,
    /// Transactions that a client believes to be committed.
    committed: BTreeSet<u32>,
    /// Of these, those that may be gone: the cluster went on without all who had them.
    forfeited: BTreeSet<u32>,
    /// For each recovery, by generation, what must be there when it serves.
    expected: BTreeMap<Generation, BTreeSet<u32>>,
}

/// The id of the database.
pub fn kept_id() -> DbId {
    crate::client::db_id(KEPT)
}

impl World {
    // ---- the shell

    /// A job for the thread of the database: later, in its order.
    pub(crate) fn replica_job(&mut self, pnn: Pnn, id: JobId, job: Job) {
        let node = &mut self.nodes[pnn.0 as usize];
        let life = node.lives;
        node.disk.jobs.push_back((id, job));
        let wait = if self.bench.one_in(50) {
            self.bench.between(MS, 300 * MS)
        } else {
            self.bench.between(100, 4 * MS)
        };
        self.bench.work(wait, pnn, life, Work::DiskJob);
    }

    pub(crate) fn disk_job(&mut self, pnn: Pnn) {
        let fails = self.store_fails && self.bench.one_in(4);
        let forgets = self.bench.options.sabotage == Some(Sabotage::ForgetfulDisk)
            && pnn.0 + 1 == self.bench.options.nodes;
        let inverts = self.bench.options.sabotage == Some(Sabotage::OldestContentWins);
        let disk = &mut self.nodes[pnn.0 as usize].disk;
        let Some((job, what)) = disk.jobs.pop_front() else {
            return;
        };
        let is_update = matches!(what, Job::Update(_));
        let changes = matches!(what, Job::Update(_) | Job::Refill { last: true, .. });
        let outcome = match what {
            Job::Update(_) if fails => Some(Outcome::Failed),
            Job::Update(_) if forgets => Some(Outcome::Done),
            what => disk.do_job(what),
        };
        if is_update && outcome == Some(Outcome::Failed) {
            self.bench.census.count("replica.refused");
        } else if changes && !is_update {
            self.bench.census.count("replica.refilled");
        }
        let Some(mut outcome) = outcome else { return };
        if let (Outcome::Copy(copy), true) = (&mut outcome, inverts) {
            copy.seqnum = u64::MAX - copy.seqnum;
        }
        self.check_twins(pnn);
        if !is_update {
            let now = self.bench.now;
            let number = self.nodes[pnn.0 as usize].disk.seqnum();
            self.bench.trace.line(now, Some(pnn), || {
                format!("content: {outcome:?}, number {number}")
            });
        }
        let request = Request::Done { job, outcome };
        let db = kept_id();
        self.post(pnn, Mail::Record(Input::Replica { db, request }));
    }

    fn check_twins(&mut self, pnn: Pnn) {
        let disk = &self.nodes[pnn.0 as usize].disk;
        let (one, two) = (disk.transactions(0), disk.transactions(1));
        if one != two {
            let detail = format!("node {pnn}: {one:?} and {two:?}");
            self.watch.fail("transactions are whole", detail);
        }
    }

    // ---- the clients

    /// A client of `pnn` wants to make a transaction.
    pub(crate) fn transaction(&mut self, pnn: Pnn) {
        if self.bench.now + QUIET > self.bench.options.end {
            return;
        }
        let wait = self.bench.between(5 * MS, 700 * MS);
        self.bench.after(wait, Event::Transaction(pnn));
        let Some(members) = self.serving(pnn) else {
            return;
        };
        let nodes = &self.nodes;
        self.kept.holders.retain(|holder| {
            let node = &nodes[holder.node.0 as usize];
            node.lives == holder.life && node.life != Life::Dead
        });
        // Who is no member any more holds nothing here, whatever is thought of it elsewhere.
        let mut holders = self.kept.holders.iter();
        if holders.any(|holder| members.contains(&holder.node)) {
            return;
        }
        self.increments += 1;
        let (id, life) = (self.increments, self.nodes[pnn.0 as usize].lives);
        let disk = &self.nodes[pnn.0 as usize].disk;
        let old = disk.seqnum();
        let mut changes: Vec<Change> = TWINS
            .iter()
            .map(|key| appended(disk, key, pnn, id))
            .collect();
        let rsn = old + 1;
        let seqnum = value(rsn, pnn, &(old + 1).to_le_bytes());
        let (key, value) = (Bytes::from(SEQNUM_KEY), Bytes(seqnum));
        changes.push(Change { key, value });
        self.send_commit(Holder {
            node: pnn,
            life,
            commit: CommitId(0),
            id,
            old,
            changes,
        });
    }

    /// The members of the composition that `pnn` serves.
    fn serving(&self, pnn: Pnn) -> Option<Vec<Pnn>> {
        let node = &self.nodes[pnn.0 as usize];
        let process = node.process.as_ref()?;
        let serves = node.life == Life::Running && process.view.mode == RecoveryMode::Normal;
        serves.then(|| process.view.composition.members.clone())
    }

    fn send_commit(&mut self, mut holder: Holder) {
        self.kept.commits += 1;
        let commit = CommitId(self.kept.commits);
        holder.commit = commit;
        let (pnn, changes) = (holder.node, holder.changes.clone());
        self.kept.holders.push(holder);
        let now = self.bench.now;
        let Some(process) = self.nodes[pnn.0 as usize].process.as_ref() else {
            return;
        };
        let until = process.clock.local(now) + PATIENCE;
        let request = Request::Commit {
            commit,
            changes,
            until,
        };
        self.bench.census.count("replica.commit");
        let db = kept_id();
        self.post(pnn, Mail::Record(Input::Replica { db, request }));
    }

    /// A commit was answered.
    pub(crate) fn commit_done(&mut self, pnn: Pnn, commit: CommitId, answer: i32) {
        let life = self.nodes[pnn.0 as usize].lives;
        let asked =
            |holder: &Holder| (holder.node, holder.life, holder.commit) == (pnn, life, commit);
        let Some(place) = self.kept.holders.iter().position(asked) else {
            return;
        };
        let holder = self.kept.holders[place].clone();
        let now = self.nodes[pnn.0 as usize].disk.seqnum();
        let at = self.bench.now;
        self.bench.trace.line(at, Some(pnn), || {
            format!(
                "transaction {} answered {answer}, number {} then {now}",
                holder.id, holder.old
            )
        });
        if answer == status::RECOVERED {
            self.bench.census.count("replica.recovered");
        }
        if answer == status::DONE || now == holder.old + 1 {
            // A client whose lock was taken away while it was cut off may see the number of another one's.
            let here = self.nodes[pnn.0 as usize].disk.transactions(0);
            if answer == status::DONE || here.contains(&holder.id) {
                self.kept.committed.insert(holder.id);
            }
            if self.is_forked(holder.id) || self.is_behind(pnn, holder.old + 1) {
                self.kept.forfeited.insert(holder.id);
            }
        } else if now == holder.old {
            return self.bench.after(10 * MS, Event::CommitAgain(commit));
        }
        self.kept.holders.remove(place);
    }

    /// The client repeats a commit that was not done.
    pub(crate) fn commit_again(&mut self, commit: CommitId) {
        let is_same = |holder: &Holder| holder.commit == commit;
        if let Some(place) = self.kept.holders.iter().position(is_same) {
            let holder = self.kept.holders.remove(place);
            self.send_commit(holder);
        }
    }

    // ---- what must hold

    /// Whether others go on without transaction `id`: all members of a composition are prepared for it, or serve it,
    /// and none of them has the transaction.
    fn is_forked(&self, id: u32) -> bool {
        let composition = |pnn: Pnn| {
            let process = self.nodes[pnn.0 as usize].process.as_ref()?;
            Some(&process.view.composition)
        };
        let without = |pnn: &Pnn| {
            let disk = &self.nodes[pnn.0 as usize].disk;
            disk.transactions(0).binary_search(&id).is_err()
        };
        self.nodes.iter().any(|node| {
            let Some(other) = composition(node.pnn) else {
                return false;
            };
            let follows =
                |pnn: &Pnn| composition(*pnn).is_some_and(|own| own.generation == other.generation);
            let members = &other.members;
            !members.is_empty() && members.iter().all(|pnn| follows(pnn) && without(pnn))
        })
    }

    /// Whether a node outside of the composition of `pnn` has a higher number: it made transactions of which
    /// nobody here has heard, and its content wins when it comes back. One with the same number does not.
    fn is_behind(&self, pnn: Pnn, number: u64) -> bool {
        let members = self.serving(pnn).unwrap_or_default();
        let mut outside = self
            .nodes
            .iter()
            .filter(|node| !members.contains(&node.pnn));
        outside.any(|node| node.disk.seqnum() > number)
    }

    /// A recovery begins with these members: what any of them has must be there when it ends; what none of
    /// them has may be gone.
    pub(crate) fn kept_rebuild(&mut self, generation: Generation, members: &[Pnn]) {
        if self.kept.expected.contains_key(&generation) {
            return;
        }
        let mut held = BTreeSet::new();
        for pnn in members {
            held.extend(self.nodes[pnn.0 as usize].disk.transactions(0));
        }
        let kept = &mut self.kept;
        let lost = kept.committed.difference(&held);
        kept.forfeited.extend(lost.copied().collect::<Vec<_>>());
        let must = kept.committed.difference(&kept.forfeited).copied();
        kept.expected.insert(generation, must.collect());
    }

    /// The database is served by `pnn`.
    pub(crate) fn kept_served(&mut self, pnn: Pnn, generation: Generation) {
        let here = self.nodes[pnn.0 as usize].disk.transactions(0);
        let Some(expected) = self.kept.expected.get(&generation) else {
            return;
        };
        let missing = expected
            .iter()
            .find(|id| here.binary_search(id).is_err() && !self.kept.forfeited.contains(id));
        if let Some(id) = missing {
            let now = self.bench.now;
            let detail = format!("at {now} µs node {pnn} serves {generation} without {id}");
            self.watch.fail("committed transactions stay", detail);
        }
    }

    /// At rest: the same on all nodes, and nothing is missing but what may be.
    pub(crate) fn judge_kept(&self) -> Result<(), String> {
        let Some(first) = self.nodes.first() else {
            return Ok(());
        };
        if let Some(other) = self
            .nodes
            .iter()
            .find(|node| node.disk.content != first.disk.content)
        {
            let (one, two) = (first.disk.transactions(0), other.disk.transactions(0));
            let pnn = other.pnn;
            return Err(format!("node 0 has {one:?}, node {pnn} has {two:?}"));
        }
        let here = first.disk.transactions(0);
        let kept = &self.kept;
        let mut must = kept.committed.difference(&kept.forfeited);
        match must.find(|id| here.binary_search(id).is_err()) {
            Some(id) => Err(format!("transaction {id} is gone")),
            None => Ok(()),
        }
    }
}

fn value(rsn: u64, pnn: Pnn, data: &[u8]) -> Vec<u8> {
    let header = RecordHeader {
        rsn: Rsn(rsn),
        dmaster: pnn,
        ..RecordHeader::default()
    };
    [&header.to_bytes(), data].concat()
}

/// The record with one more transaction in it.
fn appended(disk: &Disk, key: &[u8], pnn: Pnn, id: u32) -> Change {
    let key = Bytes::from(key);
    let old = disk.content.get(&key).map(|old| RecordHeader::split(old));
    let (header, data) = old.flatten().unwrap_or_default();
    let data = [data, &id.to_le_bytes()].concat();
    let value = value(header.rsn.0 + 1, pnn, &data).into();
    Change { key, value }
}
