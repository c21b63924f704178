//! `ctdb-client` on the nodes: starts it, and reads the line of JSON that it ends with.

use std::process::{Child, Stdio};

use serde_json::Value;

use super::Cluster;
use super::programs::program;

impl Cluster {
    /// Starts `ctdb-client` on a node.
    pub fn client(&self, node: usize, args: &[&str]) -> Child {
        let program = program("ctdb-client");
        let mut command = self.command(node, &program.to_string_lossy());
        command
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("nsenter(1) runs")
    }
}

/// Waits for the end of a client and reads what it printed.
///
/// # Panics
/// If that is no line of JSON.
pub fn json_line(client: Child) -> Value {
    let output = client.wait_with_output().expect("its end");
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim()).unwrap_or_else(|_| {
        let error = String::from_utf8_lossy(&output.stderr);
        panic!("no line of JSON: {text}{error}")
    })
}
