//! One run: clients on all nodes, a fault, the return to normal, the check.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use ctdb_protocol::rng::Rng;

use super::check::{Violation, check};
use super::fault::{Fault, Outage};
use super::operation::{Operation, Outcome, Token};
use super::worker::{Store, now_us};
use crate::cluster::{Cluster, json_line};

const SOCKET: &str = "/run/ctdb/ctdbd.socket";
/// The databases.
const VOLATILE: &str = "history.tdb";
const PERSISTENT: &str = "history_kept.tdb";
/// Clients on each node: in the volatile database, and in the persistent one.
const CLIENTS: [(&str, usize); 2] = [(VOLATILE, 2), (PERSISTENT, 1)];
/// Counters of each database, and as many registers.
const RECORDS: &str = "3";
/// How long clients work.
const SECONDS: &str = "3";
/// From their start to the fault.
const LEAD_IN: Duration = Duration::from_millis(800);

/// A run that is to be.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Its number: it has records of its own.
    pub number: u64,
    /// What happens.
    pub fault: Fault,
    /// Where its choices begin.
    pub seed: u64,
}

/// What a run showed.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Operations that were done.
    pub done: usize,
    /// Operations that failed.
    pub failed: usize,
    /// Operations of which nobody knows.
    pub unknown: usize,
    /// Changes that were lost with their node, as is allowed.
    pub lost: usize,
    /// Transactions that the daemon called committed.
    pub acknowledged: usize,
    /// Transactions that their clients took for committed by the sequence number in the local file.
    pub presumed: usize,
    /// Of these, those that were not: a client whose node is cut off may take another client's transaction for its own,
    /// as with Samba's library.
    pub mistaken: usize,
    /// Nodes that failed although nothing was planned for them: false alarms, or no processor for long.
    pub unplanned: usize,
    /// What must not be.
    pub violations: Vec<Violation>,
}

impl Run {
    /// The run whose fault and seed follow from its number.
    pub fn new(number: u64, seed: u64) -> Self {
        let faults = Fault::ALL;
        Self {
            number,
            fault: faults[(number % faults.len() as u64) as usize],
            seed: seed.wrapping_add(number),
        }
    }

    /// Attaches what the runs need, once in a cluster.
    pub fn prepare(cluster: &Cluster) {
        cluster.attach(0, &[VOLATILE]);
        cluster.attach(0, &[PERSISTENT, "persistent"]);
        cluster.attach(0, &["g_lock.tdb"]);
    }

    /// Does it.
    pub fn happen(&self, cluster: &Cluster) -> Report {
        let mut rng = Rng::new(self.seed);
        let logged = cluster.nodes().map(|node| cluster.log(node).len());
        let logged: Vec<usize> = logged.collect();
        let clients = self.clients(cluster, &mut rng);
        sleep(LEAD_IN);
        let victim = rng.below(cluster.nodes().len() as u64) as usize;
        let lasting = Duration::from_millis(100 + rng.below(1_400));
        self.fault.happen(cluster, victim, lasting);
        cluster.wait_settled("all nodes OK after the fault");
        println!(
            "run {}: {:?} of node {victim} for {lasting:?}",
            self.number, self.fault
        );
        let end_us = now_us();
        let mut report = Report::default();
        let mut histories: BTreeMap<&str, Vec<Operation>> = BTreeMap::new();
        for (db, client) in clients {
            histories.entry(db).or_default().extend(operations(client));
        }
        let mut failed = taken_for_dead(cluster, &logged);
        if self.fault != Fault::Nothing {
            failed.insert(victim);
        }
        report.unplanned = failed.len() - usize::from(self.fault != Fault::Nothing);
        let outages = failed.into_iter().map(|node| Outage {
            node: node as u64,
            end_us,
        });
        let outages: Vec<Outage> = outages.collect();
        for (db, history) in histories {
            self.judge(cluster, db, &history, &outages, &mut report);
        }
        report
    }

