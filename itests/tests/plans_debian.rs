//! Debian's ctdbd places addresses; our planners, told the state before, place them on the same nodes. With `CTDB_LONG=1`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ctdb_itests::cluster::{Cluster, Daemon, Layout, NodeStatus, have_root};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::takeover::alloc::{AddressState, Algorithm, Input, plan};

const NODES: usize = 4;
/// Of each family; no multiple of the nodes.
const ADDRESSES: usize = 11;
/// Of the node that is disabled and enabled.
const VICTIM: usize = 1;

/// The node of each address.
type Owners = BTreeMap<IpAddr, Option<usize>>;

/// A cluster of Debian's and what our planner has to be told of it.
struct Bench {
    cluster: Cluster,
    algorithm: Algorithm,
    no_ip_failback: bool,
    /// What was planned otherwise.
    wrong: Vec<String>,
}

impl Bench {
    /// All nodes are OK and none has an address: `NoIPTakeover` keeps them from having any.
    fn begin(number: u32) -> Self {
        let mut layout = Layout::new("plans", NODES);
        layout.daemon = Daemon::Debian;
        layout.addresses = ADDRESSES;
        layout.ipv6 = true;
        layout.tunables = format!("IPAllocAlgorithm={number}\nNoIPTakeover=1\n");
        let cluster = Cluster::build(&layout);
        cluster.start_all();
        cluster.wait("all nodes OK", || {
            cluster.nodes().all(|node| {
                let status = cluster.status(node);
                status.is_some_and(|list| list.len() == NODES && list.iter().all(NodeStatus::is_ok))
            })
        });
        Self {
            cluster,
            algorithm: Algorithm::from_tunable(number),
            no_ip_failback: false,
            wrong: Vec::new(),
        }
    }

    /// The leader's last: it alone plans, with its own.
    fn set(&self, name: &str, value: &str) {
        let leader = self.cluster.leader(0).expect("a leader");
        let others = self.cluster.nodes().filter(|node| *node != leader);
        for node in others.chain([leader]) {
            self.cluster.ctdb(node, &["setvar", name, value]).ok();
        }
    }

    /// Who has what after the next run.
    fn owners(&self) -> Owners {
        self.cluster.ctdb(0, &["ipreallocate"]).ok();
        self.cluster.owners(0).expect("the addresses")
    }

    /// Does something, and compares what Debian's daemon makes of it with our plan.
    fn step(&mut self, what: &str, able: &[usize], work: impl FnOnce(&Self)) {
        let before = self.owners();
        work(self);
        let seen = self.owners();
        let planned = self.planned(&before, able);
        let moved = seen.iter().filter(|(ip, owner)| before[*ip] != **owner);
        let moved = moved.count();
        let differ: Vec<_> = seen
            .iter()
            .filter(|(ip, owner)| planned[*ip] != **owner)
            .map(|(ip, owner)| format!("{ip}: Debian's {owner:?}, ours {:?}", planned[ip]))
            .collect();
        println!(
            "{:?}: {what}: {moved} of {} moved, {} elsewhere in our plan",
            self.algorithm,
            seen.len(),
            differ.len()
        );
        if !differ.is_empty() {
            let all = format!("{:?}: {what}: from {before:?}: {differ:#?}", self.algorithm);
            self.wrong.push(all);
        }
    }

    fn planned(&self, before: &Owners, able: &[usize]) -> Owners {
        let pnn = |node: &usize| Pnn(*node as u32);
        let state = |owner: &Option<usize>| AddressState {
            current: owner.as_ref().map(pnn),
            able: able.iter().map(pnn).collect(),
        };
        let input = Input {
            nodes: NODES as u32,
            addresses: before
                .iter()
                .map(|(ip, owner)| (*ip, state(owner)))
                .collect(),
            no_ip_failback: self.no_ip_failback,
            ..Input::default()
        };
        let planned = plan(self.algorithm, &input).into_iter();
        planned
            .map(|(ip, owner)| (ip, owner.map(|pnn| pnn.0 as usize)))
            .collect()
    }

    fn word(&self, word: &str) {
        self.cluster.ctdb(VICTIM, &[word]).ok();
    }
}

fn compare(number: u32) {
    let all: Vec<usize> = (0..NODES).collect();
    let others: Vec<usize> = (0..NODES).filter(|node| *node != VICTIM).collect();
    let mut bench = Bench::begin(number);
    let cold = bench.owners().values().all(Option::is_none);
    // This one places addresses without a look at NoIPTakeover, nor at the state before.
    assert!(
        cold || bench.algorithm == Algorithm::Deterministic,
        "not cold"
    );
    bench.step("cold start", &all, |bench| bench.set("NoIPTakeover", "0"));
    bench.step("one node disabled", &others, |bench| bench.word("disable"));
    bench.step("enabled again", &all, |bench| bench.word("enable"));
    bench.set("NoIPFailback", "1");
    bench.no_ip_failback = true;
    bench.step("NoIPFailback, disabled", &others, |bench| {
        bench.word("disable");
    });
    bench.step("NoIPFailback, enabled again", &all, |bench| {
        bench.word("enable");
    });
    assert!(bench.wrong.is_empty(), "{}", bench.wrong.join("\n"));
    bench.cluster.assert_clean();
}

macro_rules! compared {
    ($($name:ident: $number:expr;)*) => {
        $(#[test]
        fn $name() {
            let name = stringify!($name);
            if std::env::var_os("CTDB_LONG").is_none() {
                println!("NOT RUN: {name}: CTDB_LONG=1 is not set");
            } else if have_root(name) {
                compare($number);
            }
        })*
    };
}

compared! {
    deterministic_is_debians: 0;
    nondeterministic_is_debians: 1;
    lcp2_is_debians: 2;
}
