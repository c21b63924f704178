//! The text tables of `plans/takeover`: what the address planners answer, case by case.
//!
//! A file is prose and cases. A case is lines of input, a line `----`, and lines of output up to
//! an empty line or the end of the file; lines that begin with `#` outside the output are prose.
//! `CTDB_BLESS=1 cargo test -p ctdb-itests --test plans_takeover` rewrites the outputs; read the
//! difference before it is committed.
//!
//! Input lines, each algorithm named giving one block of output:
//!
//! ```text
//! nodes 4                                  number of lines of the node list
//! algorithm lcp2 deterministic             also: nondeterministic
//! unable 1 3                               nodes that can host nothing now
//! NoIPFailback | NoIPTakeover              tunables that are on
//! rebalance 2                              nodes under forced rebalancing
//! home 10.1.1.1 2                          a line of home_nodes
//! address 10.1.1.1 nodes 0,1 held 0        nodes: default all; held: default nobody
//! ```
//!
//! Output lines: an address and its node or `-`; `*` marks what is not as it was held.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ctdb_protocol::id::Pnn;
use ctdb_protocol::takeover::alloc::{AddressState, Algorithm, Input, plan};

const BLESS: &str = "CTDB_BLESS";
const RULE: &str = "----";

#[derive(Default)]
struct Case {
    algorithms: Vec<(String, Algorithm)>,
    input: Input,
    unable: Vec<Pnn>,
}

/// One line's meaning is added to the case; the error names what is wrong with the line.
fn read_line(case: &mut Case, line: &str) -> Result<(), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (&verb, values) = words.split_first().ok_or("empty line")?;
    match (verb, values) {
        ("nodes", [count]) => case.input.nodes = number(count)?,
        ("algorithm", names) => {
            for name in names {
                case.algorithms.push(((*name).to_owned(), algorithm(name)?));
            }
        }
        ("unable", list) => case.unable = pnns(list)?,
        ("NoIPFailback", []) => case.input.no_ip_failback = true,
        ("NoIPTakeover", []) => case.input.no_ip_takeover = true,
        ("rebalance", list) => case.input.force_rebalance = pnns(list)?.into_iter().collect(),
        ("home", [ip, node]) => {
            case.input
                .home_nodes
                .insert(address(ip)?, Pnn(number(node)?));
        }
        ("address", [ip, rest @ ..]) => {
            let state = address_state(rest, case.input.nodes)?;
            if case.input.addresses.insert(address(ip)?, state).is_some() {
                return Err(format!("{ip} stands twice"));
            }
        }
        _ => return Err(format!("cannot read `{line}`")),
    }
    Ok(())
}

fn address_state(words: &[&str], nodes: u32) -> Result<AddressState, String> {
    let mut state = AddressState {
        current: None,
        able: (0..nodes).map(Pnn).collect(),
    };
    for pair in words.chunks(2) {
        match pair {
            ["nodes", list] => {
                state.able = pnns(&list.split(',').collect::<Vec<_>>())?
                    .into_iter()
                    .collect();
            }
            ["held", node] => state.current = Some(Pnn(number(node)?)),
            _ => return Err(format!("cannot read `{}`", words.join(" "))),
        }
    }
    Ok(state)
}

fn number(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a number"))
}

fn pnns(list: &[&str]) -> Result<Vec<Pnn>, String> {
    list.iter().map(|text| number(text).map(Pnn)).collect()
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not an address"))
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    match name {
        "deterministic" => Ok(Algorithm::Deterministic),
        "nondeterministic" => Ok(Algorithm::Nondeterministic),
        "lcp2" => Ok(Algorithm::Lcp2),
        _ => Err(format!("`{name}` is not an algorithm")),
    }
}

/// The case's output as it ought to stand below the rule.
fn answer(mut case: Case) -> String {
    for state in case.input.addresses.values_mut() {
        state.able.retain(|pnn| !case.unable.contains(pnn));
    }
    let mut output = String::new();
    for (name, algorithm) in case.algorithms {
        let _ = writeln!(output, "{name}:");
        for (address, node) in plan(algorithm, &case.input) {
            let held = case.input.addresses[&address].current;
            let mark = if node == held { "" } else { " *" };
            let node = node.map_or("-".to_owned(), |pnn| pnn.0.to_string());
            let _ = writeln!(output, "{address} {node}{mark}");
        }
    }
    output
}

