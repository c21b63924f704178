//! Names of routing tables, as ip(8) reads them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file of the admin, and of 4.17's script.
const SHARED: &str = "/etc/iproute2/rt_tables";
/// Further files.
const DIRECTORY: &str = "/etc/iproute2/rt_tables.d";
/// The one that is ours.
const OWN: &str = "/etc/iproute2/rt_tables.d/ctdb.conf";

/// All names that there are, those of an earlier life of ours among them; unreadable files have none.
pub fn read() -> Vec<(u32, String)> {
    let further = fs::read_dir(DIRECTORY).into_iter().flatten().flatten();
    let further = further.map(|entry| entry.path());
    let files = std::iter::once(PathBuf::from(SHARED)).chain(further);
    let texts = files.filter_map(|file| fs::read_to_string(file).ok());
    texts.flat_map(|text| parse(&text)).collect()
}

fn parse(text: &str) -> Vec<(u32, String)> {
    let name = |line: &str| {
        let mut words = line.split_whitespace();
        let number = words.next()?.parse().ok()?;
        Some((number, words.next()?.to_owned()))
    };
    text.lines().filter_map(name).collect()
}

/// Writes our file, whole or not at all.
pub fn write(names: &[(u32, String)]) -> io::Result<()> {
    use std::fmt::Write;
    let mut text = String::from("# Written by ctdbd while it runs.\n");
    for (table, name) in names {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{table}\t{name}");
    }
    fs::create_dir_all(DIRECTORY)?;
    let fresh = Path::new(OWN).with_extension("new");
    fs::write(&fresh, text)?;
    fs::rename(fresh, OWN)
}

/// Removes our file.
pub fn remove() -> io::Result<()> {
    match fs::remove_file(OWN) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text = "# 7 no\n255\tlocal\n 1000  ctdb.10.0.0.1 # mine\n0x10 hex\nnonsense\n";
        let expected = [(255, "local"), (1000, "ctdb.10.0.0.1")];
        let expected = expected.map(|(table, name)| (table, name.to_owned()));
        assert_eq!(parse(text), expected);
    }
}
