//! Whether the owner of a mutex can still use it.
//!
//! The word of a mutex names a thread by a number only, so three things have to be shown before the
//! mutex may be taken back: that the number means the same to its owner and to us (all processes that
//! map the file share our PID namespace), that no thread has that number, or that the one which has it
//! now is another one (its list of robust mutexes is whole and does not contain this one).
//!
//! A thread that is alive but closed the file while it held the mutex still has it in its list, at an
//! address that is not there any more. Taking the mutex back would be safe only as long as that process
//! never maps the file again: a new mapping mostly comes to the old address, and then the list of that
//! thread and that of the next owner would write into each other. So it keeps the mutex until it ends.

use std::ffi::c_void;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::process;
use std::ptr;

use crate::mutexes::{Mutexes, Place};
use crate::process::{Mapping, Process, Thread, is_gone};

/// Number that the kernel gives to the first PID namespace.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";
/// Most entries of a list of robust mutexes that the kernel looks at.
const LIST_MAX: usize = 2_048;
const TID: u32 = 0x3fff_ffff;

/// What became of the owner of a mutex.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It is alive and holds the mutex.
    Holds(Process),
    /// It closed the file while it held the mutex, and lives on.
    Dangles(Process),
    /// Nobody can use the mutex any more: take it back.
    Dead(Death),
    /// Not to be known just now; ask again.
    Unclear(Process),
    /// Its number means nothing here.
    Foreign(String),
}

/// How it is known that an owner is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// No thread has that number.
    Gone,
    /// The thread that has the number now does not hold the mutex.
    NumberReused,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "it is gone",
            Self::NumberReused => "its thread id belongs to another one now",
        })
    }
}

/// The processes that map a file, at one moment.
#[derive(Debug)]
pub struct Census {
    /// The file, as `/proc` names it.
    file: String,
    /// Why numbers of threads can't be trusted.
    foreign: Option<String>,
}

impl Census {
    /// Looks through all processes.
    ///
    /// From a PID namespace other than the first one, processes outside can't be seen. Only the caller
    /// may know of them: then it must not ask.
    pub fn take(mutexes: &Mutexes) -> io::Result<Self> {
        let own = Mapping::all(std::process::id())?;
        let Some(area) = own.iter().find(|area| area.contains(mutexes.address())) else {
            return Err(io::Error::other("the file is not in /proc/self/maps"));
        };
        let file = area.file.clone();
        if fs::read_link("/proc/self")?.as_os_str() != process::id().to_string().as_str() {
            let why = "/proc is that of another PID namespace".to_owned();
            return Ok(Self {
                file,
                foreign: Some(why),
            });
        }
        let mut foreign = None;
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            if !is_in_namespace_below(pid)? {
                continue;
            }
            match Mapping::all(pid) {
                Ok(mappings) if !mappings.iter().any(|area| area.file == file) => {}
                Ok(_) => {
                    foreign = Some(format!("PID {pid} of another PID namespace uses the file"));
                }
                Err(_) => {
                    let why = format!("PID {pid} of another PID namespace can't be looked at");
                    foreign = foreign.or(Some(why));
                }
            }
        }
        Ok(Self { file, foreign })
    }

    /// Whether this process sees all processes of the machine.
    pub fn sees_all() -> bool {
        fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() == FIRST_NAMESPACE)
    }

    /// What became of the owner of `place`, if it is still `owner`; `None` if it is not.
    pub fn examine(
        &self,
        mutexes: &Mutexes,
        place: Place,
        owner: u32,
    ) -> io::Result<Option<Verdict>> {
        let still = |verdict| (mutexes.owner(place) == Some(owner)).then_some(verdict);
        if let Some(why) = &self.foreign {
            return Ok(still(Verdict::Foreign(why.clone())));
        }
        let Some(before) = Thread::look(owner)?.filter(|thread| !thread.has_ended()) else {
            return Ok(still(Verdict::Dead(Death::Gone)));
        };
        let process = before.process.clone();
        let held = match RobustList::read(owner, process.pid) {
            Ok(list) => list.holds(&self.file, place)?,
            // It ended just now.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Held::Unknown,
            Err(error) => return Err(error),
        };
        let rested = Thread::look(owner)?.is_some_and(|after| before.rested(&after));
        Ok(still(match held {
            Held::Yes => Verdict::Holds(process),
            // What was read while the thread ran may be half of the old and half of the new.
            _ if !rested => Verdict::Unclear(process),
            Held::No => Verdict::Dead(Death::NumberReused),
            Held::Broken => Verdict::Dangles(process),
            Held::Unknown => Verdict::Unclear(process),
        }))
    }
}

