//! A thousand worlds with faults, and what must be true of the simulator itself.

use ctdb_sim::census::{Census, PATHS};
use ctdb_sim::fault::FaultKind;
use ctdb_sim::sabotage::Sabotage;
use ctdb_sim::swarm::{Latency, Options};
use ctdb_sim::{Outcome, run};

/// Worlds in the ordinary tests; `simulate --count` goes further.
const SEEDS: u64 = 1_000;
/// In so many seeds each planted bug must be found.
const SEEDS_FOR_A_BUG: u64 = 60;

/// Open faults: what is broken in these worlds is stated exactly, so that nothing else hides behind it. Whoever mends one
/// takes its line out: a seed that passes fails the test.
const OPEN: [(u64, &str); 0] = [];

fn reproduce(seed: u64, outcome: &Outcome) -> String {
    let broken = outcome
        .broken
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    format!("seed {seed}: {broken}\ncargo run -p ctdb-sim --bin simulate -- --seed {seed} --trace")
}

fn sweep(seeds: std::ops::Range<u64>) -> (Census, Vec<String>) {
    let (mut census, mut failures) = (Census::default(), Vec::new());
    for seed in seeds {
        let outcome = run(&Options::from_seed(seed));
        census.add(&outcome.census);
        let open = OPEN.iter().find(|(open, _)| *open == seed);
        match (&outcome.broken, open) {
            (None, None) => {}
            (None, Some(_)) => failures.push(format!("seed {seed} passes: take it out of OPEN")),
            (Some(broken), Some((_, known))) if broken.to_string().starts_with(known) => {
                println!("open fault: {}", reproduce(seed, &outcome));
            }
            (Some(_), _) => failures.push(reproduce(seed, &outcome)),
        }
    }
    (census, failures)
}

#[test]
fn a_thousand_worlds_with_faults_break_nothing_and_use_every_path() {
    let halves = [1..SEEDS / 2, SEEDS / 2..SEEDS + 1];
    let threads = halves.map(|seeds| std::thread::spawn(move || sweep(seeds)));
    let (mut census, mut failures) = (Census::default(), Vec::new());
    for thread in threads {
        let (part, failed) = thread.join().expect("no world panics");
        census.add(&part);
        failures.extend(failed);
    }
    println!("{census}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let missing = census.missing(PATHS.into_iter().chain(FaultKind::ALL.map(FaultKind::name)));
    assert!(missing.is_empty(), "never occurred: {missing:?}");
}

#[test]
fn one_seed_gives_one_run() {
    for seed in 1..20 {
        let options = Options::from_seed(seed);
        let (first, second) = (run(&options), run(&options));
        assert_eq!(first.hash, second.hash, "seed {seed}");
        let traced = run(&Options {
            trace: true,
            ..options
        });
        assert_eq!(first.hash, traced.hash, "seed {seed} with a trace");
    }
}

#[test]
fn each_planted_bug_is_found() {
    let expected = |bug| match bug {
        Sabotage::GateOutlivesLease => vec!["no address on two nodes"],
        Sabotage::LockForEverybody => vec!["one leader"],
        Sabotage::VotesForEverybody => vec!["one leader", "no address on two nodes"],
        Sabotage::StaleFlags | Sabotage::LostCommit | Sabotage::LostAddition => {
            vec!["all is well after the faults"]
        }
        Sabotage::KeepDmaster => vec!["one dmaster"],
        Sabotage::LowRsn | Sabotage::LoseData => vec!["records never go back"],
        Sabotage::LostReply => vec!["calls are answered"],
        Sabotage::LeakingMailbox => vec!["queues are bounded"],
        Sabotage::ForgetfulDisk => vec![
            "committed transactions stay",
            "transactions are on all nodes",
        ],
        Sabotage::OldestContentWins => vec!["committed transactions stay"],
        Sabotage::CopiesStay => vec!["records never go back", "nothing is lost"],
        Sabotage::CopiesOutliveRevoke => vec!["read-only copies are current"],
        Sabotage::VacuumOfTheLiving => {
            vec!["records never go back", "one dmaster", "nothing is lost"]
        }
    };
    for bug in Sabotage::ALL {
        let found = (1..=SEEDS_FOR_A_BUG).find_map(|seed| {
            let options = Options {
                sabotage: Some(bug),
                ..Options::from_seed(seed)
            };
            let broken = run(&options).broken?;
            expected(bug).contains(&broken.invariant).then_some(seed)
        });
        assert!(found.is_some(), "{} was not found", bug.name());
    }
}

#[test]
fn without_faults_nobody_is_called_dead_and_no_leader_changes() {
    for seed in 1..40 {
        let options = Options::from_seed(seed).calm();
        let outcome = run(&options);
        assert!(outcome.broken.is_none(), "{}", reproduce(seed, &outcome));
        assert_eq!((outcome.leaderships, outcome.deaths), (1, 0), "seed {seed}");
    }
}

/// A link of 200 ± 100 ms at default settings.
#[test]
fn a_slow_wide_area_link_is_not_taken_for_a_death() {
    for seed in 1..40 {
        let latency = Latency {
            base: 100_000,
            jitter: 200_000,
        };
        let options = Options {
            latency,
            ..Options::from_seed(seed).calm()
        };
        let outcome = run(&options);
        assert_eq!(outcome.deaths, 0, "{}", reproduce(seed, &outcome));
    }
}
