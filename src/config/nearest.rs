//! Finds the valid name closest to a mistyped one.

/// Longest name compared; longer ones are no typing errors.
const LONGEST_NAME: usize = 64;

/// The candidate with the fewest edits, if it is close enough to be meant.
///
/// Upper and lower case count as equal; at most a third of the name (and at least two characters)
/// may differ. The first candidate wins a tie.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let name = name.to_lowercase();
    let length = name.chars().count();
    if length > LONGEST_NAME {
        return None;
    }
    let allowed = (length / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (distance(&name, &candidate.to_lowercase()), candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate.to_owned())
}

/// Levenshtein's distance, one row at a time.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn suggests_only_what_can_be_meant() {
        let names = ["log level", "location", "leader timeout"];
        assert_eq!(nearest("loglevel", names).as_deref(), Some("log level"));
        assert_eq!(
            nearest("LEADER TIMEUOT", names).as_deref(),
            Some("leader timeout")
        );
        assert_eq!(nearest("bananas", names), None);
        assert_eq!(nearest(&"x".repeat(10_000), names), None);
    }
}
