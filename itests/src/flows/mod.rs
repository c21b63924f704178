//! Connections that tell which node serves them.
//!
//! A server greets with its name and the client's address in one line, then answers lines: `ping` with `pong`, `get N`
//! with N bytes, `put N` and N bytes with `done`.

mod client;
mod datagrams;
mod errors;
mod reach;
mod server;

pub use client::connect;
pub use datagrams::{echo, send};
pub use reach::reach;
pub use server::serve;

use std::io::{self, BufRead, Read};

/// Bytes moved at a time.
const CHUNK: usize = 64 << 10;

/// Reads so many bytes and forgets them.
fn swallow(mut from: impl Read, mut bytes: usize) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    while bytes > 0 {
        let part = bytes.min(CHUNK);
        from.read_exact(&mut chunk[..part])?;
        bytes -= part;
    }
    Ok(())
}

/// The server's first line: its name, and the client's address as it sees it.
fn greeting(from: &mut impl BufRead) -> io::Result<(String, String)> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let words = line.trim_end().split_once(' ');
    let (name, client) = words.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((name.to_owned(), client.to_owned()))
}
