//! Which nodes are meant.

use super::shell::{self, Shell};

/// Digits of a node's number at most: a longer word is a name.
const DIGITS_MAX: usize = 3;

/// One part of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All nodes.
    All,
    /// One whose daemon runs.
    Any,
    /// Those that are OK.
    Healthy,
    /// Those that are connected.
    Connected,
    /// One by its number.
    Number(usize),
    /// One by its name.
    Name(String),
}

/// The parts, in order; `names`: what is nothing else is a name.
pub(super) fn parse(text: &str, names: bool) -> Result<Vec<Wanted>, String> {
    let mut wanted = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        match part {
            "all" => wanted.push(Wanted::All),
            "any" => wanted.push(Wanted::Any),
            "ok" | "healthy" => wanted.push(Wanted::Healthy),
            "con" | "connected" => wanted.push(Wanted::Connected),
            _ => {
                if let Some(number) = number(part) {
                    wanted.push(Wanted::Number(number));
                } else if let Some((first, last)) = range(part) {
                    wanted.extend((first..=last).map(Wanted::Number));
                } else if names {
                    wanted.push(Wanted::Name(part.to_owned()));
                } else {
                    return Err(format!("{part}: no nodes can be called that"));
                }
            }
        }
    }
    if wanted.is_empty() {
        return Err("no nodes".into());
    }
    Ok(wanted)
}

fn number(text: &str) -> Option<usize> {
    let is_number = text.len() <= DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

fn range(text: &str) -> Option<(usize, usize)> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

/// Their addresses or names; who is OK, connected or there at all is asked for.
pub(super) fn resolve(
    wanted: &[Wanted],
    all: &[Option<String>],
    shell: &Shell,
) -> Result<Vec<String>, String> {
    let address = |number: usize| {
        let known = all.get(number).cloned().flatten();
        known.ok_or_else(|| format!("there is no node {number}"))
    };
    let mut status: Option<Vec<Seen>> = None;
    let mut targets = Vec::new();
    for part in wanted {
        match part {
            Wanted::All => targets.extend(all.iter().flatten().cloned()),
            Wanted::Any => {
                let nodes: Vec<String> = all.iter().flatten().cloned().collect();
                let first = shell.first_pnn(&nodes);
                targets.push(address(first.ok_or("no node's daemon answers")?)?);
            }
            Wanted::Healthy | Wanted::Connected => {
                if status.is_none() {
                    status = Some(shell::status()?.lines().filter_map(seen).collect());
                }
                for seen in status.iter().flatten() {
                    let is_meant = match part {
                        Wanted::Healthy => seen.is_healthy,
                        _ => seen.is_connected,
                    };
                    if is_meant {
                        targets.push(address(seen.pnn)?);
                    }
                }
            }
            Wanted::Number(number) => targets.push(address(*number)?),
            Wanted::Name(name) => targets.push(name.clone()),
        }
    }
    Ok(targets)
}

/// A node as `ctdb -X status` shows it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    pnn: usize,
    is_connected: bool,
    is_healthy: bool,
}

/// A line of it: number, address, one column for each state, the first of them that it is disconnected.
fn seen(line: &str) -> Option<Seen> {
    let mut columns = line.strip_prefix('|')?.split('|');
    let pnn = columns.next()?.parse().ok()?;
    columns.next()?;
    let states: Vec<&str> = columns.collect();
    Some(Seen {
        pnn,
        is_connected: *states.first()? == "0",
        is_healthy: !states.contains(&"1"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_numbers_ranges_and_names() {
        let parsed = parse("0,2-4,ok,web-1,3", true).expect("all of them");
        let expected = [
            Wanted::Number(0),
            Wanted::Number(2),
            Wanted::Number(3),
            Wanted::Number(4),
            Wanted::Healthy,
            Wanted::Name("web-1".into()),
            Wanted::Number(3),
        ];
        assert_eq!(parsed, expected);
        for text in ["web", "3-1", "-1", "1-", "1234", "", ","] {
            assert!(parse(text, false).is_err(), "{text}");
        }
    }

    #[test]
    fn states_of_a_status_line() {
        let text = "|Node|IP|Disconnected|Unknown|Banned|Disabled|Unhealthy|Stopped|Inactive|PartiallyOnline|ThisNode|\n\
                    |0|10.0.0.1|0|0|0|0|0|0|0|0|Y|\n\
                    |1|10.0.0.2|0|0|0|1|0|0|0|0|N|\n\
                    |2|10.0.0.3|1|0|0|0|0|0|1|0|N|\n";
        let states: Vec<_> = text
            .lines()
            .filter_map(seen)
            .map(|seen| (seen.pnn, seen.is_connected, seen.is_healthy))
            .collect();
        let expected = [(0, true, true), (1, true, false), (2, false, false)];
        assert_eq!(states, expected);
    }
}
