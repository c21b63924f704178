//! Rates and how they are shown.

use super::workload::Workload;

/// What the rounds of one workload gave, per second.
#[derive(Clone, Debug)]
pub struct Rates {
    workload: Workload,
    nodes: usize,
    pub(super) debian: Vec<f64>,
    pub(super) ours: Vec<f64>,
    /// Of bare relays, where there are any.
    pub(super) floor: Vec<f64>,
}

impl Rates {
    pub(super) const fn new(workload: Workload, nodes: usize) -> Self {
        Self {
            workload,
            nodes,
            debian: Vec::new(),
            ours: Vec::new(),
            floor: Vec::new(),
        }
    }

    /// How many times faster ours is: the median over the rounds, each of which compares neighbours in time.
    pub fn ratio(&self) -> f64 {
        relation(&self.ours, &self.debian)
    }

    /// How near ours is to bare relays: 1 is as fast; nothing if there are none to compare with.
    pub fn of_floor(&self) -> Option<f64> {
        (!self.floor.is_empty()).then(|| relation(&self.ours, &self.floor))
    }
}

/// The median over the rounds: how many times faster the one is than its reference.
fn relation(rates: &[f64], reference: &[f64]) -> f64 {
    let pairs = rates.iter().zip(reference);
    median(pairs.map(|(rate, reference)| rate / reference))
}

/// The ratio to the floor, or a dash.
fn shown(of_floor: Option<f64>) -> String {
    of_floor.map_or_else(|| String::from("–"), |ratio| format!("{ratio:.2}"))
}

/// The one in the middle; of an even number the mean of the two there. Not a number of none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().saturating_sub(1) / 2, values.len() / 2);
    match (values.get(low), values.get(high)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}

/// One line a workload, with all rounds.
pub fn print_table(rates: &[Rates]) {
    for line in rates {
        let (name, nodes) = (line.workload.name(), line.nodes);
        let all = |rounds: &[f64]| {
            let words: Vec<String> = rounds.iter().map(|rate| format!("{rate:.0}")).collect();
            words.join(" ")
        };
        println!(
            "{name:<22} {nodes:>2} nodes  Debian {:<24} ours {:<24} ratio {:.2}  bare relay {:<24} of it {}",
            all(&line.debian),
            all(&line.ours),
            line.ratio(),
            all(&line.floor),
            shown(line.of_floor())
        );
    }
}

/// The medians as a table for a document.
pub fn print_markdown(rates: &[Rates]) {
    println!(
        "\n| clients | nodes | counted per second | Debian 4.17 | ours | ratio | ours of a bare relay |"
    );
    println!("|---|---|---|---|---|---|---|");
    for line in rates {
        let of = |rounds: &[f64]| median(rounds.iter().copied());
        println!(
            "| `{}` | {} | {} | {:.0} | {:.0} | {:.2} | {} |",
            line.workload.name(),
            line.nodes,
            line.workload.unit(),
            of(&line.debian),
            of(&line.ours),
            line.ratio(),
            shown(line.of_floor())
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_disturbed_round_does_not_move_the_ratio() {
        let mut rates = Rates::new(Workload::MessageRing, 3);
        assert!(rates.ratio().is_nan());
        rates.debian = vec![100.0, 50.0, 100.0];
        rates.ours = vec![120.0, 60.0, 1.0];
        assert!((rates.ratio() - 1.2).abs() < 1e-9);
    }
}
