//! Group files (`lvs_nodes`, `natgw_nodes`): private addresses of nodes, a line each, with `follower-only` behind
//! those that never lead. As 4.17 reads them; `slave-only` is the older word for the same.

use std::net::IpAddr;

use ctdb_protocol::settings::GroupLine;

use super::error::Place;
use super::warning::Findings;

/// Reads the text of a group file.
pub(super) fn parse(file: &str, text: &str, findings: &mut Findings) -> Vec<GroupLine> {
    let mut lines: Vec<GroupLine> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let Some(first) = words.next().filter(|word| !word.starts_with('#')) else {
            continue;
        };
        let place = Place::line(file, index + 1);
        let options: Vec<&str> = words.collect();
        let follower_only = match options[..] {
            [] => false,
            ["follower-only" | "slave-only"] => true,
            _ => {
                let message = format!(
                    "\"{}\" is no option: nothing, or follower-only, belongs behind an address",
                    options.join(" ")
                );
                findings.refuse(&place, first, message);
                continue;
            }
        };
        let Ok(address) = first.parse::<IpAddr>() else {
            findings.refuse(&place, first, "a line begins with a node's IP address");
            continue;
        };
        if lines.iter().any(|known| known.address == address) {
            findings.refuse(&place, first, "the node is listed twice");
            continue;
        }
        lines.push(GroupLine {
            address,
            follower_only,
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Vec<(String, bool)>, Vec<String>) {
        let mut findings = Findings::default();
        let lines = parse("lvs_nodes", text, &mut findings);
        let lines = lines
            .iter()
            .map(|l| (l.address.to_string(), l.follower_only));
        let errors = findings.errors.iter().map(ToString::to_string);
        (lines.collect(), errors.collect())
    }

    #[test]
    fn both_words_for_nodes_that_never_lead_and_comments() {
        let text = "# group\n10.0.0.1\n\n  10.0.0.2   follower-only\n#10.0.0.9 bad\nfd00::3\tslave-only \n";
        let lines = [("10.0.0.1", false), ("10.0.0.2", true), ("fd00::3", true)];
        let lines = lines.map(|(address, follower)| (address.to_owned(), follower));
        assert_eq!(parsed(text), (lines.to_vec(), vec![]));
    }

    #[test]
    fn what_is_no_line_is_named() {
        let text = "10.0.0.1 leader\nnode7\n10.0.0.1 follower-only now\n10.0.0.4\n10.0.0.4\n";
        let (lines, errors) = parsed(text);
        assert_eq!(lines.len(), 1);
        let parts = [
            "lvs_nodes:1: 10.0.0.1: \"leader\" is no option",
            "lvs_nodes:2: node7: ",
            "lvs_nodes:3: ",
            "lvs_nodes:5: 10.0.0.4: the node is listed twice",
        ];
        assert_eq!(errors.len(), parts.len(), "{errors:?}");
        for (error, part) in errors.iter().zip(parts) {
            assert!(error.starts_with(part), "{error}");
        }
    }
}
