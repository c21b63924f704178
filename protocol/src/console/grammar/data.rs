//! Commands about the content of databases and of files, which the tool carries out itself; keys and values.

use super::{Arguments, EINVAL, number};
use crate::console::command::{Command, DataCommand};
use crate::console::quote::hex_digit;
use crate::console::reply::Refusal;
use crate::console::words::Verb;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The command, if the verb is one of these.
pub(super) fn command(verb: Verb, arguments: &mut Arguments) -> Result<Option<Command>, Refusal> {
    let command = match verb {
        Verb::CatTdb => DataCommand::Dump(arguments.db()?),
        Verb::BackupDb => DataCommand::Backup {
            db: arguments.db()?,
            file: arguments.text()?,
        },
        Verb::RestoreDb => DataCommand::Restore {
            file: arguments.text()?,
            name: arguments.optional()?,
        },
        Verb::DumpDbBackup => DataCommand::DumpBackup(arguments.text()?),
        Verb::WipeDb => DataCommand::Wipe(arguments.db()?),
        Verb::PFetch => DataCommand::Fetch {
            db: arguments.db()?,
            key: key(arguments)?,
        },
        Verb::PStore => DataCommand::Store {
            db: arguments.db()?,
            key: key(arguments)?,
            value: value(arguments)?,
        },
        Verb::PDelete => DataCommand::Store {
            db: arguments.db()?,
            key: key(arguments)?,
            value: Vec::new(),
        },
        Verb::PTrans => DataCommand::Transaction {
            db: arguments.db()?,
            file: arguments.optional()?,
        },
        Verb::TFetch => DataCommand::FetchFromFile {
            tdb: arguments.text()?,
            key: key(arguments)?,
            file: arguments.optional()?,
        },
        Verb::TStore => DataCommand::StoreInFile {
            tdb: arguments.text()?,
            key: key(arguments)?,
            value: value(arguments)?,
            rsn: optional_number("rsn", arguments)?,
            dmaster: optional_number("dmaster", arguments)?,
            flags: optional_number("flags", arguments)?,
        },
        _ => return Ok(None),
    };
    Ok(Some(Command::Data(command)))
}

/// Decimal or, after `0x`, hexadecimal; 0 if it is not given.
fn optional_number<T: TryFrom<u64>>(what: &str, arguments: &mut Arguments) -> Result<T, Refusal> {
    let Some(text) = arguments.optional()? else {
        return number(what, "0").and_then(|zero: u64| narrow(what, "0", zero));
    };
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let invalid = |_| Refusal::coded(EINVAL, format!("Invalid {what} {text}"));
    narrow(what, &text, parsed.map_err(invalid)?)
}

fn narrow<T: TryFrom<u64>>(what: &str, text: &str, number: u64) -> Result<T, Refusal> {
    let invalid = |_| Refusal::coded(EINVAL, format!("Invalid {what} {text}"));
    T::try_from(number).map_err(invalid)
}

/// The key of a record, as it is or in hexadecimal digits after `0x`.
pub(super) fn key(arguments: &mut Arguments) -> Result<Vec<u8>, Refusal> {
    let text = arguments.bytes()?;
    record_bytes(&text).map_err(|reason| refused("key", &text, reason))
}

/// The data of a record, likewise.
pub(super) fn value(arguments: &mut Arguments) -> Result<Vec<u8>, Refusal> {
    let text = arguments.bytes()?;
    record_bytes(&text).map_err(|reason| refused("value", &text, reason))
}

fn refused(what: &str, text: &[u8], reason: String) -> Refusal {
    let text = String::from_utf8_lossy(text);
    Refusal {
        notes: alloc::vec![reason],
        ..Refusal::coded(EINVAL, format!("Failed to parse {what} {text}"))
    }
}

/// What a word means as key or data: itself, or the bytes whose hexadecimal digits follow `0x`.
///
/// # Errors
/// What is wrong with the digits.
pub fn record_bytes(text: &[u8]) -> Result<Vec<u8>, String> {
    let Some(digits) = text.strip_prefix(b"0x") else {
        return Ok(text.to_vec());
    };
    let shown = String::from_utf8_lossy(digits);
    if digits.len() % 2 != 0 {
        return Err(format!("Key ({shown}) contains odd number of hex digits"));
    }
    let pairs = digits.chunks_exact(2);
    let byte = |pair: &[u8]| Some(hex_digit(pair[0])? << 4 | hex_digit(pair[1])?);
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    bytes.ok_or_else(|| format!("Invalid hex: {shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values() {
        for (text, expected) in [
            ("abc", Ok(&b"abc"[..])),
            ("0x00fF", Ok(&b"\x00\xff"[..])),
            ("0x", Ok(&b""[..])),
            ("0xabc", Err("odd number")),
            ("0xzz", Err("Invalid hex: zz")),
        ] {
            match (record_bytes(text.as_bytes()), expected) {
                (Ok(bytes), Ok(expected)) => assert_eq!(bytes, expected, "{text}"),
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{text}: {reason}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }
}
