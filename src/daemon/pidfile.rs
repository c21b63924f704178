//! The PID file: created, locked and written by the worker, removed at an orderly end.
//!
//! The lock (`flock`) is the truth, the number in the file is for people and scripts: a file left by a
//! dead daemon is simply taken over. The descriptor is close-on-exec, so no child can keep the lock.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, test_kill_process};

/// How often a lock whose holder is dead is tried again: a child of the dead worker can keep the
/// descriptor open between its fork and its exec.
const DEAD_HOLDER_TRIES: u32 = 100;
/// Pause between those tries.
const DEAD_HOLDER_PAUSE: Duration = Duration::from_millis(20);

/// More than any PID file holds, in bytes.
const LONGEST_PID: u64 = 32;

/// Why the PID file could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// Another daemon holds it.
    #[error("already running as PID {pid} (PID file {path})")]
    Running {
        /// The PID file.
        path: PathBuf,
        /// What it says.
        pid: u32,
    },
    /// Locked, but without a usable number in it.
    #[error("the PID file {path} is locked by another process")]
    Locked {
        /// The PID file.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("cannot {action} the PID file {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The PID file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// A locked PID file that names this process; removed when dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl PidFile {
    /// Takes the PID file for this process, or says who has it.
    pub fn take(path: &Path) -> Result<Self, PidFileError> {
        let fault = |action| {
            move |source: io::Error| PidFileError::Io {
                action,
                path: path.to_path_buf(),
                source,
            }
        };
        if let Some(directory) = path.parent() {
            let mut builder = fs::DirBuilder::new();
            builder
                .recursive(true)
                .mode(0o755)
                .create(directory)
                .map_err(fault("make a place for"))?;
        }
        let mut tries = 0;
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o644)
                .open(path)
                .map_err(fault("open"))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    tries += 1;
                    refuse_if_held(path, &mut file, tries).map_err(|error| *error)?;
                    std::thread::sleep(DEAD_HOLDER_PAUSE);
                    continue;
                }
                Err(errno) => return Err(fault("lock")(errno.into())),
            }
            // Somebody may have removed the file between our open and our lock: then the lock is on a
            // file that nobody else can find.
            if !is_same_file(path, &file) {
                continue;
            }
            write_pid(&mut file).map_err(fault("write"))?;
            return Ok(Self {
                path: path.to_path_buf(),
                _file: file,
            });
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // The lock is still held here, so the name is ours; failing leaves a stale file, which is harmless.
        let _ = fs::remove_file(&self.path);
    }
}

/// The process that a PID file names, whether it lives or not.
fn named_pid(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(LONGEST_PID)
        .read_to_string(&mut text)
        .ok()?;
    text.trim().parse().ok()
}

/// Removes the file that a dead process `pid` has left, unless somebody else has taken it meanwhile.
pub(super) fn remove_stale(path: &Path, pid: Pid) {
    let Ok(file) = File::open(path) else { return };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        && is_same_file(path, &file)
        && named_pid(path).is_some_and(|named| i32::try_from(named) == Ok(pid.as_raw_pid()))
    {
        // A stale file is harmless.
        let _ = fs::remove_file(path);
    }
}

fn refuse_if_held(path: &Path, file: &mut File, tries: u32) -> Result<(), Box<PidFileError>> {
    let mut text = String::new();
    // A holder that has just locked it may not have written yet: read again next time.
    let _ = Read::by_ref(file)
        .take(LONGEST_PID)
        .read_to_string(&mut text);
    let pid = text.trim().parse().ok();
    let alive = pid
        .and_then(|pid: u32| Pid::from_raw(i32::try_from(pid).ok()?))
        .is_some_and(is_alive);
    match pid {
        Some(pid) if alive => Err(PidFileError::Running {
            path: path.to_path_buf(),
            pid,
        }
        .into()),
        _ if tries >= DEAD_HOLDER_TRIES => Err(PidFileError::Locked {
            path: path.to_path_buf(),
        }
        .into()),
        _ => Ok(()),
    }
}

/// Whether a process runs. One that was killed a moment ago does not: its threads may still be on their way out, and with
/// them the lock.
fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid()));
    // The state, `proc_pid_stat(5)`, behind a name that may hold anything.
    let state = stat
        .ok()
        .and_then(|stat| stat.rsplit(')').next()?.trim_start().chars().next());
    match state {
        Some(state) => !matches!(state, 'Z' | 'X'),
        None => test_kill_process(pid) != Err(rustix::io::Errno::SRCH),
    }
}

fn is_same_file(path: &Path, file: &File) -> bool {
    match (fs::metadata(path), file.metadata()) {
        (Ok(named), Ok(open)) => (named.dev(), named.ino()) == (open.dev(), open.ino()),
        _ => false,
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("ctdb-pidfile-{}", std::process::id()));
        directory.join(name).join("ctdbd.pid")
    }

    #[test]
    fn a_second_taker_is_told_who_runs_and_a_stale_file_is_taken_over() {
        let path = scratch("second");
        let held = PidFile::take(&path).unwrap();
        assert_eq!(named_pid(&path), Some(std::process::id()));
        let refused = PidFile::take(&path).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("PID {}", std::process::id())),
            "{refused}"
        );
        drop(held);
        assert!(!path.exists());
        fs::write(&path, "4194303999\n").unwrap();
        drop(PidFile::take(&path).unwrap());
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
    #[test]
    fn a_killed_process_that_nobody_has_waited_for_does_not_run() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        assert!(is_alive(pid));
        child.kill().unwrap();
        let mut tries = 0;
        while is_alive(pid) {
            tries += 1;
            assert!(tries < 1_000, "it is a zombie by now");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(
            test_kill_process(pid),
            Ok(()),
            "though there is still such a process"
        );
        child.wait().unwrap();
    }
}
