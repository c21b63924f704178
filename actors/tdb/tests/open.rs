//! Opening, closing, and the rule of one open per file and process.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::thread;

use common::{Helper, KINDS, Scratch, serve_if_helper};
use ctdb_tdb::{
    Access, Error, OpenOptions, Tdb, TdbFlags, is_open_here, jenkins_chain, jenkins_hash,
    probe_mutexes,
};

#[test]
fn helper_entry() {
    serve_if_helper();
}

#[test]
fn mutexes_work_here() {
    assert!(probe_mutexes());
}

#[test]
fn second_open_is_refused_and_locks_stay() {
    let scratch = Scratch::new("second_open");
    for flags in KINDS {
        let path = scratch.path(&format!("{:x}", flags.bits()));
        let link = path.with_extension("link");
        let hard = path.with_extension("hard");
        let options = OpenOptions {
            flags,
            ..OpenOptions::default()
        };
        let tdb = Tdb::open(&path, &options).expect("first open");
        symlink(&path, &link).expect("symlink");
        fs::hard_link(&path, &hard).expect("hard link");
        assert!(is_open_here(&hard));
        let guard = tdb.chain_lock(b"key").expect("lock");
        let mut helper = Helper::open(&path, flags);
        for name in [&path, &link, &hard] {
            let refused = Tdb::open(name, &options).map(drop);
            assert!(
                matches!(refused, Err(Error::AlreadyOpen { .. })),
                "{refused:?}"
            );
            assert_eq!(helper.ask("try key"), "busy");
        }
        drop(guard);
        assert_eq!(helper.ask("try key"), "free");
        drop(tdb);
        assert!(!is_open_here(&path));
        drop(helper);
        Tdb::open(&link, &options).expect("open again after close");
    }
}

/// Shows that the test above can fail: what the registry prevents really loses the lock.
#[test]
fn closing_another_descriptor_loses_record_locks() {
    let scratch = Scratch::new("lost_locks");
    let tdb = scratch.open("plain", TdbFlags::CTDB_REPLICATED);
    let _guard = tdb.chain_lock(b"key").expect("lock");
    let mut helper = Helper::open(tdb.path(), TdbFlags::CTDB_REPLICATED);
    assert_eq!(helper.ask("try key"), "busy");
    drop(File::open(tdb.path()).expect("second descriptor"));
    assert_eq!(helper.ask("try key"), "free");
}

#[test]
fn empty_files_have_the_sizes_of_ctdb() {
    let scratch = Scratch::new("sizes");
    for (flags, size) in [
        (TdbFlags::CTDB_VOLATILE, 4_401_968),
        (TdbFlags::CTDB_REPLICATED, 400_176),
    ] {
        let path = scratch.path(&format!("{size}"));
        let tdb = Tdb::open(
            &path,
            &OpenOptions {
                flags,
                ..OpenOptions::default()
            },
        )
        .expect("open");
        assert_eq!(fs::metadata(&path).expect("stat").len(), size);
        assert_eq!(tdb.hash_size(), 100_001);
        assert_eq!(tdb.flags(), flags);
        assert!(tdb.is_empty().expect("scan"));
        tdb.store(b"k", b"v").expect("store");
        assert!(!tdb.is_empty().expect("scan"));
    }
}

#[test]
fn first_opener_clears_unless_another_process_is_there() {
    let scratch = Scratch::new("clear");
    for flags in KINDS {
        let name = format!("{:x}", flags.bits());
        scratch.open(&name, flags).store(b"k", b"v").expect("store");
        let tdb = scratch.open(&name, flags);
        assert!(tdb.is_empty().expect("scan"), "the only opener wipes");
        tdb.store(b"k", b"v").expect("store");
        let helper = Helper::open(tdb.path(), flags);
        drop(tdb);
        let tdb = scratch.open(&name, flags);
        assert!(
            !tdb.is_empty().expect("scan"),
            "the helper keeps the file alive"
        );
        drop(helper);
        drop(tdb);
        assert!(scratch.open(&name, flags).is_empty().expect("scan"));
    }
}