/// Whether a mutex is in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Yes,
    No,
    /// The list leads to memory that is not there, or to what is no mutex of this thread.
    Broken,
    Unknown,
}

/// The robust mutexes that a thread says it holds.
#[derive(Debug)]
struct RobustList {
    pid: u32,
    /// Addresses of their words.
    words: Vec<usize>,
    /// The one that it is about to lock or unlock.
    pending: Option<usize>,
    whole: bool,
}

impl RobustList {
    fn read(tid: u32, pid: u32) -> io::Result<Self> {
        let mut list = Self {
            pid,
            words: Vec::new(),
            pending: None,
            whole: true,
        };
        let head = list_head(tid)?;
        if head == 0 {
            return Ok(list);
        }
        let memory = Memory::of(pid)?;
        // First entry, distance from an entry to its word, pending entry.
        let [first, distance, pending] = memory.words(head)?;
        // The lowest bit tells mutexes with priority inheritance.
        let word = |entry: usize| (entry & !1).wrapping_add(distance);
        list.pending = (pending != 0).then(|| word(pending));
        let mut entry = first & !1;
        while entry != head {
            list.words.push(word(entry));
            let owned = memory
                .futex(word(entry))
                .is_ok_and(|word| word & TID == tid);
            match memory.words(entry) {
                Ok([next]) if owned && list.words.len() < LIST_MAX => entry = next & !1,
                _ => {
                    list.whole = false;
                    break;
                }
            }
        }
        Ok(list)
    }

    fn holds(&self, file: &str, place: Place) -> io::Result<Held> {
        let mappings = Mapping::all(self.pid)?;
        let is_place = |word: &usize| {
            mappings
                .iter()
                .find(|area| area.contains(*word))
                .is_some_and(|area| {
                    area.file == file && word - area.begin + area.offset == place.offset()
                })
        };
        let (listed, pending) = (
            self.words.iter().any(is_place),
            self.pending.iter().any(is_place),
        );
        Ok(match (listed || pending, self.whole) {
            (true, _) => Held::Yes,
            (false, true) => Held::No,
            (false, false) => Held::Broken,
        })
    }
}

/// Whether a process has more than one number, that is one in a PID namespace below ours.
fn is_in_namespace_below(pid: u32) -> io::Result<bool> {
    let status = match fs::read_to_string(format!("/proc/{pid}/status")) {
        Ok(status) => status,
        Err(error) if is_gone(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut numbers = status
        .lines()
        .filter_map(|line| line.strip_prefix("NSpid:"));
    let numbers = numbers.next().map(str::split_ascii_whitespace);
    Ok(numbers.is_none_or(|numbers| numbers.count() > 1))
}

/// Where a thread keeps the head of its list, in its own memory; 0 if it has none.
fn list_head(tid: u32) -> io::Result<usize> {
    let mut head: *mut c_void = ptr::null_mut();
    let mut bytes: libc::size_t = 0;
    // SAFETY: the kernel writes the two variables, which outlive the call.
    let code = unsafe {
        libc::syscall(
            libc::SYS_get_robust_list,
            libc::c_long::from(tid),
            &raw mut head,
            &raw mut bytes,
        )
    };
    if code == 0 {
        Ok(head as usize)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Another process's memory.
struct Memory(File);

impl Memory {
    fn of(pid: u32) -> io::Result<Self> {
        File::open(format!("/proc/{pid}/mem")).map(Self)
    }

    /// `N` machine words.
    fn words<const N: usize>(&self, address: usize) -> io::Result<[usize; N]> {
        let mut words = [0; N];
        for (number, word) in words.iter_mut().enumerate() {
            let mut bytes = [0; size_of::<usize>()];
            let place = address.wrapping_add(number * bytes.len());
            self.0.read_exact_at(&mut bytes, place as u64)?;
            *word = usize::from_ne_bytes(bytes);
        }
        Ok(words)
    }

    fn futex(&self, address: usize) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.0.read_exact_at(&mut bytes, address as u64)?;
        Ok(u32::from_ne_bytes(bytes))
    }
}
