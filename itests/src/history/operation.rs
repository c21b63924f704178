//! What a client did.

use serde_json::{Value, json};

/// What a record holds, by the change that made it; 0: nothing.
pub type Token = u64;

/// What a client wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// See the value.
    Read,
    /// Put another one in its place.
    Write,
    /// Add 1 to the number in it.
    Add,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done: who knows has said so.
    Done,
    /// A transaction without a clear answer that its client takes for done, by the number in its local file.
    Presumed,
    /// It was not done, and will not be.
    Failed,
    /// Nobody can tell.
    Unknown,
}

/// One operation on one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The client's node.
    pub node: u64,
    /// The record.
    pub key: String,
    /// What was wanted.
    pub kind: Kind,
    /// What became of it.
    pub outcome: Outcome,
    /// Not done before; microseconds of the machine's clock.
    pub begin_us: u64,
    /// Done by then, if it was done.
    pub end_us: u64,
    /// What stood in the record.
    pub saw: Token,
    /// What a change put there; 0 for one that failed.
    pub put: Token,
    /// The number that stood in the record afterwards.
    pub number: u64,
}

impl Operation {
    /// Whether its client takes it for done.
    pub fn is_done(&self) -> bool {
        matches!(self.outcome, Outcome::Done | Outcome::Presumed)
    }

    /// A line of a client's report.
    pub fn to_json(&self) -> Value {
        let kind = match self.kind {
            Kind::Read => "read",
            Kind::Write => "write",
            Kind::Add => "add",
        };
        let outcome = match self.outcome {
            Outcome::Done => "done",
            Outcome::Presumed => "presumed",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
        };
        let times = [self.begin_us, self.end_us];
        let record = [self.saw, self.put, self.number];
        json!([self.node, self.key, kind, outcome, times, record])
    }

    /// Reads such a line.
    pub fn from_json(line: &Value) -> Option<Self> {
        let number = |value: &Value| value.as_u64();
        Some(Self {
            node: number(&line[0])?,
            key: line[1].as_str()?.into(),
            kind: match line[2].as_str()? {
                "read" => Kind::Read,
                "write" => Kind::Write,
                "add" => Kind::Add,
                _ => return None,
            },
            outcome: match line[3].as_str()? {
                "done" => Outcome::Done,
                "presumed" => Outcome::Presumed,
                "failed" => Outcome::Failed,
                "unknown" => Outcome::Unknown,
                _ => return None,
            },
            begin_us: number(&line[4][0])?,
            end_us: number(&line[4][1])?,
            saw: number(&line[5][0])?,
            put: number(&line[5][1])?,
            number: number(&line[5][2])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back() {
        use Outcome::{Done, Failed, Presumed, Unknown};
        for outcome in [Done, Presumed, Failed, Unknown] {
            let operation = Operation {
                node: 2,
                key: "counter-1".into(),
                kind: Kind::Add,
                outcome,
                begin_us: 1,
                end_us: u64::MAX,
                saw: 3,
                put: 4,
                number: 5,
            };
            let line = operation.to_json().to_string();
            let line = serde_json::from_str(&line).expect("JSON");
            assert_eq!(Operation::from_json(&line), Some(operation));
        }
    }
}
