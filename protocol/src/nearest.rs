//! Finds the valid word closest to a mistyped one.

use alloc::string::String;
use alloc::vec::Vec;

/// Longest word compared; longer ones are no typing errors.
const LONGEST_WORD: usize = 64;

/// The candidate with the fewest edits, if it is close enough to be meant: at most a third of the word,
/// and at least two characters, may differ. Case does not count; the first candidate wins a tie.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: String = word.to_ascii_lowercase();
    let length = word.chars().count();
    if length > LONGEST_WORD {
        return None;
    }
    let allowed = (length / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
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
    fn suggests_only_what_can_be_meant() {
        let words = ["status", "stop", "statistics"];
        assert_eq!(nearest("statsu", words), Some("status"));
        assert_eq!(nearest("STAUS", words), Some("status"));
        assert_eq!(nearest("bananas", words), None);
        assert_eq!(nearest(&"s".repeat(100_000), words), None);
    }
}
