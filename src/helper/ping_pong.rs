//! `ping_pong`: whether a file system passes byte locks between nodes, and how fast.
//!
//! Each process locks the next byte before it lets go of the one it has, so processes follow each other through the
//! bytes of the file. With one process the rate is that of the file system alone; with several it shows what coherence
//! costs, and what stands in the file must have grown by one for each of them.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::Page;
use super::getopt::{Grammar, words};

const USAGE: &str = "\
Usage: ping_pong [-r] [-w] [-c] FILE LOCKS
       ping_pong -l FILE

  FILE   on storage that all nodes share; run it on each of them
  LOCKS  bytes that are locked in turn: more than there are nodes

  -r  read each byte while it is locked, and say by how much it has grown
  -w  write it
  -c  check that nobody else has a lock that was granted
  -l  hold one lock until a key is pressed";

/// Its manual page.
pub(super) const PAGE: Page = Page {
    name: "ping_pong",
    about: "tests byte locks of a shared file system",
    usage: USAGE,
};

const GRAMMAR: Grammar = Grammar {
    flags: "rwcl",
    valued: "",
    anywhere: true,
};
/// Between two lines of output.
const INTERVAL: Duration = Duration::from_secs(1);

/// Runs the program.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let words = words(arguments);
    let order = match Order::read(&words) {
        Ok(order) => order,
        Err(error) => {
            eprintln!("ping_pong: {error}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    match order.carry_out() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ping_pong: {}: {error}", order.file);
            ExitCode::FAILURE
        }
    }
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    flags: String,
    file: String,
    /// Bytes that are locked in turn; 0: one lock is held.
    locks: u32,
}

impl Order {
    fn read(words: &[String]) -> Result<Self, String> {
        let words = GRAMMAR.read(words)?;
        let flags: String = words.options.iter().map(|(letter, _)| *letter).collect();
        let (file, locks) = match &*words.operands {
            [file] if flags.contains('l') => (file, 0),
            [file, locks] if !flags.contains('l') => {
                let locks = locks.parse().ok().filter(|locks| *locks > 0);
                (file, locks.ok_or("the number of locks must be above 0")?)
            }
            _ => return Err("wrong number of arguments".into()),
        };
        Ok(Self {
            flags,
            file: file.clone(),
            locks,
        })
    }

    fn carry_out(&self) -> io::Result<()> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.file)?;
        if self.locks == 0 {
            return hold(&file);
        }
        Rounds {
            file,
            values: vec![0; self.locks as usize],
            reads: self.flags.contains('r'),
            writes: self.flags.contains('w'),
            checks: self.flags.contains('c'),
        }
        .go_on()
    }
}

/// Locks that are passed on, for ever.
struct Rounds {
    file: File,
    /// What stood in each byte the last time.
    values: Vec<u8>,
    reads: bool,
    writes: bool,
    checks: bool,
}

impl Rounds {
    fn go_on(mut self) -> io::Result<()> {
        let locks = self.values.len() as u32;
        let (mut at, mut count, mut since, mut growth) = (0, 0_u64, Instant::now(), None);
        lock(&self.file, at)?;
        loop {
            let next = (at + 1) % locks;
            lock(&self.file, next)?;
            if self.checks {
                check(&self.file, next)?;
            }
            let grown = self.look(at)?;
            if grown.is_some() && grown != growth {
                growth = grown;
                say(&format!("data increment = {}\n", grown.unwrap_or_default()))?;
            }
            // With a single lock there is nothing to be passed on.
            if locks > 1 {
                unlock(&self.file, at)?;
            }
            at = next;
            count += 1;
            let elapsed = since.elapsed();
            if elapsed >= INTERVAL {
                let per_s = u128::from(count) * 1_000_000 / elapsed.as_micros();
                say(&format!("{per_s:8} locks/sec\r"))?;
                (count, since) = (0, Instant::now());
            }
        }
    }

    /// Reads and writes the byte that is locked; by how much it has grown, if it is read.
    fn look(&mut self, at: u32) -> io::Result<Option<u8>> {
        let mut byte = [0];
        if self.reads {
            // Behind the end there is nothing yet.
            self.file.read_at(&mut byte, at.into())?;
        }
        let grown = byte[0].wrapping_sub(self.values[at as usize]);
        self.values[at as usize] = byte[0];
        if self.writes {
            self.file
                .write_all_at(&[byte[0].wrapping_add(1)], at.into())?;
        }
        Ok(self.reads.then_some(grown))
    }
}

/// For a look from another node at whether it is refused there.
fn hold(file: &File) -> io::Result<()> {
    let taken = fcntl(file, FcntlArg::F_SETLK(&byte(libc::F_WRLCK, 0)));
    if taken.is_err() {
        say("Somebody else holds the lock: locks work.\n")?;
        lock(file, 0)?;
    }
    say(
        "The lock is held until a key is pressed: on another node the same command must wait now.\n",
    )?;
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}

fn lock(file: &File, at: u32) -> io::Result<()> {
    fcntl(file, FcntlArg::F_SETLKW(&byte(libc::F_WRLCK, at)))?;
    Ok(())
}

fn unlock(file: &File, at: u32) -> io::Result<()> {
    fcntl(file, FcntlArg::F_SETLK(&byte(libc::F_UNLCK, at)))?;
    Ok(())
}

/// A lock of our own does not count.
fn check(file: &File, at: u32) -> io::Result<()> {
    let mut found = byte(libc::F_WRLCK, at);
    fcntl(file, FcntlArg::F_GETLK(&mut found))?;
    if i32::from(found.l_type) == libc::F_UNLCK {
        return Ok(());
    }
    let holder = found.l_pid;
    Err(io::Error::other(format!(
        "process {holder} has the lock of byte {at} too"
    )))
}

fn byte(kind: i32, at: u32) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: at.into(),
        l_len: 1,
        l_pid: 0,
    }
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(text: &str) -> Result<Order, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Order::read(&words)
    }

    #[test]
    fn a_file_and_a_number_of_locks() {
        let read = order("-rw file 3").expect("complete");
        assert_eq!((&*read.flags, &*read.file, read.locks), ("rw", "file", 3));
        assert_eq!(order("-l file").expect("complete").locks, 0);
        for text in ["", "file", "file 0", "file x", "-l file 3", "-m file 3"] {
            assert!(order(text).is_err(), "{text}");
        }
    }
}