#[test]
fn bad_options_are_named() {
    let scratch = Scratch::new("bad_options");
    let open = |options: OpenOptions| Tdb::open(scratch.path("x"), &options).map(drop);
    let default = OpenOptions::default;
    for options in [
        OpenOptions {
            hash_size: u32::MAX,
            ..default()
        },
        OpenOptions {
            max_dead: u32::MAX,
            ..default()
        },
        OpenOptions {
            flags: TdbFlags::MUTEX_LOCKING,
            ..default()
        },
        OpenOptions {
            flags: TdbFlags::from_bits_retain(2),
            ..default()
        },
        OpenOptions {
            flags: TdbFlags::CTDB_VOLATILE,
            access: Access::ReadOnly,
            ..default()
        },
    ] {
        let refused = open(options);
        assert!(
            matches!(refused, Err(Error::BadOptions { .. })),
            "{options:?}: {refused:?}"
        );
    }
    let missing = open(OpenOptions {
        access: Access::ReadWrite,
        ..default()
    });
    assert!(matches!(missing, Err(Error::Open { .. })), "{missing:?}");
    fs::write(
        scratch.path("x"),
        b"this is no database, but long enough to look like one",
    )
    .expect("write");
    let foreign = open(OpenOptions {
        access: Access::ReadWrite,
        ..default()
    });
    assert!(matches!(foreign, Err(Error::Open { .. })), "{foreign:?}");
    let nul = Tdb::open("a\0b", &default()).map(drop);
    assert!(matches!(nul, Err(Error::BadPath { .. })), "{nul:?}");
}

#[test]
fn read_only_handle_cannot_write() {
    let scratch = Scratch::new("read_only");
    scratch
        .open("x", TdbFlags::CTDB_PERSISTENT)
        .store(b"k", b"v")
        .expect("store");
    let options = OpenOptions {
        access: Access::ReadOnly,
        ..OpenOptions::default()
    };
    let tdb = Tdb::open(scratch.path("x"), &options).expect("open");
    assert_eq!(tdb.fetch(b"k").expect("fetch").as_deref(), Some(&b"v"[..]));
    assert!(tdb.store(b"k", b"w").is_err());
    assert!(tdb.delete(b"k").is_err());
}

/// The flag bits and error codes against the installed header.
#[test]
fn header_agrees() {
    let header = fs::read_to_string("/usr/include/tdb.h").expect("libtdb-dev is installed");
    for (name, flag) in TdbFlags::all().iter_names() {
        let define = format!("#define TDB_{name} ");
        let (_, rest) = header.split_once(&define).expect("defined");
        let number = rest.split_whitespace().next().expect("a number");
        assert_eq!(number.parse(), Ok(flag.bits()), "{name}");
    }
    let (_, codes) = header
        .split_once("enum TDB_ERROR {TDB_SUCCESS=0,")
        .expect("codes");
    let codes: Vec<&str> = codes
        .split('}')
        .next()
        .expect("end")
        .split(',')
        .map(str::trim)
        .collect();
    assert_eq!(codes[3 - 1], "TDB_ERR_LOCK");
    assert_eq!(codes[6 - 1], "TDB_ERR_NOLOCK");
    assert_eq!(codes[8 - 1], "TDB_ERR_NOEXIST");
}

#[test]
fn jenkins_hash_places_records() {
    let scratch = Scratch::new("hash");
    let tdb = scratch.open("x", TdbFlags::CTDB_VOLATILE);
    for number in 0..40_u32 {
        let key = vec![0x61; number as usize];
        tdb.store(&key, b"v").expect("store");
        let chain = jenkins_chain(&key, tdb.hash_size());
        let mut found = false;
        let _ = tdb
            .scan_chain(chain, &mut |seen, _| found |= seen == key)
            .expect("scan");
        assert!(found, "key of {number} bytes in chain {chain}");
    }
    assert_ne!(jenkins_hash(b"a"), jenkins_hash(b"b"));
}

#[test]
fn threads_open_and_close_at_once() {
    let scratch = Scratch::new("threads");
    thread::scope(|scope| {
        for thread in 0..4 {
            let scratch = &scratch;
            scope.spawn(move || {
                for round in 0..50_u32 {
                    let tdb = scratch.open(&format!("{thread}"), KINDS[thread % 2]);
                    tdb.store(b"k", &round.to_le_bytes()).expect("store");
                    assert!(!tdb.is_empty().expect("scan"));
                }
            });
        }
    });
}
