//! What `/proc` says of processes and their threads.

use std::fmt;
use std::fs;
use std::io;

/// A process, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its program's name.
    pub program: String,
    /// What it does, in the kernel's letter: R runs, S and D sleep, T is stopped, Z is dead.
    pub state: char,
}

impl Process {
    /// The process of a thread; `None` if there is no such thread, or if it has ended.
    pub fn of(thread: u32) -> io::Result<Option<Self>> {
        let thread = Thread::look(thread)?;
        Ok(thread
            .filter(|thread| !thread.has_ended())
            .map(|thread| thread.process))
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PID {} ({})", self.pid, self.program)
    }
}

/// One look at a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Thread {
    pub(crate) process: Process,
    /// How often it stopped to run. While this and a sleeping state stay, nothing of it changes.
    pub(crate) switches: u64,
}

impl Thread {
    /// Looks at a thread; `None` if there is none.
    pub(crate) fn look(tid: u32) -> io::Result<Option<Self>> {
        let text = match fs::read_to_string(format!("/proc/{tid}/status")) {
            Ok(text) => text,
            // The second error: it ended while we read.
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        Self::parse(&text).map(Some).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{tid}/status"))
        })
    }

    fn parse(status: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut lines = status.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
        };
        let count = |name: &str| field(name)?.parse::<u64>().ok();
        Some(Self {
            process: Process {
                pid: field("Tgid")?.parse().ok()?,
                program: field("Name")?.to_owned(),
                state: field("State")?.chars().next()?,
            },
            switches: count("voluntary_ctxt_switches")? + count("nonvoluntary_ctxt_switches")?,
        })
    }

    /// Whether it has ended; only its exit code is left.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.process.state, 'Z' | 'X')
    }

    /// Whether it did nothing between two looks.
    pub(crate) fn rested(&self, later: &Self) -> bool {
        self.process.state != 'R' && self == later
    }
}

/// Whether an error about `/proc/PID/…` says that the process ended.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// A part of a process's memory that shows a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) begin: usize,
    pub(crate) end: usize,
    /// Of its first byte, in the file.
    pub(crate) offset: usize,
    /// Device and inode, as the kernel prints them.
    pub(crate) file: String,
}

impl Mapping {
    /// All mappings of a process; none if it has ended.
    pub(crate) fn all(pid: u32) -> io::Result<Vec<Self>> {
        match fs::read(format!("/proc/{pid}/maps")) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes)
                .lines()
                .filter_map(Self::parse)
                .collect()),
            Err(error) if is_gone(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// A line is `BEGIN-END PERMISSIONS OFFSET DEVICE INODE PATH`.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (begin, end) = words.next()?.split_once('-')?;
        let offset = words.nth(1)?;
        let (device, inode) = (words.next()?, words.next()?);
        let number = |text| usize::from_str_radix(text, 16).ok();
        Some(Self {
            begin: number(begin)?,
            end: number(end)?,
            offset: number(offset)?,
            file: format!("{device} {inode}"),
        })
    }

    pub(crate) fn contains(&self, address: usize) -> bool {
        (self.begin..self.end).contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_thread_is_seen() {
        let own = rustix::thread::gettid()
            .as_raw_nonzero()
            .get()
            .cast_unsigned();
        let thread = Thread::look(own).expect("readable").expect("alive");
        assert_eq!(thread.process.pid, std::process::id());
        assert_eq!(thread.process.state, 'R');
        assert!(!thread.rested(&thread) && !thread.has_ended());
        assert_eq!(Thread::look(0x3fff_ffff).expect("readable"), None);
    }

    #[test]
    fn maps_line_is_understood() {
        let line = "7f01000-7f03000 rw-s 00001000 fe:01 4711   /var/lib/ctdb/a b.tdb.0";
        let mapping = Mapping::parse(line).expect("a line");
        assert_eq!((mapping.begin, mapping.end), (0x7f0_1000, 0x7f0_3000));
        assert_eq!(
            (mapping.offset, mapping.file.as_str()),
            (0x1000, "fe:01 4711")
        );
        assert!(mapping.contains(0x7f0_2fff) && !mapping.contains(0x7f0_3000));
    }
}
