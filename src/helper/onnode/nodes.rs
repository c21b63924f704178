//! The nodes file as this program needs it: names are as good as addresses.

use std::fs;
use std::path::Path;

/// Addresses or names of the nodes by number; none where a node was deleted.
pub(super) fn read(path: &Path) -> Result<Vec<Option<String>>, String> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(parse(&text))
}

/// Lines count as the daemon counts them: empty ones have no number.
fn parse(text: &str) -> Vec<Option<String>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (name, _) = line.split_once('#').unwrap_or((line, ""));
            let name = name.trim_end();
            (!name.is_empty()).then(|| name.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deleted_nodes_keep_their_number() {
        let text = "10.0.0.1\n#10.0.0.2\n\n  node3 # the third\n# gone\n";
        let expected = [Some("10.0.0.1"), None, Some("node3"), None];
        let expected: Vec<_> = expected.map(|name| name.map(str::to_owned)).into();
        assert_eq!(parse(text), expected);
    }
}
