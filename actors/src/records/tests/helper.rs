//! A client in a second process: this test binary again, running only `helper_entry`, which obeys one
//! command a line and answers each with one line.

use ctdb_tdb::{Access, ChainLock, OpenOptions, Tdb, TdbFlags};
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

const VARIABLE: &str = "CTDB_RECORDS_TEST_HELPER";
const FLAGS: &str = "CTDB_RECORDS_TEST_FLAGS";

/// The second process.
pub(crate) struct Helper {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Helper {
    /// Opens `path` as clients do, with the flags of a volatile database.
    pub(crate) fn open(path: &Path) -> Self {
        Self::start(path, TdbFlags::CTDB_VOLATILE)
    }

    /// As [`Helper::open`] for a file without mutexes.
    pub(crate) fn open_plain(path: &Path) -> Self {
        Self::start(path, TdbFlags::CTDB_REPLICATED)
    }

    /// As [`Helper::open`] for a persistent file.
    pub(crate) fn open_persistent(path: &Path) -> Self {
        Self::start(path, TdbFlags::CTDB_PERSISTENT)
    }

    fn start(path: &Path, flags: TdbFlags) -> Self {
        let mut child = Command::new(env::current_exe().expect("own path"))
            .args([
                "--exact",
                "records::tests::helper::helper_entry",
                "--nocapture",
            ])
            .env(VARIABLE, path)
            .env(FLAGS, flags.bits().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the helper");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut helper = Self {
            child,
            input,
            output,
        };
        assert_eq!(helper.answer(), "open");
        helper
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.answer()
    }

    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.input, "{command}").expect("helper listens");
    }

    pub(crate) fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).expect("helper answers");
            assert!(read > 0, "the helper ended without an answer");
            // The test runner writes on the same stream, possibly on the same line.
            if let Some((_, answer)) = line.trim_end().split_once('@') {
                return answer.to_owned();
            }
        }
    }
}

impl Helper {
    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Waits until the process has ended.
    pub(crate) fn end(&mut self) {
        self.child.wait().expect("reap");
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Does nothing in the first process.
#[test]
fn helper_entry() {
    let Some(path) = env::var_os(VARIABLE) else {
        return;
    };
    let flags = env::var(FLAGS).ok().and_then(|flags| flags.parse().ok());
    let flags = flags.expect("given with the path");
    let options = OpenOptions {
        hash_size: 0,
        flags: TdbFlags::from_bits_retain(flags),
        access: Access::ReadWrite,
        ..OpenOptions::default()
    };
    let path = Path::new(&path);
    let tdb: &'static Tdb = Box::leak(Box::new(Tdb::open(path, &options).expect("helper opens")));
    let mut guard: Option<ChainLock<'static>> = None;
    reply("open");
    for line in io::stdin().lines() {
        let line = line.expect("command");
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["lock", key] => {
                let key: &'static [u8] = Box::leak(key.as_bytes().into());
                guard = Some(tdb.chain_lock(key).expect("lock"));
            }
            ["unlock"] => guard = None,
            ["store", key] => {
                let value = super::value(7, super::OWN, b"client");
                tdb.store(key.as_bytes(), &value).expect("store");
            }
            // Locks and stores keys over and over until it is killed.
            ["churn", keys] => {
                reply("churning");
                let keys: u32 = keys.parse().expect("number");
                for number in (0..keys).cycle() {
                    let key = format!("key{number}");
                    let _guard = tdb.chain_lock(key.as_bytes()).expect("lock");
                    let data = vec![b'c'; number as usize % 300];
                    let value = super::value(9, super::OWN, &data);
                    tdb.store(key.as_bytes(), &value).expect("store");
                }
            }
            // Counts a long freelist over and over, and so holds it nearly always.
            ["count-free"] => {
                let key = |number: u32| format!("free{number}");
                for number in 0..20_000 {
                    tdb.store(key(number).as_bytes(), b"data").expect("store");
                }
                // Neighbours would become one area.
                for number in (0..20_000).step_by(2) {
                    tdb.delete(key(number).as_bytes()).expect("delete");
                }
                reply("counting");
                loop {
                    tdb.freelist_size().expect("count");
                }
            }
            // Holds a chain over and over, with nothing between, until it is killed.
            ["hold", key, micros] => {
                reply("holding");
                let hold = Duration::from_micros(micros.parse().expect("number"));
                loop {
                    let _guard = tdb.chain_lock(key.as_bytes()).expect("lock");
                    std::thread::sleep(hold);
                }
            }
            // Closes the file with the lock held; then lives on for a while, or not.
            ["abandon", linger_ms] => {
                std::mem::forget(guard.take());
                let linger = Duration::from_millis(linger_ms.parse().expect("number"));
                reply("leaving");
                tdb.abandon(linger);
            }
            ["lockall"] => tdb.lock_all().expect("lock all"),
            _ => panic!("unknown command {line:?}"),
        }
        reply(if guard.is_some() { "held" } else { "done" });
    }
}

fn reply(answer: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "@{answer}").expect("parent listens");
    out.flush().expect("parent listens");
}
