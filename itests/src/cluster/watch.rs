//! Both probes on the client while something happens to the cluster.

use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::lab::Cluster;
use super::programs::program;
use crate::probe::{DualReport, OutageReport};

/// Seconds after which a forgotten probe ends.
const LIMIT_S: &str = "600";

/// Probes that run.
#[derive(Debug)]
pub struct Watch {
    outage: Running,
    dual: Running,
}

/// What they saw.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Silence of each address.
    pub outage: OutageReport,
    /// Addresses that two nodes answered for.
    pub dual: DualReport,
}

impl Observation {
    /// The longest silence of any address in seconds; `None` if one never answered.
    pub fn longest_gap_s(&self) -> Option<f64> {
        let mut gaps = self
            .outage
            .0
            .iter()
            .map(|(_, gap)| gap.map(|gap| gap.length_s));
        gaps.try_fold(0.0, |longest: f64, gap| Some(longest.max(gap?)))
    }

    /// The addresses that did not answer at the end.
    pub fn silent(&self) -> Vec<IpAddr> {
        let entries = self.outage.0.iter();
        let silent = entries.filter(|(_, gap)| gap.is_none_or(|gap| gap.still_out));
        silent.map(|(ip, _)| *ip).collect()
    }
}

impl Watch {
    /// Ends the probes.
    pub fn end(self) -> Observation {
        let outage = self.outage.end();
        let dual = self.dual.end();
        Observation {
            outage: OutageReport::from_json(&outage).expect("a report of the probe"),
            dual: DualReport::from_json(&dual).expect("a report of the probe"),
        }
    }
}

impl Cluster {
    /// Starts both probes over all public addresses; they run when this returns.
    pub fn watch(&self) -> Watch {
        self.watch_addresses(&self.layout().public_addresses())
    }

    /// The same over some of them.
    pub fn watch_addresses(&self, addresses: &[IpAddr]) -> Watch {
        let probe = |words: &[&str]| {
            // A client that waits for a processor itself would be counted as silence: beside compilers, 0.3 s.
            let mut command = self.client_namespace().command("chrt");
            command
                .args(["--rr", "2"])
                .arg(program("probe"))
                .args(words)
                .args(addresses.iter().map(ToString::to_string));
            Running::start(&mut command)
        };
        Watch {
            outage: probe(&["outage", "--until-eof", LIMIT_S]),
            dual: probe(&["dual", "--until-eof", LIMIT_S, "eth1"]),
        }
    }

    /// Whether every one of these addresses answers the client within a moment.
    pub fn all_answer(&self, addresses: &[IpAddr]) -> bool {
        let mut command = self.client_namespace().command(program("probe"));
        command
            .args(["outage", "0.1"])
            .args(addresses.iter().map(ToString::to_string));
        let output = command.output().expect("the probe runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let report = text
            .lines()
            .last()
            .and_then(|line| serde_json::from_str(line).ok());
        let report = report.as_ref().and_then(OutageReport::from_json);
        report.is_some_and(|report| report.0.iter().all(|(_, gap)| gap.is_some()))
    }
}

#[derive(Debug)]
struct Running {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the probe runs");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("the probe answers");
        assert_eq!(line, "READY\n", "the probe has started");
        Self { child, output }
    }

    fn end(mut self) -> Value {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.output
            .read_to_string(&mut text)
            .expect("the probe answers");
        serde_json::from_str(text.trim()).expect("JSON of the probe")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
