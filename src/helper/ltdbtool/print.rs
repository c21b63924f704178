//! Records as 4.17's program prints them: readable by `tdbrestore`, unless with headers.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::header::Header;

/// Prints a record.
pub(super) fn record(
    out: &mut impl Write,
    key: &[u8],
    header: Option<Header>,
    data: &[u8],
) -> io::Result<()> {
    writeln!(out, "{{\nkey({}) = {}", key.len(), text(key))?;
    if let Some(header) = header {
        let fields = header.fields();
        // The number of nobody is -1.
        writeln!(out, "dmaster: {}", fields.dmaster.cast_signed())?;
        writeln!(out, "rsn: {}", fields.rsn)?;
        writeln!(out, "flags: 0x{:X}", fields.flags.bits())?;
    }
    writeln!(out, "data({}) = {}\n}}", data.len(), text(data))
}

/// Bytes between quotes: printable ones as they are, others (quote and backslash too) as `\HH`.
pub(super) fn text(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f.. => {
                let _ = write!(text, "\\{byte:02X}");
            }
            byte => text.push(byte.into()),
        }
    }
    text + "\""
}
