//! Chain locks, whole-file locks, marks, and what happens when their holder dies.

mod common;

use std::mem;
use std::thread;

use common::{Helper, KINDS, Scratch, count_up, serve_if_helper};
use ctdb_tdb::{Error, OpenOptions, Tdb, TdbFlags, is_open_here};

#[test]
fn helper_entry() {
    serve_if_helper();
}

#[test]
fn chain_is_busy_while_another_process_holds_it() {
    let scratch = Scratch::new("busy");
    for flags in KINDS {
        let tdb = scratch.open(&format!("{:x}", flags.bits()), flags);
        let mut helper = Helper::open(tdb.path(), flags);
        assert_eq!(helper.ask("lock key"), "locked");
        assert!(tdb.chain_lock_nonblock(b"key").expect("try").is_none());
        assert!(tdb.chain_lock_nonblock(b"other").expect("try").is_some());
        assert!(!tdb.lock_all_nonblock().expect("try all"));
        assert_eq!(helper.ask("unlock"), "unlocked");

        let guard = tdb.chain_lock_nonblock(b"key").expect("try").expect("free");
        let nested = tdb
            .chain_lock_nonblock(b"key")
            .expect("try")
            .expect("nests");
        tdb.store(b"key", b"value").expect("store under the lock");
        assert_eq!(
            tdb.fetch(b"key").expect("fetch").as_deref(),
            Some(&b"value"[..])
        );
        drop(guard);
        assert_eq!(
            helper.ask("try key"),
            "busy",
            "the nested guard still holds it"
        );
        drop(nested);
        assert_eq!(helper.ask("fetch key"), "value");
    }
}

#[test]
fn blocking_lock_waits_for_ours() {
    let scratch = Scratch::new("waits");
    for flags in KINDS {
        let tdb = scratch.open(&format!("{:x}", flags.bits()), flags);
        let mut helper = Helper::open(tdb.path(), flags);
        let guard = tdb.chain_lock(b"key").expect("lock");
        helper.tell("lock key");
        tdb.store(b"key", b"first").expect("store");
        drop(guard);
        assert_eq!(helper.answer(), "locked");
        assert!(tdb.chain_lock_nonblock(b"key").expect("try").is_none());
    }
}

#[test]
fn dead_owner_gives_the_chain_back() {
    let scratch = Scratch::new("dead_owner");
    for flags in KINDS {
        let tdb = scratch.open(&format!("{:x}", flags.bits()), flags);
        let mut helper = Helper::open(tdb.path(), flags);
        helper.ask("store key old");
        helper.ask("lock key");
        assert!(tdb.chain_lock_nonblock(b"key").expect("try").is_none());
        helper.kill();
        let _guard = tdb
            .chain_lock_nonblock(b"key")
            .expect("try")
            .expect("recovered");
        tdb.store(b"key", b"new").expect("store");
        assert_eq!(
            tdb.fetch(b"key").expect("fetch").as_deref(),
            Some(&b"new"[..])
        );
        let mut helper = Helper::open(tdb.path(), flags);
        assert_eq!(
            helper.ask("try key"),
            "busy",
            "the recovered lock is a real one"
        );
    }
}

#[test]
fn whole_file_lock_keeps_others_out() {
    let scratch = Scratch::new("whole");
    for flags in KINDS {
        let tdb = scratch.open(&format!("{:x}", flags.bits()), flags);
        let mut helper = Helper::open(tdb.path(), flags);
        assert!(tdb.lock_all_nonblock().expect("lock all"));
        assert_eq!(helper.ask("try key"), "busy");
        tdb.store(b"key", b"a").expect("store");
        tdb.wipe_all().expect("wipe");
        tdb.store(b"key", b"b").expect("store");
        drop(
            tdb.chain_lock_nonblock(b"key")
                .expect("covered")
                .expect("free"),
        );
        drop(tdb.chain_mark(b"key").expect("covered"));
        assert_eq!(
            helper.ask("try key"),
            "busy",
            "a covered guard releases nothing"
        );
        tdb.unlock_all().expect("unlock all");
        assert_eq!(helper.ask("fetch key"), "b");
        assert_eq!(helper.ask("lockall"), "locked");
        assert!(!tdb.lock_all_nonblock().expect("try all"));
        assert!(tdb.chain_lock_nonblock(b"key").expect("try").is_none());
        helper.kill();
        assert!(tdb.lock_all_nonblock().expect("holder is dead"));
        tdb.unlock_all().expect("unlock all");
    }
}

