//! Scratch files, and a second process that uses the same TDB.
//!
//! The second process is this test binary again, running only the test `helper_entry`, which obeys
//! one command a line and answers each with one line.

#![allow(dead_code, reason = "each test file uses its part")]

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use ctdb_tdb::{Access, ChainLock, OpenOptions, Tdb, TdbFlags};

const HELPER_VARIABLE: &str = "CTDB_TDB_TEST_HELPER";

/// The two kinds of shared files.
pub(crate) const KINDS: [TdbFlags; 2] = [TdbFlags::CTDB_VOLATILE, TdbFlags::CTDB_REPLICATED];

/// A directory of one test, removed on drop.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(test: &str) -> Self {
        let name = format!("{test}.{}", std::process::id());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&directory).expect("scratch directory");
        Self(directory)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A new file of the given kind with few chains, so that scans in tests are quick.
    pub(crate) fn open(&self, name: &str, flags: TdbFlags) -> Tdb {
        let options = OpenOptions {
            hash_size: 101,
            flags,
            ..OpenOptions::default()
        };
        Tdb::open(self.path(name), &options).expect("open a scratch file")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A second process with the file open, as a client of CTDB opens it.
pub(crate) struct Helper {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Helper {
    pub(crate) fn open(path: &Path, flags: TdbFlags) -> Self {
        let command = Command::new(env::current_exe().expect("own path"));
        Self::start(command, path, flags).expect("start the helper")
    }

    /// As [`Helper::open`] by a command that ends with this program; `None` if it could not start it.
    pub(crate) fn start(mut command: Command, path: &Path, flags: TdbFlags) -> Option<Self> {
        let mut child = command
            .args(["--exact", "helper_entry", "--nocapture", "--test-threads=1"])
            .env(
                HELPER_VARIABLE,
                format!("{:x} {}", flags.bits(), path.display()),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut helper = Self {
            child,
            input,
            output,
        };
        (helper.try_answer()? == "open").then_some(helper)
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
        let answer = self.try_answer();
        answer.expect("the helper ended without an answer")
    }

    fn try_answer(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).expect("helper answers");
            if read == 0 {
                return None;
            }
            // The test runner writes on the same stream, possibly on the same line.
            if let Some((_, answer)) = line.trim_end().split_once('@') {
                return Some(answer.to_owned());
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets the process close the file with whatever it holds, and end by itself.
    pub(crate) fn abandon(mut self) {
        self.ask("abandon 0");
        self.child.wait().expect("reap the helper");
    }

    /// Ends the process at once, with whatever it holds.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("kill the helper");
        self.child.wait().expect("reap the helper");
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Body of the test `helper_entry` of each test file; does nothing in the first process.
pub(crate) fn serve_if_helper() {
    let Ok(task) = env::var(HELPER_VARIABLE) else {
        return;
    };
    let (flags, path) = task.split_once(' ').expect("flags and path");
    let bits = u32::from_str_radix(flags, 16).expect("hexadecimal flags");
    let options = OpenOptions {
        hash_size: 0,
        flags: TdbFlags::from_bits_retain(bits),
        access: Access::ReadWrite,
        ..OpenOptions::default()
    };
    let tdb: &'static Tdb = Box::leak(Box::new(Tdb::open(path, &options).expect("helper opens")));
    let mut guard: Option<ChainLock<'static>> = None;
    reply("open");
    for line in io::stdin().lines() {
        let line = line.expect("command");
        let words: Vec<&str> = line.split(' ').collect();
        let answer = obey(tdb, &mut guard, &words);
        reply(&answer);
    }
}

fn obey(tdb: &'static Tdb, guard: &mut Option<ChainLock<'static>>, words: &[&str]) -> String {
    let leak = |key: &str| -> &'static [u8] { Box::leak(key.as_bytes().to_vec().into()) };
    match words {
        ["lock", key] => {
            *guard = Some(tdb.chain_lock(leak(key)).expect("lock"));
            "locked".to_owned()
        }
        ["unlock"] => {
            *guard = None;
            "unlocked".to_owned()
        }
        ["try", key] => {
            let taken = tdb
                .chain_lock_nonblock(key.as_bytes())
                .expect("try")
                .is_some();
            if taken { "free" } else { "busy" }.to_owned()
        }
        // Closes the file with the lock held; libtdb unlocks nothing.
        ["abandon", linger_s] => {
            mem::forget(guard.take());
            reply("leaving");
            tdb.abandon(Duration::from_secs(linger_s.parse().expect("number")))
        }
        ["lockall"] => {
            tdb.lock_all().expect("lockall");
            "locked".to_owned()
        }
        ["unlockall"] => {
            tdb.unlock_all().expect("unlockall");
            "unlocked".to_owned()
        }
        ["store", key, value] => {
            tdb.store(key.as_bytes(), value.as_bytes()).expect("store");
            "stored".to_owned()
        }
        ["fetch", key] => match tdb.fetch(key.as_bytes()).expect("fetch") {
            Some(value) => String::from_utf8(value).expect("text"),
            None => "none".to_owned(),
        },
        // Holds the chain for so many microseconds, so many times, with nothing between.
        ["hold", key, micros, times] => {
            let hold = Duration::from_micros(micros.parse().expect("number"));
            for _ in 0..times.parse::<u32>().expect("number") {
                let _guard = tdb.chain_lock(key.as_bytes()).expect("lock");
                thread::sleep(hold);
            }
            "held".to_owned()
        }
        ["count", key, times] => {
            for _ in 0..times.parse().expect("number") {
                count_up(tdb, key.as_bytes(), |key| {
                    tdb.chain_lock(key).expect("lock")
                });
            }
            "counted".to_owned()
        }
        ["churn", times] => {
            for number in 0..times.parse::<usize>().expect("number") {
                let key = format!("churn{}", number % 97);
                let _guard = tdb.chain_lock(key.as_bytes()).expect("lock");
                if number % 3 == 0 {
                    tdb.delete(key.as_bytes()).expect("delete");
                } else {
                    tdb.store(key.as_bytes(), &vec![b'c'; number % 1999])
                        .expect("store");
                }
            }
            "churned".to_owned()
        }
        other => panic!("unknown command {other:?}"),
    }
}

/// Adds one to the number in `key`, under the lock that `lock` takes.
pub(crate) fn count_up<'a>(
    tdb: &'a Tdb,
    key: &'a [u8],
    lock: impl FnOnce(&'a [u8]) -> ChainLock<'a>,
) {
    let _guard = lock(key);
    let old = tdb.fetch(key).expect("fetch");
    let text = old.map_or("0".to_owned(), |old| String::from_utf8(old).expect("text"));
    let new = text.parse::<u64>().expect("number") + 1;
    tdb.store(key, new.to_string().as_bytes()).expect("store");
}

fn reply(answer: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "@{answer}").expect("parent listens");
    out.flush().expect("parent listens");
}
