//! Measures from the network of the public addresses; one line of JSON per run. Needs root.

use std::error::Error;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use ctdb_itests::hostile;
use ctdb_itests::probe::{Stop, dual, hold, outage};

const USAGE: &str = "usage:
  probe outage SECONDS IP...
      echo every 10 ms; the longest silence of each address
  probe dual SECONDS INTERFACE IP...
      ARP or neighbour solicitation, and an echo to every MAC that ever answered, each 20 ms; for how long two
      answered at once (above 40 ms)
  probe hold
      the first process of a namespace: prints READY, reaps orphans, ends with its standard input
  probe hostile-node ADDRESS:PORT OWN_PNN PEER_PNN COUNT SEED
  probe hostile-client SOCKET COUNT SEED
  probe hostile-console ADDRESS:PORT COUNT SEED
      bad input: counts of what was sent
  --until-eof as the first argument of a measurement ends it early, when standard input ends";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("probe: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<(), Box<dyn Error>> {
    let line = match *args {
        ["hold"] => return Ok(hold()?),
        ["outage", ref rest @ ..] => {
            let (stop, rest) = stop(rest)?;
            outage(&addresses(rest)?, &stop)?.to_json()
        }
        ["dual", ref rest @ ..] => {
            let (stop, rest) = stop(rest)?;
            let (interface, rest) = rest.split_first().ok_or(USAGE)?;
            dual(interface, &addresses(rest)?, &stop)?.to_json()
        }
        ["hostile-node", to, own, peer, count, seed] => hostile::node(
            to.parse()?,
            own.parse()?,
            peer.parse()?,
            count.parse()?,
            seed.parse()?,
        )?
        .to_json(),
        ["hostile-client", socket, count, seed] => {
            hostile::client(socket, count.parse()?, seed.parse()?)?.to_json()
        }
        ["hostile-console", to, count, seed] => {
            hostile::console(to.parse()?, count.parse()?, seed.parse()?)?.to_json()
        }
        _ => return Err(USAGE.into()),
    };
    println!("{line}");
    Ok(())
}

fn stop<'a, 'b>(args: &'a [&'b str]) -> Result<(Stop, &'a [&'b str]), Box<dyn Error>> {
    let (early, args) = match args {
        ["--until-eof", rest @ ..] => (true, rest),
        _ => (false, args),
    };
    let (seconds, rest) = args.split_first().ok_or(USAGE)?;
    let seconds = Duration::try_from_secs_f64(seconds.parse()?)?;
    let stop = Stop::after(seconds);
    Ok((if early { stop.or_end_of_input() } else { stop }, rest))
}

fn addresses(args: &[&str]) -> Result<Vec<IpAddr>, Box<dyn Error>> {
    let list: Vec<IpAddr> = args
        .iter()
        .map(|text| text.parse().map_err(|_| format!("{text}: no IP address")))
        .collect::<Result<_, _>>()?;
    if list.is_empty() || list.len() > usize::from(u16::MAX) {
        return Err(USAGE.into());
    }
    Ok(list)
}
