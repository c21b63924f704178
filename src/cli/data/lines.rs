//! What `ptrans` reads: a line for each record, `"KEY" "VALUE"`; an empty value deletes the record.

use std::fs::File;
use std::io::{BufRead, BufReader};

use ctdb_protocol::console::Refusal;
use ctdb_protocol::console::grammar::data::record_bytes;

use super::records::Change;

/// The changes, and a remark for each line that is none: 4.17's tool goes on behind those.
pub(super) fn read(file: Option<&str>) -> Result<(Vec<Change>, Vec<String>), Refusal> {
    let Some(file) = file else {
        return parse(std::io::stdin().lock());
    };
    let opened = File::open(file);
    let opened = opened.map_err(|error| {
        let mut refusal = Refusal::new(format!("Failed to open file {file}"));
        refusal.notes.push(error.to_string());
        refusal
    })?;
    parse(BufReader::new(opened))
}

fn parse(input: impl BufRead) -> Result<(Vec<Change>, Vec<String>), Refusal> {
    let (mut changes, mut remarks) = (Vec::new(), Vec::new());
    for line in input.split(b'\n') {
        let line = line.map_err(|error| Refusal::new(error.to_string()))?;
        let key = quoted(&line);
        let pair = key.and_then(|(key, rest)| Ok((key, quoted(rest)?.0)));
        match pair {
            Ok(change) => changes.push(change),
            Err(remark) => remarks.push(remark),
        }
    }
    Ok((changes, remarks))
}

/// The text between quotes at the beginning, in digits if they follow `0x`, and what comes behind.
fn quoted(text: &[u8]) -> Result<(Vec<u8>, &[u8]), String> {
    let shown = || String::from_utf8_lossy(text).into_owned();
    let Some(inner) = text.trim_ascii_start().strip_prefix(b"\"") else {
        return Err(format!("Unsupported input format in {}", shown()));
    };
    let end = inner.iter().position(|byte| *byte == b'"');
    let end = end.ok_or_else(|| format!("Unmatched \" in input {}", shown()))?;
    Ok((record_bytes(&inner[..end])?, &inner[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_none_are_named_and_spoil_no_other() {
        let text = "\"a\" \"1\"\n\n# x\n  \"b\"\t\"two words\" behind\n\"0x41\" \"\"\na b\n\"c\" \"d\n\"0x4\" \"\"\n\"e\" \"f\"";
        let (changes, remarks) = parse(text.as_bytes()).expect("memory");
        let expected: [(&[u8], &[u8]); 4] = [
            (b"a", b"1"),
            (b"b", b"two words"),
            (b"A", b""),
            (b"e", b"f"),
        ];
        let expected = expected.map(|(key, value)| (key.to_vec(), value.to_vec()));
        assert_eq!(changes, expected);
        let parts = [
            "format in ",
            "format in # x",
            "format in a b",
            "Unmatched",
            "odd number",
        ];
        assert_eq!(remarks.len(), parts.len(), "{remarks:?}");
        for (remark, part) in remarks.iter().zip(parts) {
            assert!(remark.contains(part), "{remark}");
        }
    }
}
