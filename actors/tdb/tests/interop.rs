//! The same files seen by other programs on the same library, and whole-file maintenance.

mod common;

use std::fs::{self, OpenOptions as FileOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use common::Scratch;
use ctdb_tdb::{Error, Tdb, TdbFlags};

/// Debian's Python has the `tdb` module; others in the path may not.
const PYTHON: &str = "/usr/bin/python3";

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect("start");
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

fn python(path: &Path, flags: TdbFlags, body: &str) -> String {
    let text = format!(
        "import os, tdb\nt = tdb.Tdb({:?}, 0, {}, os.O_RDWR)\n{body}",
        path.display().to_string(),
        flags.bits()
    );
    run(PYTHON, &["-c", &text])
}

#[test]
fn others_read_what_we_write() {
    let scratch = Scratch::new("we_write");
    for flags in [
        TdbFlags::CTDB_PERSISTENT,
        TdbFlags::CTDB_REPLICATED,
        TdbFlags::CTDB_VOLATILE,
    ] {
        let tdb = scratch.open(&format!("{:x}", flags.bits()), flags);
        tdb.store(b"plain", b"value").expect("store");
        tdb.storev(b"joined", &[b"head", b"", b"tail"])
            .expect("storev");
        tdb.storev(b"empty", &[]).expect("storev");
        tdb.store(b"", b"no key").expect("store");
        // With CLEAR_IF_FIRST the reader must come while we have the file open.
        let body = "print(sorted((k, t.get(k)) for k in t))";
        assert_eq!(
            python(tdb.path(), flags, body).trim(),
            "[(b'', b'no key'), (b'empty', b''), (b'joined', b'headtail'), (b'plain', b'value')]"
        );
    }
}

#[test]
fn tdbdump_reads_what_we_write() {
    let scratch = Scratch::new("dump");
    let path = scratch.path("x");
    scratch
        .open("x", TdbFlags::CTDB_PERSISTENT)
        .store(b"key", b"value\0")
        .expect("store");
    let dump = run("tdbdump", &[path.to_str().expect("text")]);
    assert_eq!(
        dump.trim(),
        "{\nkey(3) = \"key\"\ndata(6) = \"value\\00\"\n}"
    );
}

#[test]
fn we_read_what_others_write() {
    let scratch = Scratch::new("they_write");
    for flags in [
        TdbFlags::CTDB_PERSISTENT,
        TdbFlags::CTDB_REPLICATED,
        TdbFlags::CTDB_VOLATILE,
    ] {
        let tdb = scratch.open(&format!("{:x}", flags.bits()), flags);
        // More than the first mapping, so that our handle has to notice the growth.
        let body = "for i in range(1000): t[b'k%d' % i] = b'v%d' % i * 100";
        python(tdb.path(), flags, body);
        for number in 0..1000 {
            let value = tdb.fetch(format!("k{number}").as_bytes()).expect("fetch");
            assert_eq!(value, Some(format!("v{number}").repeat(100).into_bytes()));
        }
        assert!(tdb.exists(b"k1").expect("exists"));
        assert!(!tdb.exists(b"other").expect("exists"));
        assert_eq!(tdb.fetch(b"other").expect("fetch"), None);
        assert!(tdb.delete(b"k1").expect("delete"));
        assert!(!tdb.delete(b"k1").expect("delete"));
        tdb.check().expect("sound");
    }
}

#[test]
fn transactions_commit_or_vanish() {
    let scratch = Scratch::new("transactions");
    let flags = TdbFlags::CTDB_PERSISTENT;
    let tdb = scratch.open("x", flags);
    let dump = |tdb: &Tdb| {
        python(tdb.path(), flags, "print(sorted(t))")
            .trim()
            .to_owned()
    };
    tdb.store(b"a", b"1").expect("store");
    assert!(tdb.transaction_start_nonblock().expect("start"));
    tdb.store(b"b", b"2").expect("store");
    tdb.transaction_cancel().expect("cancel");
    assert_eq!(dump(&tdb), "[b'a']");
    assert!(tdb.transaction_start_nonblock().expect("start"));
    tdb.wipe_all().expect("wipe");
    tdb.store(b"c", b"3").expect("store");
    assert!(tdb.in_transaction());
    tdb.transaction_prepare_commit().expect("prepare");
    tdb.transaction_commit().expect("commit");
    assert!(!tdb.in_transaction());
    assert_eq!(dump(&tdb), "[b'c']");
    // A handle dropped in the middle leaves the old state.
    assert!(tdb.transaction_start_nonblock().expect("start"));
    tdb.delete(b"c").expect("delete");
    drop(tdb);
    assert_eq!(dump(&scratch.open("x", flags)), "[b'c']");
}

#[test]
fn sequence_number_counts_only_with_its_flag() {
    let scratch = Scratch::new("seqnum");
    let tdb = scratch.open("x", TdbFlags::CTDB_VOLATILE);
    tdb.store(b"a", b"1").expect("store");
    assert_eq!(tdb.seqnum().expect("seqnum"), 0);
    tdb.add_flags(TdbFlags::SEQNUM).expect("flag");
    assert_eq!(tdb.flags(), TdbFlags::from_bits_retain(0x1cc1));
    tdb.store(b"a", b"2").expect("store");
    tdb.increment_seqnum().expect("increment");
    assert_eq!(tdb.seqnum().expect("seqnum"), 2);
    tdb.remove_flags(TdbFlags::SEQNUM).expect("flag");
    tdb.store(b"a", b"3").expect("store");
    assert_eq!(tdb.seqnum().expect("seqnum"), 2);
    let refused = tdb.add_flags(TdbFlags::MUTEX_LOCKING | TdbFlags::SEQNUM);
    assert!(matches!(refused, Err(Error::Misuse { .. })), "{refused:?}");
}

#[test]
fn repack_removes_holes() {
    let scratch = Scratch::new("repack");
    let tdb = scratch.open("x", TdbFlags::CTDB_PERSISTENT);
    for number in 0..2000_u32 {
        tdb.store(&number.to_le_bytes(), &vec![1; number as usize])
            .expect("store");
    }
    for number in (0..2000_u32).filter(|number| number % 2 == 0) {
        assert!(tdb.delete(&number.to_le_bytes()).expect("delete"));
    }
    let before = tdb.freelist_size().expect("freelist");
    tdb.repack().expect("repack");
    let after = tdb.freelist_size().expect("freelist");
    assert!(after < before, "{after} free areas after, {before} before");
    assert_eq!(
        tdb.fetch(&1001_u32.to_le_bytes()).expect("fetch"),
        Some(vec![1; 1001])
    );
    assert!(tdb.map_size() > 0);
}

#[test]
fn corruption_is_an_error() {
    let scratch = Scratch::new("corrupt");
    let path = scratch.path("x");
    {
        let tdb = scratch.open("x", TdbFlags::CTDB_PERSISTENT);
        for number in 0..100_u32 {
            tdb.store(&number.to_le_bytes(), &[1; 100]).expect("store");
        }
        tdb.check().expect("sound");
    }
    let len = fs::metadata(&path).expect("stat").len();
    let file = FileOptions::new().write(true).open(&path).expect("open");
    // Behind the header and the 101 chains, over the records.
    let garbage = vec![0xa5; usize::try_from(len).expect("small") - 2000];
    file.write_all_at(&garbage, 1000).expect("overwrite");
    drop(file);
    let tdb = scratch.open("x", TdbFlags::CTDB_PERSISTENT);
    let checked = tdb.check();
    assert!(matches!(checked, Err(Error::Library { .. })), "{checked:?}");
    let text = checked.expect_err("corrupt").to_string();
    assert!(
        text.contains("tdb_check") && text.contains("Corrupt"),
        "{text}"
    );
    let mut scan = ctdb_tdb::Scan::new(&tdb);
    let mut failed = 0;
    loop {
        match scan.advance(&tdb, u32::MAX, &mut |_, _| ()) {
            Ok(ctdb_tdb::ScanState::Done) => break,
            Ok(state) => panic!("{state:?}"),
            Err(_) => failed += 1,
        }
    }
    assert!(
        (1..=101).contains(&failed),
        "each broken chain is reported once: {failed}"
    );
}
