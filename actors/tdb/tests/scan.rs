//! Scans: every record once, never waiting, and nothing unsound from inside a callback.

mod common;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{Helper, KINDS, Scratch, serve_if_helper};
use ctdb_tdb::{ChainVisit, Error, Scan, ScanState, Tdb, TdbFlags, jenkins_chain};

const RECORDS: u32 = 2000;

#[test]
fn helper_entry() {
    serve_if_helper();
}

fn fill(tdb: &Tdb) {
    for number in 0..RECORDS {
        tdb.store(format!("k{number}").as_bytes(), &number.to_le_bytes())
            .expect("store");
    }
}

/// Counts how often each key was shown.
#[derive(Default)]
struct Seen(BTreeMap<Vec<u8>, u32>);

impl Seen {
    fn advance(&mut self, scan: &mut Scan, tdb: &Tdb, budget: u32) -> ScanState {
        scan.advance(tdb, budget, &mut |key, value| {
            assert_eq!(
                format!("k{}", u32::from_le_bytes(value.try_into().expect("4"))).as_bytes(),
                key
            );
            *self.0.entry(key.to_vec()).or_default() += 1;
        })
        .expect("scan")
    }

    fn assert_each_once(&self, records: usize) {
        assert_eq!(self.0.len(), records);
        assert!(self.0.values().all(|&times| times == 1));
    }
}

#[test]
fn portions_show_each_record_once() {
    let scratch = Scratch::new("portions");
    for flags in [
        KINDS[0],
        KINDS[1],
        TdbFlags::CTDB_PERSISTENT,
        TdbFlags::NOMMAP,
    ] {
        let tdb = scratch.open(&format!("{:x}", flags.bits()), flags);
        fill(&tdb);
        tdb.delete(b"k7").expect("delete");
        for budget in [1, 100, u32::MAX] {
            let mut scan = Scan::new(&tdb);
            let mut seen = Seen::default();
            let mut portions = 1;
            while seen.advance(&mut scan, &tdb, budget) == ScanState::More {
                portions += 1;
            }
            seen.assert_each_once(RECORDS as usize - 1);
            let expected = match budget {
                1 => portions == tdb.hash_size(),
                100 => (15..=21).contains(&portions),
                _ => portions == 1,
            };
            assert!(expected, "{portions} portions of {budget}");
            assert_eq!(
                seen.advance(&mut scan, &tdb, budget),
                ScanState::Done,
                "stays done"
            );
            seen.assert_each_once(RECORDS as usize - 1);
        }
    }
}

#[test]
fn held_chain_is_visited_later() {
    let scratch = Scratch::new("held_chain");
    for flags in KINDS {
        let tdb = scratch.open(&format!("{:x}", flags.bits()), flags);
        fill(&tdb);
        let mut helper = Helper::open(tdb.path(), flags);
        helper.ask("lock k5");
        let mut scan = Scan::new(&tdb);
        let mut seen = Seen::default();
        assert_eq!(seen.advance(&mut scan, &tdb, u32::MAX), ScanState::Busy);
        assert_eq!(seen.advance(&mut scan, &tdb, u32::MAX), ScanState::Busy);
        assert_eq!(scan.busy_chains(), 1);
        let chain = jenkins_chain(b"k5", tdb.hash_size());
        assert!(
            seen.0
                .keys()
                .all(|key| jenkins_chain(key, tdb.hash_size()) != chain)
        );
        helper.ask("unlock");
        assert_eq!(seen.advance(&mut scan, &tdb, u32::MAX), ScanState::Done);
        seen.assert_each_once(RECORDS as usize);
    }
}

#[test]
fn held_file_is_busy_without_trying_every_chain() {
    let scratch = Scratch::new("held_file");
    for flags in KINDS {
        let tdb = scratch.open(&format!("{:x}", flags.bits()), flags);
        fill(&tdb);
        let mut helper = Helper::open(tdb.path(), flags);
        let mut scan = Scan::new(&tdb);
        let mut seen = Seen::default();
        assert_eq!(seen.advance(&mut scan, &tdb, 500), ScanState::More);
        helper.ask("lockall");
        assert_eq!(seen.advance(&mut scan, &tdb, u32::MAX), ScanState::Busy);
        assert_eq!(scan.busy_chains(), 64);
        for _ in 0..3 {
            assert_eq!(seen.advance(&mut scan, &tdb, u32::MAX), ScanState::Busy);
            assert!(scan.busy_chains() <= tdb.hash_size() as usize);
        }
        helper.ask("unlockall");
        assert_eq!(seen.advance(&mut scan, &tdb, u32::MAX), ScanState::Done);
        seen.assert_each_once(RECORDS as usize);
    }
}

