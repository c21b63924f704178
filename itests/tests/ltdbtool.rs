//! Our `ltdbtool` does with TDB files what Debian's does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ctdb_itests::cluster::{Cluster, Layout, find, have_root, program};
use ctdb_tdb::{Access, OpenOptions, Tdb, TdbFlags};

const DEBIAN: &str = "/usr/bin/ltdbtool";
/// For files of both word lengths, and for those that are none of ctdb's.
const DUMPS: &[&str] = &[
    "",
    "-p",
    "-e",
    "-pe",
    "-s0",
    "-s0 -e",
    "-s0 -p -e",
    "-s32",
    "-s 32 -pe",
    "-s64 -e",
    "-S 0 -e",
    "-S 4 -p",
    "-S 8 -pe",
    "-S 22 -pe",
    "-S 30 -e",
];
const CONVERSIONS: &[&str] = &[
    "",
    "-e",
    "-o0",
    "-o0 -e",
    "-o32 -e",
    "-s32 -o64 -e",
    "-s32 -o0",
    "-s0",
    "-s0 -e",
    "-s0 -o32 -e",
    "-S 4 -O 8",
    "-O 30 -e",
    "-s0 -o0 -e",
];

/// Our program by the name that it goes by.
fn ours(directory: &Path) -> PathBuf {
    let link = directory.join("ltdbtool");
    std::os::unix::fs::symlink(program("ctdb-helper"), &link).expect("a link");
    link
}

fn can_run(name: &str) -> bool {
    let can = Path::new(DEBIAN).exists() && find("ctdb-helper").is_some();
    if !can {
        println!("NOT RUN: {name}: needs {DEBIAN} and ctdb-helper");
    }
    can
}

/// A directory that is empty.
fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a directory");
    directory
}

/// Records with headers of 64-bit systems, with and without data, some with bytes that need to be written otherwise.
fn make(path: &Path) {
    let options = OpenOptions {
        hash_size: 7,
        flags: TdbFlags::empty(),
        access: Access::Create,
        ..OpenOptions::default()
    };
    let tdb = Tdb::open(path, &options).expect("a file");
    let every: Vec<u8> = (0..=u8::MAX).collect();
    let header = |rsn: u64, dmaster: u32, reserved: u32, flags: u32| {
        let numbers = [dmaster, reserved, flags, 0];
        let numbers = numbers.into_iter().flat_map(u32::to_le_bytes);
        rsn.to_le_bytes()
            .into_iter()
            .chain(numbers)
            .collect::<Vec<u8>>()
    };
    let records: [(&[u8], Vec<u8>, &[u8]); 6] = [
        (b"plain", header(1, 0, 0, 0), b"some data"),
        (
            b"quote\" backslash\\ \x7f\0\xff",
            header(u64::MAX, 2, 7, 0x0005_0000),
            &every,
        ),
        (b"empty", header(9, 1, 0, 1), b""),
        (
            b"of nobody",
            header(0x1_2345_6789, u32::MAX, 0, u32::MAX),
            b"x",
        ),
        (b"four", header(3, 1 << 31, 0, 0), b"\x01\x02\x03\x04"),
        (
            b"__db_sequence_number__\0",
            header(4, 0, 0, 0),
            b"\x05\0\0\0\0\0\0\0",
        ),
    ];
    for (key, header, data) in records {
        tdb.storev(key, &[&header, data]).expect("stored");
    }
    for number in 0..300 {
        let key = format!("key {number}");
        tdb.storev(key.as_bytes(), &[&header(number, 0, 0, 0), key.as_bytes()])
            .expect("stored");
    }
}

fn run(program: &Path, words: &str, files: &[&Path]) -> Output {
    let output = Command::new(program)
        .args(words.split_whitespace())
        .args(files)
        .output();
    output.expect("it runs")
}

#[test]
fn dumps_are_the_same_to_the_byte() {
    if !can_run("dumps_are_the_same_to_the_byte") {
        return;
    }
    let directory = directory("ltdbtool-dump");
    let (ours, file) = (ours(&directory), directory.join("a.tdb"));
    make(&file);
    let mut bytes = 0;
    for words in DUMPS {
        let words = format!("{words} dump");
        let [debian, ours] =
            [Path::new(DEBIAN), &ours].map(|program| run(program, &words, &[&file]));
        assert!(
            debian.status.success() && ours.status.success(),
            "{words}: {ours:?}"
        );
        let shown = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(shown(&ours), shown(&debian), "{words}");
        assert!(ours.stdout.starts_with(b"{\nkey("), "{words}");
        bytes += ours.stdout.len();
    }
    println!("{} dumps, {bytes} bytes", DUMPS.len());
}

