//! A client in a second process: this test binary again, running only `helper_entry`, which obeys one
//! command a line and answers each with one line.

use ctdb_tdb::{Access, ChainLock, OpenOptions, Tdb, TdbFlags};
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const VARIABLE: &str = "CTDB_RECORDS_TEST_HELPER";

/// The second process.
pub(super) struct Helper {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Helper {
    /// Opens `path` as clients do, with the flags of a volatile database.
    pub(super) fn open(path: &Path) -> Self {
        let mut child = Command::new(env::current_exe().expect("own path"))
            .args([
                "--exact",
                "records::tests::helper::helper_entry",
                "--nocapture",
            ])
            .env(VARIABLE, path)
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
    pub(super) fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.answer()
    }

    pub(super) fn tell(&mut self, command: &str) {
        writeln!(self.input, "{command}").expect("helper listens");
    }

    pub(super) fn answer(&mut self) -> String {
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
    let options = OpenOptions {
        hash_size: 0,
        flags: TdbFlags::CTDB_VOLATILE,
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