#[test]
fn scan_under_own_locks_and_transactions() {
    let scratch = Scratch::new("own_locks");
    let tdb = scratch.open("x", TdbFlags::CTDB_VOLATILE);
    fill(&tdb);
    let all = |tdb: &Tdb, records: usize| {
        let mut seen = Seen::default();
        assert_eq!(
            seen.advance(&mut Scan::new(tdb), tdb, u32::MAX),
            ScanState::Done
        );
        seen.assert_each_once(records);
    };
    let guard = tdb.chain_lock(b"k1").expect("lock");
    all(&tdb, RECORDS as usize);
    drop(guard);
    assert!(tdb.lock_all_nonblock().expect("lock all"));
    all(&tdb, RECORDS as usize);
    tdb.unlock_all().expect("unlock all");
    let tdb = scratch.open("persistent", TdbFlags::CTDB_PERSISTENT);
    fill(&tdb);
    assert!(tdb.transaction_start_nonblock().expect("start"));
    tdb.delete(b"k1").expect("delete");
    all(&tdb, RECORDS as usize - 1);
    tdb.transaction_cancel().expect("cancel");
    all(&tdb, RECORDS as usize);
}

#[test]
fn calls_from_inside_a_callback_are_refused() {
    let scratch = Scratch::new("reentry");
    let tdb = scratch.open("x", TdbFlags::CTDB_VOLATILE);
    tdb.store(b"k", b"v").expect("store");
    let attempts = Cell::new(0);
    let attempt = || {
        let refused = |outcome: Result<(), Error>| {
            assert!(
                matches!(outcome, Err(Error::InCallback { .. })),
                "{outcome:?}"
            );
            attempts.set(attempts.get() + 1);
        };
        refused(tdb.store(b"k", &vec![0; 100_000]));
        refused(tdb.storev(b"k", &[b"a"]));
        refused(tdb.delete(b"k").map(drop));
        refused(tdb.fetch(b"k").map(drop));
        refused(tdb.exists(b"k").map(drop));
        refused(tdb.wipe_all());
        refused(tdb.repack());
        refused(tdb.check());
        refused(tdb.lock_all_nonblock().map(drop));
        refused(tdb.chain_lock_nonblock(b"k").map(drop));
        refused(tdb.transaction_start_nonblock().map(drop));
        refused(tdb.is_empty().map(drop));
    };
    assert_eq!(
        tdb.parse(b"k", |value| {
            attempt();
            value.len()
        })
        .expect("parse"),
        Some(1)
    );
    let state = Scan::new(&tdb)
        .advance(&tdb, u32::MAX, &mut |_, _| attempt())
        .expect("scan");
    assert_eq!(state, ScanState::Done);
    assert_eq!(attempts.get(), 24);
    tdb.store(b"k", b"w").expect("afterwards all is well");
}

#[test]
fn panic_in_a_callback_passes_and_unlocks() {
    let scratch = Scratch::new("panic");
    for flags in KINDS {
        let tdb = scratch.open(&format!("{:x}", flags.bits()), flags);
        tdb.store(b"k", b"v").expect("store");
        let mut helper = Helper::open(tdb.path(), flags);
        let scan = catch_unwind(AssertUnwindSafe(|| {
            Scan::new(&tdb).advance(&tdb, 1000, &mut |_, _| panic!("on purpose"))
        }));
        assert!(scan.is_err());
        let parse = catch_unwind(AssertUnwindSafe(|| {
            tdb.parse(b"k", |_| panic!("on purpose"))
        }));
        assert!(parse.is_err());
        assert_eq!(helper.ask("try k"), "free");
        assert_eq!(tdb.fetch(b"k").expect("fetch").as_deref(), Some(&b"v"[..]));
    }
}

#[test]
fn mistakes_are_named() {
    let scratch = Scratch::new("mistakes");
    let tdb = scratch.open("x", TdbFlags::CTDB_VOLATILE);
    let other = scratch.open("y", TdbFlags::CTDB_VOLATILE);
    let far = tdb.scan_chain(tdb.hash_size(), &mut |_, _| ()).map(drop);
    assert!(matches!(far, Err(Error::Misuse { .. })), "{far:?}");
    let foreign = Scan::new(&other).advance(&tdb, 1, &mut |_, _| ()).map(drop);
    assert!(matches!(foreign, Err(Error::Misuse { .. })), "{foreign:?}");
    let last = tdb
        .scan_chain(tdb.hash_size() - 1, &mut |_, _| ())
        .expect("scan");
    assert_eq!(last, ChainVisit::Visited(0));
}

#[test]
fn scan_beside_a_busy_writer_misses_and_repeats_nothing() {
    let scratch = Scratch::new("churn");
    for flags in KINDS {
        let tdb = scratch.open(&format!("{:x}", flags.bits()), flags);
        fill(&tdb);
        let mut helper = Helper::open(tdb.path(), flags);
        helper.tell("churn 20000");
        for _ in 0..20 {
            let mut seen = Seen::default();
            let mut scan = Scan::new(&tdb);
            let mut state = ScanState::More;
            while state != ScanState::Done {
                state = scan
                    .advance(&tdb, 100, &mut |key, _| {
                        if !key.starts_with(b"churn") {
                            *seen.0.entry(key.to_vec()).or_default() += 1;
                        }
                    })
                    .expect("scan");
            }
            seen.assert_each_once(RECORDS as usize);
        }
        assert_eq!(helper.answer(), "churned");
        tdb.check().expect("sound");
    }
}
