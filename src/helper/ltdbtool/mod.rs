//! `ltdbtool`: shows the local file of a database, or copies it with other record headers, without any daemon.

mod header;
mod print;

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::ExitCode;
use std::time::Duration;

use ctdb_tdb::{Access, OpenOptions, Scan, ScanState, Tdb, TdbFlags};

use super::Page;
use super::getopt::{Grammar, words};
use header::{Header, size_of_bits};

const USAGE: &str = "\
Usage: ltdbtool [OPTION…] dump FILE
       ltdbtool [OPTION…] convert FILE NEW_FILE
       ltdbtool help

  dump      prints the records of the local file of a database
  convert   copies them to a new file, with another header or none

  -s 0|32|64   header in the file that is read: none, that of a 32-bit system (20 bytes), of a 64-bit one (24)
  -o 0|32|64   header in the file that is written
  -S, -O SIZE  the same two in bytes
  -e           records without data too
  -p           with the headers (dump)
  -h           this text";

/// Its manual page.
pub(super) const PAGE: Page = Page {
    name: "ltdbtool",
    about: "shows the local file of a database, or copies it with other record headers",
    usage: USAGE,
};

const GRAMMAR: Grammar = Grammar {
    flags: "eph",
    valued: "sSoO",
    anywhere: true,
};
/// Exit status of 4.17's program for everything that went wrong.
const FAILED: u8 = 255;
/// Records between two looks at how far a walk is.
const PORTION: u32 = 1_000;
/// How long a chain that somebody holds is left alone.
const REST: Duration = Duration::from_millis(1);

/// Runs the program.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let words = words(arguments);
    let order = match Order::read(&words) {
        Ok(Some(order)) => order,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("ltdbtool: {error}\n{USAGE}");
            return ExitCode::from(FAILED);
        }
    };
    match order.carry_out() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(short) => {
            eprintln!("ltdbtool: records left out: {short}");
            ExitCode::from(FAILED)
        }
        Err(error) => {
            eprintln!("ltdbtool: {error}");
            ExitCode::from(FAILED)
        }
    }
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    source: String,
    /// Where to; none: it is shown.
    target: Option<String>,
    /// Bytes of header in the source and in the target.
    sizes: (usize, usize),
    empty_too: bool,
    with_headers: bool,
}

impl Order {
    /// `None`: help is wanted.
    fn read(words: &[String]) -> Result<Option<Self>, String> {
        let words = GRAMMAR.read(words)?;
        let mut order = Self {
            source: String::new(),
            target: None,
            sizes: (Header::SIZE, Header::SIZE),
            empty_too: false,
            with_headers: false,
        };
        for (letter, value) in &words.options {
            let value = value.as_deref().unwrap_or_default();
            match letter {
                's' => order.sizes.0 = size_of_bits(value)?,
                'o' => order.sizes.1 = size_of_bits(value)?,
                'S' => order.sizes.0 = size(value)?,
                'O' => order.sizes.1 = size(value)?,
                'e' => order.empty_too = true,
                'p' => order.with_headers = true,
                _ => return Ok(None),
            }
        }
        let operands: Vec<&str> = words.operands.iter().map(String::as_str).collect();
        match operands[..] {
            ["help", ..] => return Ok(None),
            ["dump", source] => order.source = source.into(),
            ["convert", source, target] => {
                order.source = source.into();
                order.target = Some(target.into());
            }
            ["dump" | "convert", ..] => return Err("wrong number of files".into()),
            [command, ..] => return Err(format!("unknown command {command}")),
            [] => return Err("no command".into()),
        }
        Ok(Some(order))
    }

    /// How many records were left out.
    fn carry_out(&self) -> Result<u64, String> {
        let source = Tdb::open(&self.source, &options(Access::ReadOnly));
        let source = source.map_err(|error| error.to_string())?;
        match &self.target {
            None => self.dump(&source),
            Some(target) => self.convert(&source, target),
        }
    }