#[test]
fn marks_use_the_lock_of_a_helper() {
    let scratch = Scratch::new("marks");
    for flags in KINDS {
        let tdb = scratch.open(&format!("{:x}", flags.bits()), flags);
        let mut helper = Helper::open(tdb.path(), flags);
        helper.ask("lock key");
        {
            let _mark = tdb.chain_mark(b"key").expect("mark");
            tdb.store(b"key", b"marked").expect("does not wait");
            let mixed = tdb.chain_lock_nonblock(b"other").map(drop);
            assert!(matches!(mixed, Err(Error::LockState { .. })), "{mixed:?}");
        }
        assert!(
            tdb.chain_lock_nonblock(b"key").expect("try").is_none(),
            "unmark releases nothing"
        );
        helper.ask("unlock");
        assert_eq!(helper.ask("fetch key"), "marked");

        helper.ask("lockall");
        tdb.lock_all_mark().expect("mark all");
        tdb.wipe_all().expect("wipe");
        tdb.store(b"key", b"again").expect("store");
        tdb.unlock_all_mark().expect("unmark all");
        assert!(tdb.chain_lock_nonblock(b"key").expect("try").is_none());
        helper.ask("unlockall");
        assert_eq!(helper.ask("fetch key"), "again");
    }
}

#[test]
fn lock_rules_are_enforced() {
    let scratch = Scratch::new("rules");
    for flags in KINDS {
        let tdb = scratch.open(&format!("{:x}", flags.bits()), flags);
        let refused = |outcome: Result<(), Error>| {
            assert!(
                matches!(outcome, Err(Error::LockState { .. })),
                "{outcome:?}"
            );
        };
        refused(tdb.unlock_all());
        refused(tdb.unlock_all_mark());
        refused(tdb.transaction_commit());
        let guard = tdb.chain_lock(b"key").expect("lock");
        refused(tdb.lock_all_nonblock().map(drop));
        refused(tdb.lock_all_mark());
        refused(tdb.chain_mark(b"other").map(drop));
        refused(tdb.transaction_start_nonblock().map(drop));
        drop(guard);
        assert!(tdb.lock_all_nonblock().expect("lock all"));
        refused(tdb.lock_all_nonblock().map(drop));
        refused(tdb.transaction_start_nonblock().map(drop));
        let guard = tdb.chain_lock(b"key").expect("covered");
        refused(tdb.unlock_all());
        drop(guard);
        let tdb = thread::spawn(move || {
            let outcome = tdb.unlock_all();
            assert!(
                matches!(outcome, Err(Error::LockState { .. })),
                "{outcome:?}"
            );
            tdb
        })
        .join()
        .expect("thread");
        tdb.unlock_all().expect("its own thread may");
    }
}

#[test]
fn drop_releases_or_keeps_open() {
    let scratch = Scratch::new("drop");
    for flags in KINDS {
        let name = format!("{:x}", flags.bits());
        let tdb = scratch.open(&name, flags);
        let mut helper = Helper::open(tdb.path(), flags);
        assert!(tdb.lock_all_nonblock().expect("lock all"));
        drop(tdb);
        assert_eq!(helper.ask("try key"), "free");

        let tdb = scratch.open(&name, flags);
        mem::forget(tdb.chain_lock(b"key").expect("lock"));
        drop(tdb);
        assert_eq!(helper.ask("try key"), "busy");
        let options = OpenOptions {
            flags,
            ..OpenOptions::default()
        };
        let refused = Tdb::open(scratch.path(&name), &options).map(drop);
        assert!(
            matches!(refused, Err(Error::AlreadyOpen { .. })),
            "{refused:?}"
        );
    }
}

