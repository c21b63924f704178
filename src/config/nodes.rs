//! The nodes file: one private address a line; the place in the file is the pnn.
//!
//! As 4.17 reads it: blanks around a line do not count, empty lines use no number, a line that starts
//! with `#` is a deleted node that keeps its number.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ctdb_protocol::settings::NodeEntry;

use super::error::Place;
use super::warning::Findings;

/// Most lines of a nodes file; far beyond any cluster that was ever run.
pub(super) const MOST_NODES: usize = 1024;

/// How long the command of `nodes list = !command` may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the text of a nodes file.
pub(super) fn parse(file: &str, text: &str, findings: &mut Findings) -> Vec<NodeEntry> {
    let mut nodes: Vec<NodeEntry> = Vec::new();
    let mut lines: Vec<usize> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let place = Place::line(file, index + 1);
        if nodes.len() == MOST_NODES {
            findings.refuse(&place, "", format!("more than {MOST_NODES} nodes"));
            break;
        }
        let entry = match node(line) {
            Ok(entry) => entry,
            Err(message) => {
                findings.refuse(&place, line, message);
                continue;
            }
        };
        let twin = nodes
            .iter()
            .position(|known| !known.deleted && known.address == entry.address);
        if let Some(twin) = twin.filter(|_| !entry.deleted) {
            let message = format!(
                "duplicate node: it is node {twin} (line {}) already",
                lines[twin]
            );
            findings.refuse(&place, line, message);
            continue;
        }
        nodes.push(entry);
        lines.push(index + 1);
    }
    if nodes.iter().all(|node| node.deleted) && findings.errors.is_empty() {
        findings.refuse(&Place::whole(file), "", "the list names no node");
    }
    nodes
}

fn node(line: &str) -> Result<NodeEntry, String> {
    if line.starts_with('#') {
        return Ok(NodeEntry {
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            deleted: true,
        });
    }
    let address: IpAddr = line
        .parse()
        .map_err(|_| "a line holds one IP address, without name or port".to_owned())?;
    if address.is_unspecified() || address.is_multicast() {
        return Err("no address that a node can have".to_owned());
    }
    Ok(NodeEntry {
        address,
        deleted: false,
    })
}

/// Runs the command of a nodes list; gives what it printed.
pub(super) fn run(words: &[String]) -> Result<String, String> {
    let (program, arguments) = words.split_first().ok_or("no command")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run it: {error}"))?;
    let stdout = child.stdout.take().ok_or("no output")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = stdout
            .take(super::files::LARGEST_FILE)
            .read_to_end(&mut text);
        // The receiver is gone only after the time limit, when nobody wants the text any more.
        let _ = sender.send(read.map(|_| text));
    });
    let deadline = Instant::now() + COMMAND_TIMEOUT;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if Instant::now() >= deadline => {
                // It may end by itself at this very moment; either way it is reaped below.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!(
                    "it did not end within {} s",
                    COMMAND_TIMEOUT.as_secs()
                ));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    if !status.success() {
        return Err(format!("it failed: {status}"));
    }
    // A child of the command may hold the pipe open for longer than the command lives.
    let rest = deadline.saturating_duration_since(Instant::now());
    let text = receiver
        .recv_timeout(rest)
        .map_err(|_| "its output does not end")?;
    let text = text.map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Vec<NodeEntry>, Vec<String>) {
        let mut findings = Findings::default();
        let nodes = parse("nodes", text, &mut findings);
        (
            nodes,
            findings.errors.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn comments_keep_numbers_and_blank_lines_use_none() {
        let (nodes, errors) = parsed("10.0.0.1\n\n#10.0.0.2\n \t10.0.0.3 \n\nfd00::4\n");
        assert_eq!(errors, [""; 0]);
        assert_eq!(nodes.len(), 4);
        assert!(nodes[1].deleted && nodes[1].address.is_unspecified());
        assert_eq!(nodes[2].address.to_string(), "10.0.0.3");
        assert_eq!(nodes[3].address.to_string(), "fd00::4");
    }

    #[test]
    fn duplicates_are_refused_with_both_lines() {
        let (_, errors) = parsed("10.0.0.1\n\n10.0.0.2\n10.0.0.1\n");
        let expected = "nodes:4: 10.0.0.1: duplicate node: it is node 0 (line 1) already";
        assert_eq!(errors, [expected]);
    }

    #[test]
    fn a_deleted_node_may_come_back_under_a_new_number() {
        let (nodes, errors) = parsed("#10.0.0.1\n10.0.0.1\n#10.0.0.1\n");
        assert_eq!((nodes.len(), errors.len()), (3, 0));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for line in [
            "host",
            "10.0.0.1:4379",
            "10.0.0.1 # note",
            "10.0.0",
            "0.0.0.0",
            "ff02::1",
        ] {
            let (_, errors) = parsed(line);
            assert_eq!(errors.len(), 1, "{line}");
            assert!(
                errors[0].starts_with(&format!("nodes:1: {line}: ")),
                "{errors:?}"
            );
        }
    }

    #[test]
    fn an_empty_list_and_an_endless_one_are_refused() {
        assert_eq!(parsed("\n#10.0.0.1\n").1, ["nodes: the list names no node"]);
        let many: Vec<String> = (0..=MOST_NODES)
            .map(|n| format!("10.1.{}.{}", n / 250, n % 250 + 1))
            .collect();
        assert!(parsed(&many.join("\n")).1[0].contains("more than"));
    }

    #[test]
    fn a_command_may_print_the_list() {
        let words = ["/bin/echo", "10.0.0.7"].map(str::to_owned);
        assert_eq!(run(&words).as_deref(), Ok("10.0.0.7\n"));
        assert!(
            run(&["/bin/false".to_owned()])
                .expect_err("fails")
                .contains("it failed")
        );
        assert!(
            run(&["/nonexistent".to_owned()])
                .expect_err("none")
                .contains("cannot run")
        );
    }
}
