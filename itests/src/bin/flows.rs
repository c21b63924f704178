//! Many TCP connections to one address, and a server that says which node it runs on. See `ctdb_itests::flows`.

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;

use ctdb_itests::flows::{connect, echo, reach, send, serve};

const USAGE: &str = "usage:
  flows serve NAME PORT
      answers on all addresses: its name and the client's address, then what it is asked for
  flows connect ADDRESS PORT COUNT FIRST_PORT SOURCE...
      opens COUNT connections from these addresses in turn, from port FIRST_PORT on, and prints who answered;
      then obeys the lines of its standard input: `check`, `watch SECONDS`, `get BYTES`, `put BYTES`, `ports`,
      `too-big ROUTER`
  flows reach ADDRESS PORT
      opens connections one after the other until its standard input ends, and prints the longest time without one
  flows echo NAME ADDRESS PORT
      answers datagrams to that address
  flows send ADDRESS PORT COUNT FIRST_PORT LENGTH SOURCE...
      sends datagrams and prints who answered";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flows: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<(), Box<dyn Error>> {
    match *args {
        ["serve", name, port] => serve(name, port.parse()?)?,
        ["connect", address, port, count, first, ref sources @ ..] if !sources.is_empty() => {
            let sources: Result<Vec<_>, _> = sources.iter().map(|source| source.parse()).collect();
            let to = SocketAddr::new(address.parse()?, port.parse()?);
            connect(to, count.parse()?, first.parse()?, &sources?)?;
        }
        ["reach", address, port] => reach(SocketAddr::new(address.parse()?, port.parse()?))?,
        ["echo", name, address, port] => {
            echo(name, SocketAddr::new(address.parse()?, port.parse()?))?;
        }
        [
            "send",
            address,
            port,
            count,
            first,
            length,
            ref sources @ ..,
        ] if !sources.is_empty() => {
            let sources: Result<Vec<_>, _> = sources.iter().map(|source| source.parse()).collect();
            let to = SocketAddr::new(address.parse()?, port.parse()?);
            let ports = (count.parse()?, first.parse()?);
            send(to, ports, length.parse()?, &sources?)?;
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}
