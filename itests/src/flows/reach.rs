//! New connections one after the other: for how long nobody gets through.

use super::greeting;
use serde_json::json;
use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Between two connections.
const PULSE: Duration = Duration::from_millis(20);
/// For one connection and its answer: shorter than the second after which the kernel repeats a lost SYN (RFC 6298), which
/// would count as silence of its own.
const PATIENCE: Duration = Duration::from_millis(200);

/// Says `ready` when it gets through, and connects again and again until standard input has ended and it gets through once
/// more; then prints the longest time without an answer, and as whom the server saw this host.
pub fn reach(to: SocketAddr) -> io::Result<()> {
    let (end, ended) = channel::<()>();
    std::thread::spawn(move || {
        // What is said does not matter, only that nothing more will come.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        drop(end);
    });
    let mut seen = BTreeSet::from([until_through(to)]);
    println!("ready");
    let (mut longest, mut heard) = (Duration::ZERO, Instant::now());
    loop {
        let is_over = ended.recv_timeout(PULSE) != Err(RecvTimeoutError::Timeout);
        seen.insert(until_through(to));
        longest = longest.max(heard.elapsed());
        heard = Instant::now();
        if is_over {
            break;
        }
    }
    println!(
        "{}",
        json!({ "longest_s": longest.as_secs_f64(), "seen": seen })
    );
    Ok(())
}

/// Tries until it gets through; the caller of the program has patience, and ends it otherwise.
fn until_through(to: SocketAddr) -> String {
    loop {
        match attempt(to) {
            Ok(client) => return client,
            // Nobody there, for now: that is what is measured.
            Err(_) => std::thread::sleep(PULSE),
        }
    }
}

/// What the server says behind its name.
fn attempt(to: SocketAddr) -> io::Result<String> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (_, client) = greeting(&mut io::BufReader::new(stream))?;
    Ok(client)
}