/// The bracket of a freeze: a helper process holds the file, the transaction takes no locks.
#[test]
fn transaction_under_a_helpers_lock() {
    let scratch = Scratch::new("freeze");
    let flags = TdbFlags::CTDB_PERSISTENT;
    let tdb = scratch.open("x", flags);
    let mut helper = Helper::open(tdb.path(), flags);
    helper.ask("store key old");
    helper.ask("lockall");
    tdb.add_flags(TdbFlags::NOLOCK).expect("flag");
    assert!(tdb.transaction_start_nonblock().expect("start"));
    tdb.remove_flags(TdbFlags::NOLOCK).expect("flag");
    tdb.wipe_all().expect("wipe");
    tdb.store(b"key", b"new").expect("store");
    tdb.add_flags(TdbFlags::NOLOCK).expect("flag");
    tdb.transaction_commit().expect("commit");
    tdb.remove_flags(TdbFlags::NOLOCK).expect("flag");
    assert!(
        tdb.chain_lock_nonblock(b"key").expect("try").is_none(),
        "still frozen"
    );
    helper.ask("unlockall");
    assert_eq!(helper.ask("fetch key"), "new");
    tdb.check().expect("sound");
}

/// libtdb's own start would wait here for the helper, for ever.
#[test]
fn transaction_start_does_not_wait_for_a_held_chain() {
    let scratch = Scratch::new("start");
    let flags = TdbFlags::CTDB_PERSISTENT;
    let tdb = scratch.open("x", flags);
    let mut helper = Helper::open(tdb.path(), flags);
    helper.ask("lock key");
    assert!(!tdb.transaction_start_nonblock().expect("try"));
    assert!(!tdb.in_transaction());
    helper.ask("unlock");
    assert!(tdb.transaction_start_nonblock().expect("try"));
    let nested = tdb.transaction_start_nonblock();
    assert!(matches!(nested, Err(Error::Library { .. })), "{nested:?}");
    tdb.transaction_cancel().expect("cancel");
    // The same inside a thread: a transaction belongs to the one that started it.
    assert!(tdb.transaction_start_nonblock().expect("try"));
    let tdb = thread::spawn(move || {
        let outcome = tdb.transaction_commit();
        assert!(
            matches!(outcome, Err(Error::LockState { .. })),
            "{outcome:?}"
        );
        tdb
    })
    .join()
    .expect("thread");
    tdb.transaction_commit().expect("its own thread may");
}

#[test]
fn two_processes_count_without_losing_one() {
    const TIMES: u64 = 3000;
    let scratch = Scratch::new("count");
    for flags in KINDS {
        let tdb = scratch.open(&format!("{:x}", flags.bits()), flags);
        let mut helper = Helper::open(tdb.path(), flags);
        helper.tell(&format!("count key {TIMES}"));
        for _ in 0..TIMES {
            count_up(&tdb, b"key", |key| {
                loop {
                    if let Some(guard) = tdb.chain_lock_nonblock(key).expect("try") {
                        break guard;
                    }
                    thread::yield_now();
                }
            });
        }
        assert_eq!(helper.answer(), "counted");
        assert_eq!(helper.ask("fetch key"), (2 * TIMES).to_string());
    }
}

#[test]
fn transaction_of_another_thread_keeps_the_file_open() {
    let scratch = Scratch::new("foreign_transaction");
    let tdb = scratch.open("x", TdbFlags::CTDB_VOLATILE);
    assert!(tdb.transaction_start_nonblock().expect("start"));
    let path = tdb.path().to_owned();
    thread::spawn(move || drop(tdb)).join().expect("thread");
    assert!(is_open_here(&path));
}