    fn clients(&self, cluster: &Cluster, rng: &mut Rng) -> Vec<(&'static str, Child)> {
        let mut clients = Vec::new();
        for node in cluster.nodes() {
            for (db, count) in CLIENTS {
                for _ in 0..count {
                    let number = (clients.len() + 1).to_string();
                    let seed = rng.next_u64().to_string();
                    let words = self.words("history", db);
                    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
                    words.extend([SECONDS, &number, &seed]);
                    clients.push((db, cluster.client(node, &words)));
                }
            }
        }
        clients
    }

    fn words(&self, word: &str, db: &str) -> Vec<String> {
        let kind = match store_of(db) {
            Store::Volatile => "volatile",
            Store::Persistent => "persistent",
        };
        let prefix = format!("run{}", self.number);
        let words = [word, SOCKET, db, kind, &prefix, RECORDS];
        words.map(String::from).to_vec()
    }

    fn judge(
        &self,
        cluster: &Cluster,
        db: &str,
        history: &[Operation],
        outages: &[Outage],
        report: &mut Report,
    ) {
        let count = |outcome| history.iter().filter(|one| one.outcome == outcome).count();
        report.done += history.iter().filter(|one| one.is_done()).count();
        report.presumed += count(Outcome::Presumed);
        report.failed += count(Outcome::Failed);
        report.unknown += count(Outcome::Unknown);
        let values = self.values(cluster, db);
        let store = store_of(db);
        let found = check(store, history, outages, &values);
        report.violations.extend(found);
        let strictly = check(store, history, &[], &values).into_iter();
        let lost = strictly.filter_map(|one| match one {
            Violation::Lost(operation) => Some(operation.outcome),
            _ => None,
        });
        let lost: Vec<Outcome> = lost.collect();
        if store == Store::Volatile {
            report.lost += lost.len();
            return;
        }
        let acknowledged = history
            .iter()
            .filter(|one| one.put != 0 && one.outcome == Outcome::Done);
        report.acknowledged += acknowledged.count();
        let mistaken = lost.iter().filter(|outcome| **outcome == Outcome::Presumed);
        report.mistaken += mistaken.count();
    }

    /// What stands in the records now, of which all nodes must say the same.
    fn values(&self, cluster: &Cluster, db: &str) -> BTreeMap<String, Token> {
        let words = self.words("history-values", db);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut all = cluster.nodes().map(|node| {
            let line = json_line(cluster.client(node, &words));
            let values = line.as_object().expect("an object").iter();
            let values = values.map(|(key, value)| (key.clone(), value.as_u64().expect("a token")));
            values.collect::<BTreeMap<String, Token>>()
        });
        let first = all.next().expect("a node");
        for other in all {
            assert_eq!(first, other, "nodes differ in {db}");
        }
        first
    }
}

/// Nodes that all others took for dead since then: one that got no processor for long enough has failed too, whatever
/// was planned.
fn taken_for_dead(cluster: &Cluster, logged: &[usize]) -> BTreeSet<usize> {
    let mut said_by: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (node, from) in logged.iter().enumerate() {
        let log = cluster.log(node);
        let new = log.get(*from..).unwrap_or_default();
        let dead = new.split("[link.node_dead peer=").skip(1);
        for peer in dead.filter_map(|text| text.split(' ').next()?.parse().ok()) {
            said_by.entry(peer).or_default().insert(node);
        }
    }
    let by_all = |by: &BTreeSet<usize>| by.len() + 1 == logged.len();
    let out = said_by.into_iter().filter(|(_, by)| by_all(by));
    out.map(|(peer, _)| peer).collect()
}

fn store_of(db: &str) -> Store {
    if db == VOLATILE {
        Store::Volatile
    } else {
        Store::Persistent
    }
}

/// What a client has done.
fn operations(client: Child) -> Vec<Operation> {
    let line = json_line(client);
    let list = line.as_array().expect("a list").iter();
    list.map(|one| Operation::from_json(one).expect("an operation"))
        .collect()
}
