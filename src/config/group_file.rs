//! Group files (`lvs_nodes`, `natgw_nodes`), with what is wrong in them by file and line.

use ctdb_protocol::group_file;
use ctdb_protocol::settings::GroupLine;

use super::error::Place;
use super::warning::Findings;

/// Reads the text of a group file.
pub(super) fn parse(file: &str, text: &str, findings: &mut Findings) -> Vec<GroupLine> {
    let (lines, faults) = group_file::parse(text);
    for fault in faults {
        let place = Place::line(file, fault.line);
        findings.refuse(&place, &fault.word, fault.message);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_and_line_are_named() {
        let mut findings = Findings::default();
        let lines = parse("lvs_nodes", "10.0.0.4\nnode7\n", &mut findings);
        assert_eq!(lines.len(), 1);
        let errors: Vec<String> = findings.errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            ["lvs_nodes:2: node7: a line begins with a node's IP address"]
        );
    }
}
