//! `ctdb_killtcp`: ends TCP connections, for scripts.

use ctdb_actors::net::kill::{Direction, kill};
use std::ffi::OsString;
use std::io::{self, BufRead};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

const USAGE: &str = "\
Usage: ctdb_killtcp <interface> [ <srcip:port> <dstip:port> ]

Resets the source end of each connection in the name of its destination. Without a connection, reads one from each
line of stdin.";

/// Runs the program. Like 4.17's it ends with 0 whether or not somebody was there to be reset.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let (interface, directions) = match words[..] {
        [interface] => (interface, read(io::stdin().lock())),
        [interface, source, destination] => (
            interface,
            direction(source, destination).map(|one| vec![one]),
        ),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let killed = directions.and_then(|directions| {
        if directions.is_empty() {
            return Ok(Vec::new());
        }
        kill(interface, &directions).map_err(|error| error.to_string())
    });
    match killed {
        Ok(left) => {
            for Direction { far, near } in left {
                eprintln!("ctdb_killtcp: {far} {near}: no answer of the first one on {interface}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ctdb_killtcp: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(input: impl BufRead) -> Result<Vec<Direction>, String> {
    let mut directions = Vec::new();
    for (index, line) in input.lines().enumerate() {
        let line = line.map_err(|error| format!("stdin: {error}"))?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => {}
            [source, destination] => directions.push(direction(source, destination)?),
            _ => {
                return Err(format!(
                    "line {}: expected two ends of a connection, as in \"10.0.0.9:700 10.0.0.31:2049\"",
                    index + 1
                ));
            }
        }
    }
    directions.sort();
    directions.dedup();
    Ok(directions)
}

fn direction(source: &str, destination: &str) -> Result<Direction, String> {
    Ok(Direction {
        far: end(source)?,
        near: end(destination)?,
    })
}

/// An end as `ss` prints it, with or without brackets around the address.
fn end(text: &str) -> Result<SocketAddr, String> {
    let wrong =
        || format!("{text:?} is no address with a port, as in 10.0.0.31:445 or [fd00::31]:445");
    let (ip, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let ip = ip
        .strip_prefix('[')
        .and_then(|ip| ip.strip_suffix(']'))
        .unwrap_or(ip);
    let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
    Ok(SocketAddr::new(
        ip.to_canonical(),
        port.parse().map_err(|_| wrong())?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_as_ss_prints_them() {
        for (text, meant) in [
            ("10.0.0.31:445", "10.0.0.31:445"),
            ("[fd00::31]:445", "[fd00::31]:445"),
            ("fd00::31:445", "[fd00::31]:445"),
            ("[::ffff:10.0.0.31]:445", "10.0.0.31:445"),
        ] {
            assert_eq!(end(text), Ok(meant.parse().expect("an end")), "{text}");
        }
        for text in ["", "10.0.0.31", "10.0.0.31:x", "name:445", "[fd00::31:445"] {
            assert!(end(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_connection_a_line() {
        let read = |text: &str| read(text.as_bytes());
        let two = "\n10.0.0.9:700 10.0.0.31:2049\n10.0.0.31:2049\t10.0.0.9:700\n10.0.0.9:700 10.0.0.31:2049\n";
        assert_eq!(read(two).map(|list| list.len()), Ok(2), "each once");
        assert_eq!(read(""), Ok(Vec::new()));
        let error = read("10.0.0.9:700 10.0.0.31:2049\n10.0.0.9:700\n").expect_err("one end");
        assert!(error.starts_with("line 2: "), "{error}");
    }
}
