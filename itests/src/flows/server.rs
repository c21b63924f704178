//! The serving side: a thread a connection.

use super::{CHUNK, swallow};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};

/// Serves until it is killed; prints `ready` when it listens.
pub fn serve(name: &str, port: u16) -> io::Result<()> {
    // Takes IPv4 as well.
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))?;
    println!("ready");
    for stream in listener.incoming() {
        let (stream, name) = (stream?, name.to_owned());
        std::thread::spawn(move || {
            // A client that goes away is no failure of the server.
            let _ = attend(stream, &name);
        });
    }
    Ok(())
}

fn attend(stream: TcpStream, name: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let client = stream.peer_addr()?.ip().to_canonical();
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    stream.write_all(format!("{name} {client}\n").as_bytes())?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let bytes = |text: &str| text.parse().map_err(io::Error::other);
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["ping"] => stream.write_all(b"pong\n")?,
            ["get", count] => {
                let (mut left, chunk): (usize, _) = (bytes(count)?, vec![0; CHUNK]);
                while left > 0 {
                    let part = left.min(CHUNK);
                    stream.write_all(&chunk[..part])?;
                    left -= part;
                }
            }
            ["put", count] => {
                swallow(&mut lines, bytes(count)?)?;
                stream.write_all(b"done\n")?;
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
