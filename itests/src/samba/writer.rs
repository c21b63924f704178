//! A client that writes files one after the other and remembers which of them the server has taken.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Samba;

/// Files that go through one connection, if it lives that long.
const A_CONNECTION: usize = 25;
/// Size of a file.
const BYTES: usize = 20_000;
/// How long the client may be without a server.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client of one address.
#[derive(Debug)]
pub struct Writer {
    name: String,
    address: IpAddr,
    local: PathBuf,
    taken: AtomicUsize,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// How often a connection broke or could not be made.
    pub broken: usize,
    /// The longest time from one file taken to the next.
    pub longest: Duration,
}

impl Writer {
    /// Prepares the files of a client.
    pub fn new(samba: &Samba<'_>, name: &str, address: IpAddr, files: usize) -> Self {
        let local = samba.cluster().directory().join("client").join(name);
        fs::create_dir_all(&local).expect("the client's files");
        for number in 0..files {
            fs::write(
                local.join(format!("{name}-{number}")),
                content(name, number),
            )
            .expect("a file");
        }
        let taken = AtomicUsize::new(0);
        Self {
            name: name.into(),
            address,
            local,
            taken,
        }
    }

    /// Number of files that the server has taken so far.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    fn files(&self) -> usize {
        fs::read_dir(&self.local)
            .expect("the client's files")
            .count()
    }

    /// Writes all files, with a new connection whenever one breaks, and begins each time with the first file that
    /// was not taken.
    ///
    /// # Panics
    /// If no file is taken for too long.
    pub fn write(&self, samba: &Samba<'_>) -> Written {
        let files = self.files();
        let mut written = Written {
            broken: 0,
            longest: Duration::ZERO,
        };
        let mut last = Instant::now();
        while self.taken() < files {
            let first = self.taken();
            let count = A_CONNECTION.min(files - first);
            let puts =
                (first..first + count).map(|number| format!("put {0}-{number}; ", self.name));
            let commands = format!("lcd {}; {}", self.local.display(), puts.collect::<String>());
            let output = samba.smbclient(self.address, &commands);
            let text = output.stdout + &output.stderr;
            let taken = text
                .lines()
                .filter(|line| line.starts_with("putting file "))
                .count();
            self.taken.fetch_add(taken, Ordering::Relaxed);
            if taken > 0 {
                written.longest = written.longest.max(last.elapsed());
                last = Instant::now();
            }
            written.broken += usize::from(taken < count);
            assert!(last.elapsed() < PATIENCE, "{}: {text}", self.address);
        }
        written
    }

    /// Compares every file with what an address gives.
    ///
    /// # Panics
    /// If one is missing or has changed.
    pub fn check(&self, samba: &Samba<'_>, address: IpAddr) {
        let back = self.local.with_extension("back");
        fs::create_dir_all(&back).expect("the client's files");
        let commands = format!("lcd {}; prompt; mget {}-*", back.display(), self.name);
        samba.smbclient(address, &commands).ok();
        for number in 0..self.files() {
            let name = format!("{}-{number}", self.name);
            assert!(
                same(&back.join(&name), &content(&self.name, number)),
                "{name} by {address}"
            );
        }
        fs::remove_dir_all(&back).expect("the client's files");
    }
}

fn content(name: &str, number: usize) -> Vec<u8> {
    let line = format!("{name} {number}\n");
    line.bytes().cycle().take(BYTES).collect()
}

fn same(path: &Path, content: &[u8]) -> bool {
    fs::read(path).is_ok_and(|read| read == content)
}
