//! Who holds a chain, as far as the kernel tells: what 4.17's `debug_locks.sh` finds out.

use super::Watched;
use ctdb_tdb::{Census, Place, Process, Verdict};
use rustix::process::Pid;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Functions of the kernel's stack that are shown.
const FRAMES: usize = 8;
/// The first chain's lock, in bytes from the start of a file without mutexes; four bytes a chain.
const FIRST_CHAIN: u64 = 168;

/// A thread that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) thread: u32,
    process: Option<Process>,
    place: Place,
}

impl Holder {
    /// The holder of a chain at this moment.
    pub(super) fn find(watched: &Watched, chain: u32) -> Option<Self> {
        let Some(mutexes) = &watched.mutexes else {
            return Self::of_record_lock(watched, chain);
        };
        let (place, thread) = mutexes.blocker(chain)?;
        let census = Census::take(mutexes).ok()?;
        let process = match census.examine(mutexes, place, thread).ok()?? {
            Verdict::Holds(process) | Verdict::Dangles(process) => Some(process),
            _ => None,
        };
        Some(Self {
            thread,
            process,
            place,
        })
    }

    /// Finds it in the kernel's list of record locks, which shows only processes that can be seen here.
    fn of_record_lock(watched: &Watched, chain: u32) -> Option<Self> {
        let file = fs::metadata(&watched.path).ok()?;
        let locks = fs::read_to_string("/proc/locks").ok()?;
        let (major, minor) = (rustix::fs::major(file.dev()), rustix::fs::minor(file.dev()));
        let name = format!("{major:02x}:{minor:02x}:{}", file.ino());
        let own = std::process::id();
        let (first, last) = if watched.numbers_chains {
            let place = FIRST_CHAIN + 4 * u64::from(chain);
            (place, place)
        } else {
            (FIRST_CHAIN, u64::MAX)
        };
        let mut lines = locks.lines();
        let pid = lines.find_map(|line| holder_of(line, &name, (first, last), own))?;
        let process = Process::of(pid).ok()?;
        Some(Self {
            thread: pid,
            process,
            place: Place::Chain(chain),
        })
    }

    /// The process, if it may be killed: it is alive, no part of this daemon and not the first one.
    pub(super) fn process(&self) -> Option<Pid> {
        let pid = self.process.as_ref()?.pid;
        let pid = Pid::from_raw(pid.cast_signed())?;
        (!pid.is_init() && pid != rustix::process::getpid()).then_some(pid)
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        let process = |holder: &Self| holder.process.as_ref().map(|process| process.pid);
        self.thread == other.thread && process(self) == process(other)
    }

    /// Where in the kernel it is; empty where that can't be read.
    pub(super) fn stack(&self) -> String {
        let frames = fs::read_to_string(format!("/proc/{}/stack", self.thread)).unwrap_or_default();
        let function = |line: &str| {
            let name = line.split_once("] ").map_or(line, |(_, name)| name);
            name.split('+').next().unwrap_or(name).to_owned()
        };
        let frames: Vec<_> = frames.lines().take(FRAMES).map(function).collect();
        frames.join(" < ")
    }
}

impl Holder {
    /// A sentence, with what is known of its process.
    pub(super) fn describe(&self, client: &str) -> String {
        let doing = match self.process.as_ref().map(|process| process.state) {
            Some('T' | 't') => "is stopped",
            Some('D') => "waits for a device",
            Some('S') => "sleeps",
            Some('R') => "runs",
            _ => "is in an unknown state",
        };
        format!("{} is held by {client}, which {doing}", self.place)
    }
}

/// The process that a line of `/proc/locks` names, if it locks any of `first` to `last` of `file` for writing. A line is
/// `NUMBER: POSIX ADVISORY WRITE PID DEVICE:INODE BEGIN END`; those with an arrow wait.
fn holder_of(line: &str, file: &str, (first, last): (u64, u64), own: u32) -> Option<u32> {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let [_, "POSIX", _, "WRITE", pid, locked, begin, end] = words[..] else {
        return None;
    };
    let begin: u64 = begin.parse().ok()?;
    let end: u64 = end.parse().unwrap_or(u64::MAX);
    let pid = pid.parse().ok()?;
    (locked == file && begin <= last && first <= end && pid != own).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_proc_locks_is_understood() {
        let line = "12: POSIX  ADVISORY  WRITE 4711 fe:01:99 172 172";
        assert_eq!(holder_of(line, "fe:01:99", (172, 172), 1), Some(4711));
        assert_eq!(holder_of(line, "fe:01:99", (176, 176), 1), None);
        assert_eq!(holder_of(line, "fe:01:98", (172, 172), 1), None);
        assert_eq!(holder_of(line, "fe:01:99", (172, 172), 4711), None);
        let waits = "12: -> POSIX  ADVISORY  WRITE 4711 fe:01:99 172 172";
        assert_eq!(holder_of(waits, "fe:01:99", (172, 172), 1), None);
        let all = "3: POSIX  ADVISORY  WRITE 8 fe:01:99 168 EOF";
        assert_eq!(holder_of(all, "fe:01:99", (172, 172), 1), Some(8));
    }
}
