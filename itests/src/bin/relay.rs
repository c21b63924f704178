//! Bare relays and their clients, for `bench-rates`. See `ctdb_itests::relay`.

use std::error::Error;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ctdb_itests::relay::{Node, Ring};
use serde_json::json;

const USAGE: &str = "usage:
  relay node OWN PORT SOCKET ANSWER_BYTES ADDRESS...
      passes frames on between the client at SOCKET and the relays of all ADDRESSes, of which number OWN is this one's
  relay ring OWN NODES SOCKET SECONDS message|record
      passes tokens round the ring, and the record if so, and prints how many a second";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<(), Box<dyn Error>> {
    match *args {
        ["node", own, port, socket, answer_bytes, ref addresses @ ..] => {
            let own: usize = own.parse()?;
            let addresses: Result<Vec<Ipv4Addr>, _> =
                addresses.iter().map(|address| address.parse()).collect();
            let addresses = addresses?;
            if own >= addresses.len() {
                return Err(USAGE.into());
            }
            let (port, answer_bytes) = (port.parse()?, answer_bytes.parse()?);
            Node::connect(own, &addresses, port, Path::new(socket), answer_bytes)?.run()?;
        }
        [
            "ring",
            own,
            nodes,
            socket,
            seconds,
            what @ ("message" | "record"),
        ] => {
            let ring = Ring {
                own: own.parse()?,
                nodes: nodes.parse()?,
                duration: Duration::from_secs(seconds.parse()?),
                with_record: what == "record",
            };
            let per_s = ring.run(Path::new(socket))?;
            println!("{}", json!({ "per_s": per_s }));
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}
