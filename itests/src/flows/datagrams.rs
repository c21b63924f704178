//! Datagrams that tell which node has them.

use serde_json::json;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest that is answered.
const LONGEST: usize = 60_000;

/// Answers each datagram to the address, from that address, with its name and what is right with what came: `whole`, or
/// what was expected. Prints `ready` when it listens.
pub fn echo(name: &str, at: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind(at)?;
    println!("ready");
    let mut datagram = vec![0; LONGEST];
    loop {
        let (length, client) = socket.recv_from(&mut datagram)?;
        let whole = datagram[..length] == pattern(length)[..];
        let verdict = if whole { "whole" } else { "damaged" };
        // A client that goes away is no failure of the server.
        let _ = socket.send_to(format!("{name} {length} {verdict}").as_bytes(), client);
    }
}

/// Bytes of which each is another one than its neighbours.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Sends datagrams of that length from these addresses in turn, from port `first` on, and prints a line of JSON: for
/// each source the nodes that answered with how many, and what went wrong.
pub fn send(
    to: SocketAddr,
    (count, first): (u16, u16),
    length: usize,
    sources: &[IpAddr],
) -> io::Result<()> {
    let mut served: BTreeMap<IpAddr, BTreeMap<String, u32>> = BTreeMap::new();
    let mut failed: BTreeMap<String, u32> = BTreeMap::new();
    for (port, source) in (first..first + count).zip(sources.iter().cycle()) {
        match ask(to, (*source, port).into(), length) {
            Ok(name) => *served.entry(*source).or_default().entry(name).or_default() += 1,
            Err(error) => *failed.entry(error.to_string()).or_default() += 1,
        }
    }
    println!("{}", json!({ "served": served, "failed": failed }));
    Ok(())
}

fn ask(to: SocketAddr, from: SocketAddr, length: usize) -> io::Result<String> {
    let socket = UdpSocket::bind(from)?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(&pattern(length))?;
    let mut answer = [0; 64];
    let got = socket.recv(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer[..got]).into_owned();
    match answer.strip_suffix(&format!(" {length} whole")) {
        Some(name) => Ok(name.to_owned()),
        None => Err(io::Error::other(answer)),
    }
}
