//! `smbtorture` over all nodes, each connection to the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Samba;
use super::client::{PASSWORD, USER, client_conf};
use super::conf::SHARE;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// As it should.
    Success,
    /// It does not apply here.
    Skip,
    /// It found something wrong.
    Failure,
    /// It did not come so far.
    Error,
    /// It had not ended when the time was over.
    Unfinished,
}

impl Outcome {
    const ALL: [Self; 5] = [
        Self::Success,
        Self::Failure,
        Self::Error,
        Self::Skip,
        Self::Unfinished,
    ];

    /// How tables name it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "pass",
            Self::Failure => "fail",
            Self::Error => "error",
            Self::Skip => "skip",
            Self::Unfinished => "unfinished",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// What a suite found.
#[derive(Debug, Clone)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// Each test and how it ended.
    pub tests: BTreeMap<String, Outcome>,
    /// Everything it printed.
    pub text: String,
    /// How long it took.
    pub took: Duration,
}

impl Suite {
    /// As one line of JSON.
    pub fn to_json(&self) -> Value {
        let outcomes = self.tests.iter();
        let tests: BTreeMap<&String, &str> = outcomes
            .map(|(name, outcome)| (name, outcome.word()))
            .collect();
        json!({"suite": self.name, "took_s": self.took.as_secs_f64(), "tests": tests})
    }

    /// The opposite.
    pub fn from_json(value: &Value) -> Option<Self> {
        let tests = value["tests"].as_object()?.iter();
        let tests =
            tests.map(|(name, word)| Some((name.clone(), Outcome::from_word(word.as_str()?)?)));
        Some(Self {
            name: value["suite"].as_str()?.into(),
            tests: tests.collect::<Option<_>>()?,
            text: String::new(),
            took: Duration::from_secs_f64(value["took_s"].as_f64()?),
        })
    }

    /// Number of tests that ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.tests.values().filter(|seen| **seen == outcome).count()
    }
}

/// The names of all suites below `smb2`.
pub fn suites() -> Vec<String> {
    names(&["--list-suites"])
}

/// The names of the tests of a suite.
fn tests_of(suite: &str) -> Vec<String> {
    let mut tests = names(&["--list", suite]);
    for name in &mut tests {
        // The last word of each stands there twice.
        if let Some((start, last)) = name.rsplit_once('.')
            && start.rsplit('.').next() == Some(last)
        {
            *name = start.to_owned();
        }
    }
    // Suites whose names begin with this one's are listed too.
    let (own, mut seen) = (format!("{suite}."), BTreeSet::new());
    tests.retain(|name| (name == suite || name.starts_with(&own)) && seen.insert(name.clone()));
    tests
}

fn names(args: &[&str]) -> Vec<String> {
    let output = Command::new("smbtorture").args(args).output();
    let output = output.expect("smbtorture(1) of package samba-testsuite");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().map(str::trim);
    names
        .filter(|name| name.starts_with("smb2."))
        .map(str::to_owned)
        .collect()
}

impl Samba<'_> {
    /// Runs a suite or a test; its connections go to these addresses in turn.
    pub fn torture(
        &self,
        name: &str,
        addresses: &[IpAddr],
        limit: Duration,
        more: &[&str],
    ) -> Suite {
        let cluster = self.cluster();
        let conf = client_conf(cluster);
        let list = cluster.directory().join("client/unclist");
        let lines = addresses
            .iter()
            .map(|address| format!("//{address}/{SHARE}\n"));
        fs::write(&list, lines.collect::<String>()).expect("the list of shares");
        let begin = Instant::now();
        let share = format!("//{}/{SHARE}", addresses[0]);
        let credentials = format!("{USER}%{PASSWORD}");
        let (conf, list) = (conf.to_string_lossy(), list.to_string_lossy());
        let words = [
            "smbtorture",
            &share,
            name,
            "-s",
            &conf,
            "-U",
            &credentials,
            "--unclist",
            &list,
            // It is what makes one test for clusters run.
            "--option=clustering=yes",
            "--target=samba3",
            "--format=subunit",
            "--fullname",
        ];
        let output = cluster.on_client_within(limit, &[&words, more].concat());
        let text = output.stdout + &output.stderr;
        Suite {
            name: name.into(),
            tests: parse(&text),
            text,
            took: begin.elapsed(),
        }
    }
}

impl Samba<'_> {
    /// Runs the tests of a suite one by one, so that one that hangs costs only its own time limit.
    pub fn torture_each(&self, suite: &str, addresses: &[IpAddr], limit: Duration) -> Suite {
        let mut whole = Suite {
            name: suite.into(),
            tests: BTreeMap::new(),
            text: String::new(),
            took: Duration::ZERO,
        };
        for name in tests_of(suite) {
            let part = self.torture(&name, addresses, limit, &[]);
            let worst = part.tests.values().max().copied();
            whole.tests.insert(name, worst.unwrap_or(Outcome::Error));
            whole.text += &part.text;
            whole.took += part.took;
        }
        whole
    }
}

/// The lines of subunit's first version: `test: NAME`, later `success: NAME` or another word.
fn parse(text: &str) -> BTreeMap<String, Outcome> {
    let mut tests = BTreeMap::new();
    for line in text.lines() {
        let Some((word, name)) = line.split_once(": ") else {
            continue;
        };
        let name = name.trim_end_matches(" [").to_owned();
        let outcome = match word {
            "test" => Outcome::Unfinished,
            "success" => Outcome::Success,
            "failure" => Outcome::Failure,
            "error" => Outcome::Error,
            "skip" => Outcome::Skip,
            _ => continue,
        };
        // What tests print may look like such a line.
        if outcome == Outcome::Unfinished || tests.contains_key(&name) {
            tests.insert(name, outcome);
        }
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_has_its_outcome() {
        let text = "time: 2026-01-01\ntest: smb2.lock.a\nwords: of a test\nsuccess: smb2.lock.a\n\
                    test: smb2.lock.b\nfailure: smb2.lock.b [\nsmb2/lock.c: wrong\n]\n\
                    test: smb2.lock.c\nskip: smb2.lock.c [\nnot here\n]\ntest: smb2.lock.d\n";
        let expected = [
            ("smb2.lock.a", Outcome::Success),
            ("smb2.lock.b", Outcome::Failure),
            ("smb2.lock.c", Outcome::Skip),
            ("smb2.lock.d", Outcome::Unfinished),
        ];
        let expected = expected.map(|(name, outcome)| (name.to_owned(), outcome));
        assert_eq!(parse(text), BTreeMap::from(expected));
    }
}
