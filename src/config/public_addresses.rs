//! The public address file: `ADDRESS/BITS INTERFACE[,INTERFACE…]` a line.
//!
//! A line without mask, as older manuals print it, is read with an open prefix for
//! [`super::prefix`] to fill.

use std::net::IpAddr;

use super::error::Place;
use super::warning::Findings;

/// One line, before a missing prefix is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicLine {
    pub(super) address: IpAddr,
    pub(super) prefix: Option<u8>,
    pub(super) interfaces: Vec<String>,
    pub(super) place: Place,
}

/// Longest interface name of Linux (`IFNAMSIZ` less the closing zero).
const LONGEST_INTERFACE: usize = 15;

/// Reads the text of a public address file.
pub(super) fn parse(file: &str, text: &str, findings: &mut Findings) -> Vec<PublicLine> {
    let mut lines: Vec<PublicLine> = Vec::new();
    let mut seen = std::collections::BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = Place::line(file, index + 1);
        match parse_line(line, &place) {
            Ok(parsed) => match seen.insert(parsed.address, index + 1) {
                Some(first) => {
                    let message =
                        format!("address listed twice: it stands in line {first} already");
                    findings.refuse(&place, &parsed.address.to_string(), message);
                }
                None => lines.push(parsed),
            },
            Err((key, message)) => findings.refuse(&place, &key, message),
        }
    }
    lines
}

/// The error names the word at fault.
fn parse_line(line: &str, place: &Place) -> Result<PublicLine, (String, String)> {
    let mut words = line.split_whitespace();
    let word = words.next().unwrap_or_default();
    let (address, mask) = match word.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (word, None),
    };
    let fault = |message: String| (word.to_owned(), message);
    let address: IpAddr = address
        .parse()
        .map_err(|_| fault(format!("\"{address}\" is no IP address")))?;
    if address.is_unspecified() || address.is_multicast() {
        return Err(fault("no address that clients can reach".to_owned()));
    }
    let most: u8 = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match mask {
        None => None,
        Some(mask) => match mask.parse::<u8>() {
            Ok(bits) if (1..=most).contains(&bits) => Some(bits),
            _ => {
                return Err(fault(format!(
                    "bad mask \"{mask}\": a number from 1 to {most} belongs here"
                )));
            }
        },
    };
    let Some(list) = words.next() else {
        return Err(fault("no interface is named".to_owned()));
    };
    if let Some(extra) = words.next() {
        let message =
            format!("\"{extra}\" is too much: interfaces are joined by commas without blanks");
        return Err(fault(message));
    }
    Ok(PublicLine {
        address,
        prefix,
        interfaces: interfaces(list)?,
        place: place.clone(),
    })
}

fn interfaces(list: &str) -> Result<Vec<String>, (String, String)> {
    let mut names: Vec<String> = Vec::new();
    for name in list.split(',') {
        if name.is_empty() || name.len() > LONGEST_INTERFACE || name.contains('/') {
            let message = format!("\"{name}\" is no interface name");
            return Err((list.to_owned(), message));
        }
        if names.iter().any(|known| known == name) {
            return Err((list.to_owned(), format!("interface {name} is named twice")));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Vec<PublicLine>, Vec<String>) {
        let mut findings = Findings::default();
        let lines = parse("public_addresses", text, &mut findings);
        (
            lines,
            findings.errors.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn addresses_of_both_families_with_several_interfaces() {
        let (lines, errors) = parsed("# note\n\n 10.1.1.1/24 eth1,eth2\nfd00::1/64\tbond0\n");
        assert_eq!(errors, [""; 0]);
        assert_eq!(lines[0].prefix, Some(24));
        assert_eq!(lines[0].interfaces, ["eth1", "eth2"]);
        assert_eq!(lines[1].prefix, Some(64));
        assert_eq!(lines[1].place, Place::line("public_addresses", 4));
    }

    #[test]
    fn a_missing_mask_is_left_open() {
        let (lines, errors) = parsed("192.168.1.98 eth2,eth3\n192.168.1.99 eth2,eth3\n");
        assert_eq!(errors, [""; 0]);
        assert!(lines.iter().all(|line| line.prefix.is_none()));
    }

    #[test]
    fn bad_masks_are_refused() {
        for mask in ["33", "0", "x", "", "255.255.255.0", "-1"] {
            let (_, errors) = parsed(&format!("10.0.0.1/{mask} eth0\n"));
            assert!(errors[0].contains("bad mask"), "{mask}: {errors:?}");
            assert!(
                errors[0].starts_with("public_addresses:1: 10.0.0.1/"),
                "{errors:?}"
            );
        }
        assert!(parsed("fd00::1/129 eth0").1[0].contains("from 1 to 128"));
    }

    #[test]
    fn an_address_listed_twice_is_refused() {
        let (_, errors) = parsed("10.0.0.1/24 eth0\n10.0.0.2/24 eth0\n10.0.0.1/16 eth1\n");
        let expected =
            "public_addresses:3: 10.0.0.1: address listed twice: it stands in line 1 already";
        assert_eq!(errors, [expected]);
    }

    #[test]
    fn malformed_lines_are_refused() {
        for (line, message) in [
            ("10.0.0.1/24", "no interface is named"),
            ("10.0.0.1/24 eth0 eth1", "joined by commas"),
            ("10.0.0.1/24 eth0,", "is no interface name"),
            ("10.0.0.1/24 eth0,eth0", "named twice"),
            (
                "10.0.0.1/24 interface-name-too-long",
                "is no interface name",
            ),
            ("host/24 eth0", "is no IP address"),
            ("0.0.0.0/24 eth0", "clients can reach"),
        ] {
            let (_, errors) = parsed(line);
            assert!(
                errors.len() == 1 && errors[0].contains(message),
                "{line}: {errors:?}"
            );
        }
    }
}
