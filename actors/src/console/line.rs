//! Reads lines of bounded length.

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// A line, without its end (`\n` or `\r\n`).
    Line(Vec<u8>),
    /// A line longer than the bound; it was skipped up to its end.
    TooLong,
    /// The other side has ended; a last line without end is dropped.
    End,
}

/// Reads the next line, of at most `max` bytes.
pub(super) async fn read(
    from: &mut (impl AsyncBufRead + Unpin),
    max: usize,
) -> std::io::Result<Incoming> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let chunk = from.fill_buf().await?;
        if chunk.is_empty() {
            return Ok(Incoming::End);
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        too_long |= line.len() + part.len() > max;
        if !too_long {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_none() {
            continue;
        }
        if too_long {
            return Ok(Incoming::TooLong);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        return Ok(Incoming::Line(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn lines_long_lines_and_the_end() {
        let mut from = &b"a b\r\n\n123456789\n12345678\nrest"[..];
        let mut read = async || read(&mut from, 8).await.expect("memory");
        assert_eq!(read().await, Incoming::Line(b"a b".to_vec()));
        assert_eq!(read().await, Incoming::Line(Vec::new()));
        assert_eq!(read().await, Incoming::TooLong);
        assert_eq!(read().await, Incoming::Line(b"12345678".to_vec()));
        assert_eq!(read().await, Incoming::End);
    }
}
