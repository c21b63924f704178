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

/// Connects again and again until standard input ends; then prints the longest time without an answer, and as whom the
/// server saw this host.
pub fn reach(to: SocketAddr) -> io::Result<()> {
    let (end, ended) = channel::<()>();
    std::thread::spawn(move || {
        // What is said does not matter, only that nothing more will come.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        drop(end);
    });
    println!("ready");
    let (mut longest, mut heard, mut seen) = (Duration::ZERO, Instant::now(), BTreeSet::new());
    while ended.recv_timeout(PULSE) == Err(RecvTimeoutError::Timeout) {
        // Nobody there, for now: that is what is measured.
        let Ok(answer) = attempt(to) else { continue };
        longest = longest.max(heard.elapsed());
        heard = Instant::now();
        seen.insert(answer);
    }
    longest = longest.max(heard.elapsed());
    println!(
        "{}",
        json!({ "longest_s": longest.as_secs_f64(), "seen": seen })
    );
    Ok(())
}

/// What the server says behind its name.
fn attempt(to: SocketAddr) -> io::Result<String> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (_, client) = greeting(&mut io::BufReader::new(stream))?;
    Ok(client)
}
