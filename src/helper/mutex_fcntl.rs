//! The cluster lock as a POSIX lock on a file of the cluster file system; interoperates with Samba's
//! `ctdb_mutex_fcntl_helper` (that one locks byte 0, this one the whole file: they exclude each other).
//!
//! The lock lives as long as this process: SIGTERM's default action releases it. It ends by itself when
//! its parent does, and when the file at the path is no longer the locked one. A second process does that
//! check: closing any descriptor of the file here would drop the lock, and a thread hanging in a dead file
//! system would keep the process, and the lock, from ending.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::process::{Pid, PidfdFlags, getppid, pidfd_open};

use super::{LockStatus, number, say, usage};

/// The hidden sub-command of the checking process.
pub(super) const CHECK: &str = "mutex-fcntl-check";
/// Seconds between two checks of the file's identity, as Samba's helper.
const RECHECK_S: u64 = 5;

/// `mutex-fcntl FILE [RECHECK_S [PING_TIMEOUT_S]]`: a ping timeout of 0 (default) trusts a hanging file system.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let (path, recheck_s, ping_timeout_s) = match parse(arguments) {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    let parent = match parent() {
        Ok(parent) => parent,
        Err(error) => return fail(&format!("cannot watch the parent process: {error}")),
    };
    let file = match take(path) {
        Ok(Some(file)) => file,
        Ok(None) => return answer(LockStatus::Contention),
        Err(error) => {
            eprintln!(
                "ctdb_mutex_fcntl_helper: cannot lock {}: {error}",
                path.display()
            );
            return answer(LockStatus::Error);
        }
    };
    let checker = match start_checker(path, &file, recheck_s) {
        Ok(checker) => checker,
        Err(error) => {
            return fail(&format!(
                "cannot start the check of {}: {error}",
                path.display()
            ));
        }
    };
    if say(LockStatus::Held.digit()).is_err() {
        return ExitCode::FAILURE;
    }
    let patience = (ping_timeout_s > 0).then(|| recheck_s.saturating_add(ping_timeout_s));
    let why = hold(&parent, checker, patience.map(Duration::from_secs));
    fail(&format!("lost the lock on {}: {why}", path.display()))
}

fn parse(arguments: &[OsString]) -> Result<(&Path, u64, u64), String> {
    let [path, rest @ ..] = arguments else {
        return Err("mutex-fcntl: FILE is missing".into());
    };
    let recheck_s = rest
        .first()
        .map_or(Ok(RECHECK_S), |text| number(text, "seconds"))?;
    let ping_timeout_s = rest.get(1).map_or(Ok(0), |text| number(text, "seconds"))?;
    if recheck_s == 0 || rest.len() > 2 {
        return Err(
            "mutex-fcntl: RECHECK_S must be at least 1, and at most two numbers follow FILE".into(),
        );
    }
    Ok((Path::new(path), recheck_s, ping_timeout_s))
}

fn answer(status: LockStatus) -> ExitCode {
    let _ = say(status.digit());
    ExitCode::FAILURE
}

fn fail(text: &str) -> ExitCode {
    eprintln!("ctdb_mutex_fcntl_helper: {text}");
    ExitCode::FAILURE
}

/// A handle on the parent that becomes readable when it ends.
fn parent() -> io::Result<OwnedFd> {
    let gone = || io::Error::other("it is gone");
    let pid = getppid().filter(|pid| *pid != Pid::INIT).ok_or_else(gone)?;
    let handle = pidfd_open(pid, PidfdFlags::empty())?;
    // Between the two calls the number may have changed its owner.
    (getppid() == Some(pid)).then_some(handle).ok_or_else(gone)
}

fn take(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::AGAIN) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn start_checker(path: &Path, locked: &File, recheck_s: u64) -> io::Result<Child> {
    let identity = locked.metadata()?;
    Command::new("/proc/self/exe")
        .arg(CHECK)
        .arg(path)
        .args([identity.dev(), identity.ino(), recheck_s].map(|number| number.to_string()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
}

/// Returns why the lock is to be let go.
fn hold(parent: &OwnedFd, mut checker: Child, patience: Option<Duration>) -> &'static str {
    let Some(mut checks) = checker.stdout.take() else {
        return "the check has no output";
    };
    let limit = patience.and_then(|patience| Timespec::try_from(patience).ok());
    loop {
        let mut ready = [
            PollFd::new(parent, PollFlags::IN),
            PollFd::from_borrowed_fd(checks.as_fd(), PollFlags::IN),
        ];
        match poll(&mut ready, limit.as_ref()) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return "waiting failed",
            Ok(0) => return "the file system does not answer",
            Ok(_) => {}
        }
        if !ready[0].revents().is_empty() {
            return "the parent process has ended";
        }
        if !matches!(checks.read(&mut [0]), Ok(1)) {
            return "the file is not the locked one any more";
        }
    }
}

/// The checking process: one byte on stdout for each time that the path still leads to the locked file.
pub(super) fn check(arguments: &[OsString]) -> ExitCode {
    let [path, dev, ino, recheck_s] = arguments else {
        return usage("internal arguments are incomplete");
    };
    let numbers = [dev, ino, recheck_s].map(|text| number(text, "the check"));
    let [Ok(dev), Ok(ino), Ok(recheck_s)] = numbers else {
        return usage("internal arguments are not numbers");
    };
    let Ok(pause) = Timespec::try_from(Duration::from_secs(recheck_s)) else {
        return usage("the recheck interval is too long");
    };
    loop {
        let found = File::open(path).and_then(|file| file.metadata());
        let same = found.is_ok_and(|found| (found.dev(), found.ino()) == (dev, ino));
        if !same || say(b'.').is_err() {
            return ExitCode::FAILURE;
        }
        // Our stdin ends with the holder of the lock.
        let stdin = io::stdin();
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&pause)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) | Err(_) => return ExitCode::SUCCESS,
        }
    }
}
