//! The one rule by which a reply's bytes travel as lines, and back.
//!
//! Text lines travel as they are. A line that could be taken for something else is marked: it starts with
//! a backslash and one more character.
//!
//! | line | means |
//! |---|---|
//! | `\=TEXT` | a line of the output, escaped: `\\` is a backslash, `\xHH` a byte; `\c` at the end: no newline follows it |
//! | `\!TEXT` | a note, escaped likewise, that the tool writes to its standard error |
//! | `OK` | the end: success |
//! | `ERR <code> <message>` | the end: failure with that exit code; a message in parentheses is for people at the console, the tool does not print it |
//!
//! An output line is marked if it is `OK` or starts with `ERR` or `\`, if it holds anything but UTF-8
//! without control characters (tab excepted), or if no newline ends it.

use super::quote::{hex, hex_digit};
use alloc::string::String;
use alloc::vec::Vec;

/// The last line of a successful reply.
pub const OK: &str = "OK";

/// Appends output as lines.
pub fn put_output(out: &mut Vec<u8>, output: &[u8]) {
    for line in output.split_inclusive(|byte| *byte == b'\n') {
        let (text, ended) = match line.split_last() {
            Some((b'\n', text)) => (text, true),
            _ => (line, false),
        };
        if ended && is_plain(text) {
            out.extend_from_slice(text);
        } else {
            out.extend(b"\\=");
            put_escaped(out, text);
            if !ended {
                out.extend(b"\\c");
            }
        }
        out.push(b'\n');
    }
}

/// Appends a note.
pub fn put_note(out: &mut Vec<u8>, note: &str) {
    out.extend(b"\\!");
    put_escaped(out, note.as_bytes());
    out.push(b'\n');
}

/// Appends the last line; control characters in the message, tabs excepted, become blanks.
pub fn put_end(out: &mut Vec<u8>, code: i32, message: &str) {
    if code == 0 {
        out.extend(OK.bytes());
    } else {
        let message = message.replace(|c: char| c.is_control() && c != '\t', " ");
        out.extend(alloc::format!("ERR {code} {message}").bytes());
    }
    out.push(b'\n');
}

fn is_plain(line: &[u8]) -> bool {
    let marked = line == OK.as_bytes() || line.starts_with(b"ERR") || line.starts_with(b"\\");
    !marked
        && core::str::from_utf8(line)
            .is_ok_and(|text| text.chars().all(|c| c == '\t' || !c.is_control()))
}

fn put_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'\\' => out.extend(b"\\\\"),
            b' '..=b'~' => out.push(byte),
            byte => {
                out.extend(b"\\x");
                out.extend(hex(byte));
            }
        }
    }
}

/// One line of a reply, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Bytes of the output, the newline included if there is one.
    Output(Vec<u8>),
    /// A note for standard error.
    Note(Vec<u8>),
    /// The end; code 0 is success.
    End {
        /// The exit code.
        code: i32,
        /// Why, unless the code is 0.
        message: String,
    },
}

/// Reads a line, given without its newline. A mark that this version does not know is output as it stands.
pub fn read_line(line: &[u8]) -> Line {
    if line == OK.as_bytes() {
        let message = String::new();
        return Line::End { code: 0, message };
    }
    if let Some(end) = line.strip_prefix(b"ERR") {
        return read_end(end);
    }
    if let Some(text) = line.strip_prefix(b"\\=") {
        let (mut bytes, ended) = unescaped(text);
        if ended {
            bytes.push(b'\n');
        }
        return Line::Output(bytes);
    }
    if let Some(text) = line.strip_prefix(b"\\!") {
        return Line::Note(unescaped(text).0);
    }
    let mut bytes = line.to_vec();
    bytes.push(b'\n');
    Line::Output(bytes)
}

fn read_end(end: &[u8]) -> Line {
    let text = String::from_utf8_lossy(end);
    let (code, message) = text
        .trim_start()
        .split_once(' ')
        .unwrap_or((text.trim(), ""));
    // A failure whose code can't be read is a failure all the same.
    let code = code.parse().ok().filter(|code| *code != 0).unwrap_or(1);
    Line::End {
        code,
        message: message.into(),
    }
}

/// The bytes, and whether a newline follows them.
fn unescaped(text: &[u8]) -> (Vec<u8>, bool) {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return (bytes, true),
            [b'\\', b'c'] => return (bytes, false),
            [b'\\', b'x', high, low, rest @ ..] => {
                let digits = hex_digit(*high).zip(hex_digit(*low));
                bytes.push(digits.map_or(b'?', |(high, low)| high << 4 | low));
                rest
            }
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn there_and_back(output: &[u8]) -> Vec<u8> {
        let mut sent = Vec::new();
        put_output(&mut sent, output);
        let mut back = Vec::new();
        for line in sent.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").expect("every line ends");
            match read_line(line) {
                Line::Output(bytes) => back.extend(bytes),
                other => panic!("{other:?} in {line:?}"),
            }
        }
        back
    }

    #[test]
    fn every_output_comes_back() {
        let mut mebibyte: Vec<u8> = (0..1_usize << 20).map(|i| (i * 7 % 256) as u8).collect();
        let one_line = vec![b'x'; 1 << 20];
        for output in [
            &b""[..],
            b"\n",
            b"\n\n",
            b"plain\n",
            b"no newline",
            b"OK\n",
            b"OK",
            b"OK \n",
            b"ERR 1 x\n",
            b"ERR",
            b"ERROR\n",
            b"\0",
            b"a\0b\n",
            b"\\\n",
            b"\\=x\n",
            b"\\!x",
            b"\\\\c",
            b"\\c",
            b"\\=\\xFF\\c\n",
            "caf\u{e9}\n".as_bytes(),
            b"\xff\xfe\n",
            b"tab\there\r\n",
            &one_line,
            &mebibyte.clone(),
        ] {
            assert!(there_and_back(output) == output, "{:?}", output.get(..20));
        }
        mebibyte.push(b'\n');
        assert!(there_and_back(&mebibyte) == mebibyte);
    }

    #[test]
    fn text_stays_readable() {
        let mut sent = Vec::new();
        put_output(
            &mut sent,
            "Public IPs on node 0\ncaf\u{e9}\nOK\na\0".as_bytes(),
        );
        put_note(&mut sent, "Node 0 is already disabled");
        put_end(&mut sent, 4, "(flags\nset)");
        put_end(&mut sent, 0, "ignored");
        assert_eq!(
            String::from_utf8_lossy(&sent),
            "Public IPs on node 0\ncaf\u{e9}\n\\=OK\n\\=a\\x00\\c\n\\!Node 0 is already disabled\n\
             ERR 4 (flags set)\nOK\n"
        );
    }

    #[test]
    fn ends_are_read() {
        let end = |code, message: &str| Line::End {
            code,
            message: message.into(),
        };
        assert_eq!(read_line(b"OK"), end(0, ""));
        assert_eq!(read_line(b"ERR 22 Ban time"), end(22, "Ban time"));
        assert_eq!(read_line(b"ERR 3"), end(3, ""));
        assert_eq!(read_line(b"ERR x y"), end(1, "y"));
        assert_eq!(read_line(b"ERR 0 y"), end(1, "y"));
        assert_eq!(read_line(b"\\!a\\xffb"), Line::Note(b"a\xffb".to_vec()));
    }
}
