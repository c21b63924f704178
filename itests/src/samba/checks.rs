//! What must hold on any cluster that Samba runs on.

use std::fs;
use std::time::Duration;

use super::{Outcome, Samba};

/// How long one of Samba's suites may take.
const LIMIT: Duration = Duration::from_secs(100);

impl Samba<'_> {
    /// Runs a suite; prints what did not succeed and answers how many failed.
    ///
    /// # Panics
    /// If no test of it succeeds.
    pub fn failures(&self, suite: &str) -> usize {
        let suite = self.torture(suite, &self.addresses(), LIMIT, &[]);
        let (passed, all) = (suite.count(Outcome::Success), suite.tests.len());
        let took_s = suite.took.as_secs_f64();
        println!("{}: {passed} of {all} tests in {took_s:.1} s", suite.name);
        for (name, outcome) in &suite.tests {
            if *outcome != Outcome::Success {
                println!("{name}: {}", outcome.word());
            }
        }
        let bad = all - passed - suite.count(Outcome::Skip);
        if bad > 0 {
            println!("{}", suite.text);
        }
        assert!(passed > 0, "no test of {} has run", suite.name);
        bad
    }

    /// Every node gives what any node took, under the name that any node gave it.
    ///
    /// # Panics
    /// If one does not.
    pub fn check_files(&self) {
        let addresses = self.addresses();
        let local = self.cluster().directory().join("client/local");
        for (writer, address) in addresses.iter().enumerate() {
            let content = format!("written through node {writer}");
            fs::write(&local, &content).expect("a file");
            let mut name = format!("from-{writer}");
            let put = format!("put {} {name}", local.display());
            self.smbclient(*address, &put).ok();
            for (reader, address) in addresses.iter().enumerate() {
                let new = format!("from-{writer}-by-{reader}");
                let commands = format!("rename {name} {new}; get {new} {}", local.display());
                self.smbclient(*address, &commands).ok();
                let text = fs::read_to_string(&local).expect("what was read");
                assert_eq!(text, content, "by node {reader}");
                name = new;
            }
        }
    }
}
