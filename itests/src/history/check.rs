//! Whether a history could have happened, one operation after the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use super::fault::Outage;
use super::operation::{Kind, Operation, Outcome, Token};
use super::worker::Store;

/// Something that must not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A value that no change has put there.
    FromNowhere(String, Token),
    /// A change that was done is not among those that led to the value at the end.
    Lost(Operation),
    /// Something was seen on a node without fault that is not among them either.
    SeenAndLost(Operation),
    /// A change took effect before one that had ended when it began.
    Overtaken(Operation),
    /// A value was seen that had been replaced before.
    Stale(Operation),
    /// The number in the record is not the one before and what was added.
    Miscounted(Operation),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Checks what was done to each record of a database; `last` is what stood in them at the end.
pub fn check(
    store: Store,
    history: &[Operation],
    outages: &[Outage],
    last: &BTreeMap<String, Token>,
) -> Vec<Violation> {
    let mut by_key: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in history {
        by_key.entry(&operation.key).or_default().push(operation);
    }
    let mut violations = Vec::new();
    for (key, operations) in by_key {
        let last = last.get(key).copied().unwrap_or_default();
        let record = Record::new(store, &operations, outages);
        record.check(key, last, &mut violations);
    }
    violations
}

/// All operations on one record.
struct Record<'a> {
    store: Store,
    operations: &'a [&'a Operation],
    /// By the token that they put in, also those of which nobody knows.
    changes: HashMap<Token, &'a Operation>,
    outages: &'a [Outage],
}

