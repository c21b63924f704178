//! Texts with a terminating NUL that counts in the length: database names, paths, reasons.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Payload};
use super::error::WireError;

/// A text that fills the data to its end, NUL included.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Text(pub String);

impl Payload for Text {
    const NAME: &'static str = "text";
    const MIN_SIZE: usize = 1;
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, WireError> {
        let len = cursor.remaining();
        read_text(cursor, len).map(Self)
    }
    fn emit(&self, out: &mut Vec<u8>) {
        put_text(out, &self.0);
    }
}

/// Reads a text of `len` bytes, the NUL included.
pub(super) fn read_text(cursor: &mut Cursor<'_>, len: usize) -> Result<String, WireError> {
    let bytes = cursor.bytes(len)?;
    match bytes.split_last() {
        Some((0, text)) if !text.contains(&0) => core::str::from_utf8(text)
            .map(Into::into)
            .map_err(|_| cursor.bad_text()),
        _ => Err(cursor.bad_text()),
    }
}

/// Appends a text with its NUL. A NUL inside would end it for every reader, so it ends here too.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    let len = text.bytes().position(|b| b == 0).unwrap_or(text.len());
    out.extend_from_slice(&text.as_bytes()[..len]);
    out.push(0);
}

/// Appends the length of what [`put_text`] writes, and that.
pub(super) fn put_counted_text(out: &mut Vec<u8>, text: &str) {
    let len = text.bytes().position(|b| b == 0).unwrap_or(text.len());
    super::cursor::put_len(out, len + 1);
    put_text(out, text);
}