/// The file with all outputs as the planners give them now.
fn rewrite(file: &Path, text: &str) -> String {
    let mut result = String::new();
    let mut case = Case::default();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let _ = writeln!(result, "{line}");
        if line == RULE {
            // The old output.
            let more = lines.by_ref().find(|(_, line)| line.is_empty()).is_some();
            result.push_str(&answer(std::mem::take(&mut case)));
            result.push_str(if more { "\n" } else { "" });
        } else if !line.is_empty() && !line.starts_with('#') {
            let place = format!("{}:{}", file.display(), index + 1);
            read_line(&mut case, line).unwrap_or_else(|error| panic!("{place}: {error}"));
        }
    }
    let pending = case.input != Input::default() || !case.algorithms.is_empty();
    assert!(
        !pending,
        "{}: the last case has no `{RULE}` and so no output",
        file.display()
    );
    result
}

fn tables() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans/takeover");
    let entries = std::fs::read_dir(folder).expect("plans/takeover is there");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a readable entry").path())
        .collect();
    files.sort();
    files
}

#[test]
fn planners_answer_as_the_tables_say() {
    let mut wrong = String::new();
    for file in tables() {
        let text = std::fs::read_to_string(&file).expect("a readable table");
        let now = rewrite(&file, &text);
        if now == text {
            continue;
        }
        if std::env::var_os(BLESS).is_some() {
            std::fs::write(&file, now).expect("a writable table");
            continue;
        }
        let lines = text.lines().map(Some).chain(std::iter::repeat(None));
        let _ = writeln!(wrong, "{}:", file.display());
        for (index, (now, then)) in now.lines().zip(lines).enumerate() {
            if Some(now) != then {
                let then = then.unwrap_or("(end of file)");
                let _ = writeln!(
                    wrong,
                    "  line {}: planned `{now}`, table `{then}`",
                    index + 1
                );
            }
        }
        if now.lines().count() < text.lines().count() {
            let _ = writeln!(
                wrong,
                "  the table has lines at its end that were not planned"
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}if that is right: {BLESS}=1");
}

#[test]
fn lines_that_cannot_be_read_are_named() {
    for (line, part) in [
        ("nodes many", "`many` is not a number"),
        ("algorithm fair", "`fair` is not an algorithm"),
        ("address 10.1.1", "`10.1.1` is not an address"),
        ("address 10.1.1.1 held", "cannot read `held`"),
        ("NoIPFallback", "cannot read `NoIPFallback`"),
    ] {
        let error = read_line(&mut Case::default(), line).expect_err(line);
        assert!(error.contains(part), "{error}");
    }
}

/// Nodes of the largest cluster that is promised.
const NODES: u32 = 64;
/// Its addresses.
const ADDRESSES: u32 = 10_000;

/// All its addresses without a node, spread over so many networks, IPv4 and others.
fn cold(networks: u32) -> Input {
    let address = |number: u32| match number % networks {
        0 => IpAddr::from((0x0a00_0001 + number).to_be_bytes()),
        network => IpAddr::from([0xfd88, network as u16, 0, 0, 0, 0, 0x1000, number as u16]),
    };
    let state = || AddressState {
        current: None,
        able: (0..NODES).map(Pnn).collect(),
    };
    Input {
        nodes: NODES,
        addresses: (0..ADDRESSES)
            .map(|number| (address(number), state()))
            .collect(),
        ..Input::default()
    }
}

/// All addresses placed anew, and those of a lost node (promised: below a second each; the figures are printed).
fn place_and_lose_a_node(name: &str, algorithm: Algorithm, cold: &Input) {
    let begin = std::time::Instant::now();
    let first = plan(algorithm, cold);
    let took = begin.elapsed().as_secs_f64();
    let lost = Pnn(5);
    let mut warm = cold.clone();
    for (address, state) in &mut warm.addresses {
        state.able.remove(&lost);
        state.current = first[address].filter(|owner| *owner != lost);
    }
    let begin = std::time::Instant::now();
    let second = plan(algorithm, &warm);
    let again = begin.elapsed().as_secs_f64();
    let moved = first
        .iter()
        .filter(|(address, owner)| second[*address] != **owner);
    let moved = moved.count();
    println!("{name}: placed in {took:.3} s; a node lost: {again:.3} s, {moved} moved");
    assert!(
        second
            .values()
            .all(|owner| owner.is_some_and(|owner| owner != lost))
    );
    if algorithm == Algorithm::Lcp2 {
        let of_lost = first.values().filter(|owner| **owner == Some(lost)).count();
        assert_eq!(moved, of_lost, "only the lost node's addresses move");
    }
}

#[test]
fn ten_thousand_addresses_on_sixty_four_nodes() {
    for (name, algorithm, networks) in [
        ("lcp2", Algorithm::Lcp2, 1),
        ("lcp2, two networks", Algorithm::Lcp2, 2),
        ("lcp2, ten networks", Algorithm::Lcp2, 10),
        ("deterministic", Algorithm::Deterministic, 1),
        ("nondeterministic", Algorithm::Nondeterministic, 1),
    ] {
        place_and_lose_a_node(name, algorithm, &cold(networks));
    }
}