impl<'a> Record<'a> {
    fn new(store: Store, operations: &'a [&'a Operation], outages: &'a [Outage]) -> Self {
        let changes = operations.iter().filter(|operation| operation.put != 0);
        Self {
            store,
            operations,
            changes: changes.map(|change| (change.put, *change)).collect(),
            outages,
        }
    }

    fn check(&self, key: &str, last: Token, violations: &mut Vec<Violation>) {
        let line = match self.line(last) {
            Ok(line) => line,
            Err(token) => {
                violations.push(Violation::FromNowhere(key.into(), token));
                return;
            }
        };
        check_line(&line, violations);
        self.check_others(&line, violations);
        self.check_reads(&line, violations);
    }

    /// The changes that led to `last`, the first one first.
    fn line(&self, last: Token) -> Result<Vec<&'a Operation>, Token> {
        let (mut line, mut seen) = (Vec::new(), BTreeSet::new());
        let mut token = last;
        while token != 0 {
            let change = self.changes.get(&token).ok_or(token)?;
            if !seen.insert(token) {
                return Err(token);
            }
            line.push(*change);
            token = change.saw;
        }
        line.reverse();
        Ok(line)
    }

    /// Changes that don't count must be those of nodes that failed, and none that the daemon called committed: that
    /// one is on all nodes.
    fn check_others(&self, line: &[&'a Operation], violations: &mut Vec<Violation>) {
        let kept: BTreeSet<Token> = line.iter().map(|change| change.put).collect();
        let acknowledged =
            |change: &Operation| self.store == Store::Persistent && change.outcome == Outcome::Done;
        let done = self.changes.values().filter(|change| change.is_done());
        let lost = done.filter(|change| !kept.contains(&change.put));
        let lost = lost.filter(|change| acknowledged(change) || !self.may_lose(change));
        violations.extend(lost.map(|change| Violation::Lost((*change).clone())));
    }

    fn check_reads(&self, line: &[&'a Operation], violations: &mut Vec<Violation>) {
        let places: HashMap<Token, usize> = line
            .iter()
            .enumerate()
            .map(|(place, change)| (change.put, place + 1))
            .collect();
        // By place: the soonest end of the changes behind it.
        let mut replaced_us = vec![u64::MAX; line.len() + 1];
        for (place, change) in line.iter().enumerate().rev() {
            let end_us = if change.is_done() {
                change.end_us
            } else {
                u64::MAX
            };
            replaced_us[place] = end_us.min(replaced_us[place + 1]);
        }
        let reads = self.operations.iter();
        let reads = reads.filter(|read| read.kind == Kind::Read && read.outcome == Outcome::Done);
        for read in reads.filter(|read| !self.may_lose(read)) {
            let place = match (read.saw, places.get(&read.saw)) {
                (0, _) => 0,
                (_, Some(place)) => *place,
                (_, None) => {
                    violations.push(Violation::SeenAndLost((*read).clone()));
                    continue;
                }
            };
            if replaced_us[place] < read.begin_us {
                violations.push(Violation::Stale((*read).clone()));
            }
        }
    }

    /// Whether it may have been done on a node whose fault was not over: it was begun then, and ends when its client has
    /// looked at what became of it.
    fn may_lose(&self, operation: &Operation) -> bool {
        let mut outages = self.outages.iter();
        outages.any(|outage| outage.node == operation.node && operation.begin_us <= outage.end_us)
    }
}

/// Order and numbers of the changes that count.
fn check_line(line: &[&Operation], violations: &mut Vec<Violation>) {
    let (mut begun_us, mut number) = (0, 0);
    for change in line {
        if change.is_done() && change.end_us < begun_us {
            violations.push(Violation::Overtaken((*change).clone()));
        }
        begun_us = begun_us.max(change.begin_us);
        let added = u64::from(change.kind == Kind::Add);
        if change.number != number + added {
            violations.push(Violation::Miscounted((*change).clone()));
        }
        number = change.number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Node, token seen, token put, begin and end.
    fn add(node: u64, saw: Token, put: Token, begin_us: u64, end_us: u64) -> Operation {
        Operation {
            node,
            key: "k".into(),
            kind: Kind::Add,
            outcome: Outcome::Done,
            begin_us,
            end_us,
            saw,
            put,
            // The tests' tokens count too.
            number: put % 100,
        }
    }

    fn read(node: u64, saw: Token, begin_us: u64, end_us: u64) -> Operation {
        Operation {
            kind: Kind::Read,
            put: 0,
            number: saw % 100,
            ..add(node, saw, 0, begin_us, end_us)
        }
    }

    fn violations(history: &[Operation], outages: &[Outage], last: Token) -> Vec<Violation> {
        check(
            Store::Volatile,
            history,
            outages,
            &BTreeMap::from([("k".into(), last)]),
        )
    }

    #[test]
    fn one_line_is_right() {
        let history = [
            add(0, 0, 1, 0, 1),
            add(1, 1, 2, 2, 5),
            read(2, 1, 1, 4),
            add(0, 2, 3, 3, 6),
            read(2, 3, 7, 8),
        ];
        assert_eq!(violations(&history, &[], 3), []);
    }

    #[test]
    fn a_lost_update_is_found() {
        // Both saw 1, and one of them is gone.
        let history = [add(0, 0, 1, 0, 1), add(1, 1, 2, 2, 5), add(0, 1, 102, 3, 6)];
        let lost = Violation::Lost(history[1].clone());
        assert_eq!(violations(&history, &[], 102), std::slice::from_ref(&lost));
        // Its node failed later, or another one did.
        let outage = |node, end_us| Outage { node, end_us };
        assert_eq!(violations(&history, &[outage(1, 9)], 102), []);
        assert_eq!(
            violations(&history, &[outage(2, 9)], 102),
            std::slice::from_ref(&lost)
        );
        assert_eq!(violations(&history, &[outage(1, 1)], 102), [lost]);
    }

    #[test]
    fn an_acknowledged_transaction_may_not_be_lost() {
        let outages = [Outage { node: 1, end_us: 9 }];
        let values = BTreeMap::from([("k".into(), 102)]);
        let mut history = [add(0, 0, 1, 0, 1), add(1, 1, 2, 2, 5), add(0, 1, 102, 3, 6)];
        let lost = Violation::Lost(history[1].clone());
        let violations =
            |history: &[Operation]| check(Store::Persistent, history, &outages, &values);
        assert_eq!(violations(&history), [lost]);
        // Its client only believed that it was done.
        history[1].outcome = Outcome::Presumed;
        assert_eq!(violations(&history), []);
        // So did one whose node had no fault.
        history[1].node = 2;
        let lost = Violation::Lost(history[1].clone());
        assert_eq!(violations(&history), [lost]);
    }

    #[test]
    fn what_another_node_saw_may_not_be_lost() {
        let outages = [Outage { node: 1, end_us: 9 }];
        let mut history = vec![add(0, 0, 1, 0, 1), add(1, 1, 2, 2, 3), read(1, 2, 3, 4)];
        assert_eq!(violations(&history, &outages, 1), []);
        let seen = read(0, 2, 4, 5);
        history.push(seen.clone());
        assert_eq!(
            violations(&history, &outages, 1),
            [Violation::SeenAndLost(seen)]
        );
    }

    #[test]
    fn time_does_not_go_back() {
        let stale = read(2, 1, 6, 7);
        let history = [add(0, 0, 1, 0, 1), add(1, 1, 2, 2, 5), stale.clone()];
        assert_eq!(violations(&history, &[], 2), [Violation::Stale(stale)]);
        let sooner = add(1, 1, 2, 2, 3);
        let history = [add(0, 0, 1, 4, 5), sooner.clone()];
        assert_eq!(violations(&history, &[], 2), [Violation::Overtaken(sooner)]);
    }

    #[test]
    fn unknown_stays_unknown() {
        let mut unknown = add(1, 1, 2, 2, 3);
        unknown.outcome = Outcome::Unknown;
        let history = [add(0, 0, 1, 0, 1), unknown];
        assert_eq!(violations(&history, &[], 1), []);
        assert_eq!(violations(&history, &[], 2), []);
        assert_eq!(
            violations(&history, &[], 7),
            [Violation::FromNowhere("k".into(), 7)]
        );
    }

    #[test]
    fn numbers_are_checked() {
        let mut wrong = add(1, 1, 2, 2, 3);
        wrong.number = 5;
        let history = [add(0, 0, 1, 0, 1), wrong.clone()];
        assert_eq!(violations(&history, &[], 2), [Violation::Miscounted(wrong)]);
    }
}
