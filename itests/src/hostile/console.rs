//! The console: lines that are long, binary, or almost commands.

use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ctdb_protocol::rng::Rng;

use super::report::Report;

const LINES_A_CONNECTION: u64 = 20;
const WORDS: [&str; 14] = [
    "status", "ip", "-v", "-n", "all", "-X", "-j", "ping", "help", "listvars", "catdb", "auth",
    "\"", "-1",
];
/// Above every limit that a console may have, in bytes.
const LONG: usize = 1 << 20;

/// Sends `count` lines.
pub fn console(to: SocketAddr, count: u64, seed: u64) -> Result<Report> {
    let mut rng = Rng::new(seed);
    let mut report = Report::default();
    while report.sent < count {
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        stream.set_read_timeout(Some(Duration::from_millis(1)))?;
        report.connections += 1;
        for _ in 0..LINES_A_CONNECTION {
            let line = line(&mut rng);
            let mut answer = [0; 8192];
            let ended =
                stream.write_all(&line).is_err() || matches!(stream.read(&mut answer), Ok(0));
            if ended {
                report.closed += 1;
                break;
            }
            report.sent += 1;
            report.greeted += 1;
        }
    }
    Ok(report)
}

fn line(rng: &mut Rng) -> Vec<u8> {
    let mut line = Vec::new();
    match rng.below(20) {
        0 => line.resize(LONG, b'a'),
        1..=6 => line.extend((0..rng.below(400)).map(|_| rng.next_u64() as u8)),
        _ => {
            for _ in 0..rng.below(6) {
                let word = WORDS[rng.below(WORDS.len() as u64) as usize];
                line.extend(word.bytes());
                line.push(if rng.chance(1, 8) {
                    rng.next_u64() as u8
                } else {
                    b' '
                });
            }
        }
    }
    line.push(b'\n');
    line
}