    fn dump(&self, source: &Tdb) -> Result<u64, String> {
        let mut out = BufWriter::new(io::stdout().lock());
        let short = self.walk(source, &mut |key, header, data| {
            let header = self.with_headers.then_some(header);
            print::record(&mut out, key, header, data).map_err(|error| error.to_string())
        })?;
        out.flush().map_err(|error| error.to_string())?;
        Ok(short)
    }

    fn convert(&self, source: &Tdb, target: &str) -> Result<u64, String> {
        // A file that is there already is never touched. Databases may hold secrets: nobody else may read a copy.
        let mut new = fs::OpenOptions::new();
        let created = new.write(true).create_new(true).mode(0o600).open(target);
        created.map_err(|error| format!("{target}: {error}"))?;
        let copied = self.fill(source, target);
        if copied.is_err() {
            let _ = fs::remove_file(target);
        }
        copied
    }

    fn fill(&self, source: &Tdb, target: &str) -> Result<u64, String> {
        let out = Tdb::open(target, &options(Access::Create)).map_err(|error| error.to_string())?;
        self.walk(source, &mut |key, header, data| {
            let header = &header.bytes()[..self.sizes.1];
            let stored = out.storev(key, &[header, data]);
            stored.map_err(|error| error.to_string())
        })
    }

    /// Shows each record; how many were left out since they are shorter than a header.
    fn walk(&self, source: &Tdb, show: &mut Show<'_>) -> Result<u64, String> {
        let (mut short, mut failure) = (0, Ok(()));
        let mut visit = |key: &[u8], value: &[u8]| {
            if failure.is_err() {
                return;
            }
            match Header::split(value, self.sizes.0) {
                None => {
                    eprintln!("ltdbtool: too short for a header: {}", print::text(key));
                    short += 1;
                }
                Some((_, [])) if !self.empty_too => {}
                Some((header, data)) => failure = show(key, header, data),
            }
        };
        let mut scan = Scan::new(source);
        loop {
            match scan.advance(source, PORTION, &mut visit) {
                Ok(ScanState::More) => {}
                Ok(ScanState::Done) => break,
                Ok(ScanState::Busy) => std::thread::sleep(REST),
                Err(error) => return Err(error.to_string()),
            }
        }
        failure.map(|()| short)
    }
}

/// Takes key, header and data.
type Show<'a> = dyn FnMut(&[u8], Header, &[u8]) -> Result<(), String> + 'a;

/// As many bytes as a header has; a larger number means all of them, as with 4.17.
fn size(text: &str) -> Result<usize, String> {
    let size: usize = text
        .parse()
        .map_err(|_| format!("{text} is no number of bytes"))?;
    Ok(size.min(Header::SIZE))
}

fn options(access: Access) -> OpenOptions {
    OpenOptions {
        hash_size: 0,
        flags: TdbFlags::empty(),
        access,
        ..OpenOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(text: &str) -> Result<Option<Order>, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Order::read(&words)
    }

    #[test]
    fn sizes_by_word_length_or_in_bytes() {
        for (text, sizes) in [
            ("", (24, 24)),
            ("-s0", (0, 24)),
            ("-s 32 -o64", (20, 24)),
            ("-S 4 -O 30", (4, 24)),
            ("-o 0", (24, 0)),
        ] {
            let order = order(&format!("dump a {text}")).expect(text);
            assert_eq!(order.expect(text).sizes, sizes, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, error) in [
            ("", "no command"),
            ("shrink a", "unknown command shrink"),
            ("dump", "wrong number"),
            ("dump a b", "wrong number"),
            ("convert a", "wrong number"),
            ("-s 16 dump a", "16 is none of"),
            ("-S -1 dump a", "-1 is no number"),
            ("-x dump a", "unknown option -x"),
        ] {
            let said = order(text).expect_err(text);
            assert!(said.contains(error), "{text}: {said}");
        }
        assert_eq!(order("-h"), Ok(None));
        assert_eq!(order("help x"), Ok(None));
    }
}
