//! Connections from standard input, for `tickle`, `addtickle` and `deltickle`: a line each, as event scripts pipe them.

use std::io::BufRead;

use ctdb_protocol::console::grammar::EINVAL;
use ctdb_protocol::console::{Refusal, Reply};

/// Connections in one console line, which has a bound: 500 of the longest take 50,000 bytes.
const CONNECTIONS_PER_LINE: usize = 500;

/// Gives the command `words` with all connections of `input`, some at a time; the last failure is the reply.
pub(super) fn give(
    words: &[Vec<u8>],
    input: impl BufRead,
    mut give: impl FnMut(&[Vec<u8>]) -> Reply,
) -> Reply {
    let connections = match read(input) {
        Ok(connections) => connections,
        Err(refusal) => return refusal.into(),
    };
    let mut whole = Reply::default();
    for part in connections.chunks(CONNECTIONS_PER_LINE) {
        let mut line = words.to_vec();
        line.extend(part.iter().flatten().map(|end| end.as_bytes().to_vec()));
        let reply = give(&line);
        whole.output.extend(reply.output);
        whole.notes.extend(reply.notes);
        if reply.code != 0 {
            whole = whole.failed(reply.code, reply.message);
        }
    }
    whole
}

/// Both ends of each connection. Empty lines and those that begin with `#` are none.
fn read(input: impl BufRead) -> Result<Vec<[String; 2]>, Refusal> {
    let mut connections = Vec::new();
    for (number, line) in (1..).zip(input.lines()) {
        let line = line.map_err(|error| Refusal::new(format!("standard input: {error}")))?;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let ends: Vec<&str> = line.split_whitespace().collect();
        let [source, destination] = ends[..] else {
            let message = format!("standard input, line {number}: write SRCIP:PORT DSTIP:PORT");
            return Err(Refusal::coded(EINVAL, message));
        };
        connections.push([source.to_owned(), destination.to_owned()]);
    }
    Ok(connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_words_some_at_a_time() {
        let connection = |port| format!("10.0.0.1:{port}  10.0.0.2:445\n");
        let connections: String = (1..=CONNECTIONS_PER_LINE + 1).map(connection).collect();
        let input = format!("# comment\n\n{connections}");
        let mut lines = Vec::new();
        let reply = give(&[b"addtickle".to_vec()], input.as_bytes(), |line| {
            lines.push(line.to_vec());
            Reply::default().failed(i32::try_from(lines.len()).unwrap_or(0) - 1, "no")
        });
        let lengths: Vec<usize> = lines.iter().map(Vec::len).collect();
        assert_eq!(lengths, [1 + 2 * CONNECTIONS_PER_LINE, 3]);
        assert_eq!(lines[1][1], b"10.0.0.1:501");
        assert_eq!((reply.code, reply.message.as_str()), (1, "no"));
    }

    #[test]
    fn a_line_that_is_no_connection_is_named() {
        for input in ["10.0.0.1:1\n", "a b c\n"] {
            let reply = give(&[], input.as_bytes(), |_| panic!("nothing to give"));
            assert_eq!(reply.code, EINVAL);
            assert!(reply.message.contains("line 1"), "{}", reply.message);
        }
        assert_eq!(give(&[], &b""[..], |_| panic!("nothing")).code, 0);
    }
}
