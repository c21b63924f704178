//! Commands that end.
//!
//! Output goes through files, not pipes: a daemon that goes to the background may keep a pipe open for ever.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The command, for messages.
    pub command: String,
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output as text.
    pub stdout: String,
    /// Standard error as text.
    pub stderr: String,
}

impl Output {
    /// Whether it ended with 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output of a command that must succeed.
    ///
    /// # Panics
    /// If it did not end with 0.
    pub fn ok(self) -> String {
        assert!(
            self.success(),
            "{}: exit {:?}\n{}{}",
            self.command,
            self.code,
            self.stdout,
            self.stderr
        );
        self.stdout
    }
}

/// Runs a command to its end, its output going through files in `scratch`.
pub(super) fn finish(command: &mut Command, scratch: &Path, shown: &str) -> Output {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let paths = [
        scratch.join(format!("{number}.out")),
        scratch.join(format!("{number}.err")),
    ];
    let [out, err] = paths
        .each_ref()
        .map(|path| File::create(path).expect("scratch file"));
    let status = command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .status()
        .unwrap_or_else(|error| panic!("{shown}: {error}"));
    let [stdout, stderr] = paths.map(|path| {
        let text = fs::read(&path).expect("scratch file");
        // A daemon may still hold it; that is its business.
        let _ = fs::remove_file(&path);
        String::from_utf8_lossy(&text).into_owned()
    });
    Output {
        command: shown.into(),
        code: status.code(),
        stdout,
        stderr,
    }
}
