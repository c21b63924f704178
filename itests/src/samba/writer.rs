//! A client that writes files one after the other and remembers which of them the server has taken.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::Samba;

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
    files: usize,
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
        Self {
            name: name.into(),
            address,
            local,
            files,
        }
    }

    /// When each of its files on the share was last written, perhaps not acknowledged yet; the earliest first.
    pub fn arrived(&self, samba: &Samba<'_>) -> Vec<SystemTime> {
        let begin = format!("{}-", self.name);
        let files = fs::read_dir(samba.share()).expect("the share").flatten();
        let own = files.filter(|entry| entry.file_name().to_string_lossy().starts_with(&begin));
        let mut times: Vec<_> = own
            .filter_map(|entry| entry.metadata().ok()?.modified().ok())
            .collect();
        times.sort();
        times
    }

    /// The longest time from one of its files on the share to the next.
    pub fn longest_gap(&self, samba: &Samba<'_>) -> Duration {
        let times = self.arrived(samba);
        let gaps = times
            .windows(2)
            .filter_map(|pair| pair[1].duration_since(pair[0]).ok());
        gaps.max().unwrap_or_default()
    }

    /// Writes all files, with a new connection whenever one breaks, and begins each time with the first file that
    /// was not acknowledged. Returns how often a connection broke or could not be made.
    ///
    /// # Panics
    /// If no file is taken for too long.
    pub fn write(&self, samba: &Samba<'_>) -> usize {
        let (mut first, mut broken, mut last) = (0, 0, Instant::now());
        loop {
            let puts = (first..self.files).map(|number| format!("put {}-{number}; ", self.name));
            let commands = format!("lcd {}; {}", self.local.display(), puts.collect::<String>());
            let output = samba.smbclient(self.address, &commands);
            let text = output.stdout + &output.stderr;
            let acknowledged = acknowledged(&text);
            let is_taken =
                |number: &usize| acknowledged.contains(&*format!("{}-{number}", self.name));
            let taken = (first..self.files).take_while(is_taken).count();
            first += taken;
            if first == self.files {
                return broken;
            }
            broken += 1;
            if taken > 0 {
                last = Instant::now();
            }
            assert!(last.elapsed() < PATIENCE, "{}: {text}", self.address);
        }
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
        for number in 0..self.files {
            let name = format!("{}-{number}", self.name);
            assert!(
                same(&back.join(&name), &content(&self.name, number)),
                "{name} by {address}"
            );
        }
        fs::remove_dir_all(&back).expect("the client's files");
    }
}

/// The files that smbclient(1) has put: it names each when it begins, and its speed when the server has taken it.
fn acknowledged(text: &str) -> BTreeSet<&str> {
    let done = text.lines().filter(|line| line.contains(" kb/s)"));
    done.filter_map(|line| line.strip_prefix("putting file ")?.split(' ').next())
        .collect()
}

fn content(name: &str, number: usize) -> Vec<u8> {
    let line = format!("{name} {number}\n");
    line.bytes().cycle().take(BYTES).collect()
}

fn same(path: &Path, content: &[u8]) -> bool {
    fs::read(path).is_ok_and(|read| read == content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_a_speed_is_acknowledged() {
        let text = "putting file w-0 as \\w-0 (976.5 kb/s) (average 976.6 kb/s)\n\
                    putting file w-1 as \\w-1 cli_push returned NT_STATUS_CONNECTION_DISCONNECTED\n";
        assert_eq!(acknowledged(text), BTreeSet::from(["w-0"]));
    }
}
