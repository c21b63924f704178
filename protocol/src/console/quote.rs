//! Words of a line: how blanks, quotes and any byte get into one argument.
//!
//! Words are separated by blanks and tabs. `'…'` takes everything literally. In `"…"` and outside of
//! quotes a backslash starts an escape: `\n`, `\t`, `\r`, `\0`, `\xHH` (two hexadecimal digits), and before
//! any other byte it means that byte. The tool writes words with [`put_word`], which is read back exactly.

use alloc::string::String;
use alloc::vec::Vec;
use thiserror::Error;

/// Why a line has no words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum QuoteError {
    /// A quote was opened and not closed.
    #[error("quote {0} is not closed")]
    Open(char),
    /// The line ends with a backslash.
    #[error("nothing follows the last backslash")]
    Backslash,
    /// `\x` without two hexadecimal digits.
    #[error("\\x needs two hexadecimal digits")]
    Hex,
}

/// Splits a line (without its newline) into words.
pub fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, QuoteError> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut rest = line.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b' ' | b'\t' => words.extend(word.take()),
            b'\'' => quoted(&mut rest, b'\'', word.get_or_insert_default())?,
            b'"' => quoted(&mut rest, b'"', word.get_or_insert_default())?,
            b'\\' => {
                let byte = escape(&mut rest)?;
                word.get_or_insert_default().push(byte);
            }
            byte => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(
    rest: &mut impl Iterator<Item = u8>,
    end: u8,
    word: &mut Vec<u8>,
) -> Result<(), QuoteError> {
    while let Some(byte) = rest.next() {
        match byte {
            byte if byte == end => return Ok(()),
            b'\\' if end == b'"' => word.push(escape(rest)?),
            byte => word.push(byte),
        }
    }
    Err(QuoteError::Open(char::from(end)))
}

fn escape(rest: &mut impl Iterator<Item = u8>) -> Result<u8, QuoteError> {
    Ok(match rest.next().ok_or(QuoteError::Backslash)? {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'0' => 0,
        b'x' => {
            let mut digit = || rest.next().and_then(hex_digit).ok_or(QuoteError::Hex);
            digit()? << 4 | digit()?
        }
        byte => byte,
    })
}

/// The value of a hexadecimal digit.
pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// The two upper-case hexadecimal digits of a byte.
pub(super) fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    [
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    ]
}

/// Lower-case hexadecimal digits.
pub(super) fn hex_text(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| hex(*byte));
    digits
        .map(|digit| char::from(digit.to_ascii_lowercase()))
        .collect()
}

/// Appends a word to a line, with a blank in front unless it is the first.
pub fn put_word(line: &mut Vec<u8>, word: &[u8]) {
    if !line.is_empty() {
        line.push(b' ');
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.,:/|=@%+".contains(byte);
    if !word.is_empty() && word.iter().all(plain) {
        line.extend_from_slice(word);
        return;
    }
    line.push(b'"');
    for &byte in word {
        match byte {
            b'"' | b'\\' => line.extend([b'\\', byte]),
            b' '..=b'~' => line.push(byte),
            byte => {
                line.extend(b"\\x");
                line.extend(hex(byte));
            }
        }
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn words_and_quotes() {
        let words = |line: &str| split(line.as_bytes()).map(|words| words.join(&b'+'));
        for (line, expected) in [
            ("", ""),
            ("  \t ", ""),
            ("status", "status"),
            (" ip  -v\tall ", "ip+-v+all"),
            ("writekey db 'a b' \"c d\"", "writekey+db+a b+c d"),
            ("a'b c'd", "ab cd"),
            (r#"x '' "" y"#, "x+++y"),
            (r#""\"q\\\x41\n" '\n' \ z"#, "\"q\\A\n+\\n+ z"),
        ] {
            assert_eq!(words(line), Ok(expected.into()), "{line}");
        }
    }

    #[test]
    fn faults_are_named() {
        assert_eq!(split(b"'a"), Err(QuoteError::Open('\'')));
        assert_eq!(split(b"\"a\\\""), Err(QuoteError::Open('"')));
        assert_eq!(split(b"a\\"), Err(QuoteError::Backslash));
        assert_eq!(split(b"\\xg0"), Err(QuoteError::Hex));
        assert_eq!(split(b"\\x1"), Err(QuoteError::Hex));
    }

    #[test]
    fn what_is_put_is_read_back() {
        let all: Vec<u8> = (0..=255).collect();
        let words = vec![b"".to_vec(), all, b"plain".to_vec(), b"'\\".to_vec()];
        let mut line = Vec::new();
        for word in &words {
            put_word(&mut line, word);
        }
        assert!(line.iter().all(|byte| (b' '..=b'~').contains(byte)));
        assert_eq!(split(&line), Ok(words));
    }
}
