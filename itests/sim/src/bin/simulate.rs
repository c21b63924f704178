//! `simulate [--seed N] [--count K] [--nodes N] [--trace] [--calm] [--sabotage NAME]`: runs seeds and reports.

use ctdb_sim::census::{Census, PATHS};
use ctdb_sim::fault::FaultKind;
use ctdb_sim::run;
use ctdb_sim::sabotage::Sabotage;
use ctdb_sim::swarm::Options;
use std::process::ExitCode;

/// From so many seeds on every fault and path must have occurred.
const SEEDS_FOR_CENSUS: u64 = 1_000;

struct Arguments {
    seed: u64,
    count: u64,
    nodes: Option<u32>,
    trace: bool,
    calm: bool,
    sabotage: Option<Sabotage>,
}

fn arguments() -> Result<Arguments, String> {
    let mut read = Arguments {
        seed: 1,
        count: 1,
        nodes: None,
        trace: false,
        calm: false,
        sabotage: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words
                .next()
                .ok_or_else(|| format!("{word} wants a value"))?;
            value
                .parse::<u64>()
                .map_err(|error| format!("{word} {value}: {error}"))
        };
        match word.as_str() {
            "--seed" => read.seed = number()?,
            "--count" => read.count = number()?,
            "--nodes" => {
                read.nodes = Some(u32::try_from(number()?).map_err(|error| error.to_string())?);
            }
            "--trace" => read.trace = true,
            "--calm" => read.calm = true,
            "--sabotage" => {
                let name = words.next().unwrap_or_default();
                let known = Sabotage::ALL.into_iter().find(|bug| bug.name() == name);
                read.sabotage = Some(known.ok_or_else(|| format!("no bug is called '{name}'"))?);
            }
            _ => return Err(format!("unknown argument '{word}'")),
        }
    }
    Ok(read)
}

fn options(arguments: &Arguments, seed: u64) -> Options {
    let mut options = Options::from_seed(seed);
    options.nodes = arguments.nodes.unwrap_or(options.nodes).clamp(2, 64);
    options.sabotage = arguments.sabotage;
    options.trace = arguments.trace;
    if arguments.calm {
        options.calm()
    } else {
        options
    }
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("simulate: {error}");
            return ExitCode::from(2);
        }
    };
    let mut census = Census::default();
    let mut failed = 0_u64;
    let mut slowest = 0;
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.count) {
        let outcome = run(&options(&arguments, seed));
        census.add(&outcome.census);
        slowest = slowest.max(outcome.healed_after_us.unwrap_or(0));
        for line in &outcome.trace {
            println!("{line}");
        }
        if let Some(broken) = outcome.broken {
            failed += 1;
            println!("seed {seed} FAILED: {broken}");
            println!("  reproduce: cargo run -p ctdb-sim --bin simulate -- --seed {seed} --trace");
        } else if arguments.count == 1 {
            println!("seed {seed} is good, hash {:016x}", outcome.hash);
        }
    }
    println!("{census}");
    println!("slowest healing: {} ms", slowest / 1_000);
    println!("{} seeds, {failed} failed", arguments.count);
    let expected = PATHS.into_iter().chain(FaultKind::ALL.map(FaultKind::name));
    let missing = census.missing(expected);
    if arguments.count >= SEEDS_FOR_CENSUS && !missing.is_empty() {
        println!("never occurred: {}", missing.join(", "));
        return ExitCode::FAILURE;
    }
    if failed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