#[test]
fn converted_files_hold_the_same() {
    if !can_run("converted_files_hold_the_same") {
        return;
    }
    let directory = directory("ltdbtool-convert");
    let (ours, file) = (ours(&directory), directory.join("a.tdb"));
    make(&file);
    for (number, words) in CONVERSIONS.iter().enumerate() {
        let words = format!("{words} convert");
        let dump = |program: &Path, name: &str| {
            let target = directory.join(format!("{name}-{number}.tdb"));
            let output = run(program, &words, &[&file, &target]);
            assert!(output.status.success(), "{words}: {output:?}");
            // With everything that stands in the new file.
            let shown = Command::new("tdbdump").arg(&target).output();
            let shown = shown.expect("tdbdump(1)");
            assert!(shown.status.success(), "{words}: {shown:?}");
            let again = run(program, &words, &[&file, &target]);
            assert_eq!(
                again.status.code(),
                Some(255),
                "{words}: over a file that is there"
            );
            let mode = fs::metadata(&target).expect("the file").permissions();
            (
                String::from_utf8_lossy(&shown.stdout).into_owned(),
                fs::read(target).expect("the file"),
                mode.mode() & 0o7777,
            )
        };
        let (debian, ours) = (dump(Path::new(DEBIAN), "debian"), dump(&ours, "ours"));
        assert!(ours.0.contains("key 299"), "{words}: {}", ours.0);
        assert_eq!(ours.0, debian.0, "{words}");
        assert_eq!(
            (ours.2, debian.2),
            (0o600, 0o600),
            "{words}: who may read it"
        );
        if ours.1 != debian.1 {
            println!("{words}: the same records in other bytes");
        }
    }
}

/// What 4.17's program does with such a record is a difference that is documented: it ends there, with success.
#[test]
fn a_record_without_a_header_is_named_and_left_out() {
    if find("ctdb-helper").is_none() {
        println!("NOT RUN: a_record_without_a_header_is_named_and_left_out: needs ctdb-helper");
        return;
    }
    let directory = directory("ltdbtool-short");
    let (ours, file) = (ours(&directory), directory.join("a.tdb"));
    make(&file);
    let short = directory.join("short.tdb");
    assert!(
        run(&ours, "-o 0 convert", &[&file, &short])
            .status
            .success()
    );
    let output = run(&ours, "dump", &[&short]);
    assert_eq!(output.status.code(), Some(255), "{output:?}");
    let (said, shown) = (
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout),
    );
    assert!(said.contains("too short for a header: \"plain\""), "{said}");
    assert!(
        shown.contains("key(21) ="),
        "the long one is shown: {shown}"
    );
    let missing = run(&ours, "dump", &[&directory.join("nothing.tdb")]);
    assert_eq!(missing.status.code(), Some(255), "{missing:?}");
}

/// Files that a daemon and its clients have open, with mutexes in them.
#[test]
fn files_of_a_running_node_are_shown() {
    let name = "files_of_a_running_node_are_shown";
    if !have_root(name) || !can_run(name) {
        return;
    }
    let cluster = Cluster::up(&Layout::new(name, 1));
    let ours = ours(&cluster.directory().join("shared"));
    cluster.attach(0, &["volatile.tdb"]);
    cluster.attach(0, &["kept.tdb", "persistent"]);
    cluster
        .ctdb(0, &["writekey", "volatile.tdb", "key", "value"])
        .ok();
    cluster
        .ctdb(0, &["pstore", "kept.tdb", "key", "value"])
        .ok();
    let ours = ours.to_string_lossy();
    for file in ["volatile/volatile.tdb.0", "persistent/kept.tdb.0"] {
        let file = format!("/var/lib/ctdb/{file}");
        let show = |program: &str| cluster.run(0, &[program, "-p", "dump", &file]).ok();
        let shown = show(&ours);
        assert_eq!(shown, show(DEBIAN), "{file}");
        assert!(
            shown.contains("key(3) = \"key\"") && shown.contains("\"value"),
            "{file}: {shown}"
        );
    }
    cluster.assert_clean();
}
