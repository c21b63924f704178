//! Who answered for an address, and when: spans of time, and where those of two holders overlap.

use std::collections::BTreeMap;

/// Answers at most this far apart belong to one span, in seconds.
const SAME_SPAN_S: f64 = 0.2;

/// The spans of each holder of one address, in seconds from the start.
#[derive(Debug, Clone, Default)]
pub struct Spans {
    holders: BTreeMap<[u8; 6], Vec<(f64, f64)>>,
}

impl Spans {
    /// A holder answered. Times must not go back.
    pub fn answered(&mut self, holder: [u8; 6], at_s: f64) {
        let spans = self.holders.entry(holder).or_default();
        match spans.last_mut() {
            Some(last) if at_s - last.1 < SAME_SPAN_S => last.1 = at_s,
            _ => spans.push((at_s, at_s)),
        }
    }

    /// Everyone who ever answered.
    pub fn holders(&self) -> impl Iterator<Item = [u8; 6]> + '_ {
        self.holders.keys().copied()
    }

    /// For how long two of them answered at once, at most; 0 if never.
    pub fn longest_overlap_s(&self) -> f64 {
        let lists: Vec<&Vec<(f64, f64)>> = self.holders.values().collect();
        let mut longest: f64 = 0.0;
        for (index, one) in lists.iter().enumerate() {
            for other in &lists[..index] {
                for a in *one {
                    for b in *other {
                        longest = longest.max(a.1.min(b.1) - a.0.max(b.0));
                    }
                }
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 6] = [1; 6];
    const B: [u8; 6] = [2; 6];

    fn answers(list: &[([u8; 6], f64, f64)]) -> f64 {
        let mut all: Vec<(f64, [u8; 6])> = Vec::new();
        for &(holder, from, to) in list {
            let times = (0..).map(|step| from + f64::from(step) * 0.02);
            all.extend(
                times
                    .take_while(|at| *at < to + 0.001)
                    .map(|at| (at, holder)),
            );
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut spans = Spans::default();
        for (at, holder) in all {
            spans.answered(holder, at);
        }
        spans.longest_overlap_s()
    }

    #[test]
    fn a_hand_over_is_no_overlap() {
        assert!(answers(&[(A, 0.0, 2.0), (B, 2.01, 4.0)]) < 0.001);
        assert!(answers(&[(A, 0.0, 1.0), (B, 1.5, 2.0), (A, 2.5, 3.0)]) < 0.001);
    }

    #[test]
    fn the_longest_overlap_counts() {
        let overlap = answers(&[(A, 0.0, 2.0), (B, 1.9, 4.0), (A, 3.0, 3.5)]);
        assert!((overlap - 0.5).abs() < 0.021, "{overlap}");
    }
}
