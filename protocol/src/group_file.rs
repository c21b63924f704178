//! Group files (`lvs_nodes`, `natgw_nodes`): private addresses of nodes, a line each, with `follower-only` behind
//! those that never lead. As 4.17 reads them; `slave-only` is the older word for the same.

use crate::settings::GroupLine;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

/// A line that means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number, from 1.
    pub line: usize,
    /// Its first word.
    pub word: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.word, self.message)
    }
}

/// Reads the text of a group file: its good lines in their order, and all that is wrong with the others.
pub fn parse(text: &str) -> (Vec<GroupLine>, Vec<Fault>) {
    let (mut lines, mut faults): (Vec<GroupLine>, Vec<Fault>) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let Some(first) = words.next().filter(|word| !word.starts_with('#')) else {
            continue;
        };
        let options: Vec<&str> = words.collect();
        match line_of(first, &options, &lines) {
            Ok(line) => lines.push(line),
            Err(message) => faults.push(Fault {
                line: index + 1,
                word: first.to_string(),
                message,
            }),
        }
    }
    (lines, faults)
}

fn line_of(first: &str, options: &[&str], before: &[GroupLine]) -> Result<GroupLine, String> {
    let follower_only = match options {
        [] => false,
        ["follower-only" | "slave-only"] => true,
        _ => {
            let options = options.join(" ");
            return Err(format!(
                "\"{options}\" is no option: nothing, or follower-only, belongs behind an address"
            ));
        }
    };
    let address = first.parse::<IpAddr>();
    let address = address.map_err(|_| String::from("a line begins with a node's IP address"))?;
    if before.iter().any(|known| known.address == address) {
        return Err(String::from("the node is listed twice"));
    }
    Ok(GroupLine {
        address,
        follower_only,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_words_for_nodes_that_never_lead_and_comments() {
        let text = "# group\n10.0.0.1\n\n  10.0.0.2   follower-only\n#10.0.0.9 bad\nfd00::3\tslave-only \n";
        let lines = [("10.0.0.1", false), ("10.0.0.2", true), ("fd00::3", true)];
        let (found, faults) = parse(text);
        let found: Vec<(String, bool)> = found
            .iter()
            .map(|line| (line.address.to_string(), line.follower_only))
            .collect();
        assert_eq!(found, lines.map(|(ip, follows)| (ip.to_string(), follows)));
        assert_eq!(faults, []);
    }

    #[test]
    fn what_is_no_line_is_named() {
        let text = "10.0.0.1 leader\nnode7\n10.0.0.1 follower-only now\n10.0.0.4\n10.0.0.4\n";
        let (lines, faults) = parse(text);
        assert_eq!(lines.len(), 1);
        let parts = [
            "line 1: 10.0.0.1: \"leader\" is no option",
            "line 2: node7: ",
            "line 3: ",
            "line 5: 10.0.0.4: the node is listed twice",
        ];
        assert_eq!(faults.len(), parts.len(), "{faults:?}");
        for (fault, part) in faults.iter().zip(parts) {
            assert!(fault.to_string().starts_with(part), "{fault}");
        }
    }
}
