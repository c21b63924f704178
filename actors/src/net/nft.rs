//! The `nft` program: builds whole tables, one atomic batch each.

use std::io::Write;
use std::process::{Command, Stdio};

use super::error::{NetError, Result};

/// A batch that removes a table, whether it exists or not.
pub(crate) fn removal(family: &str, name: &str) -> String {
    format!("add table {family} {name}\ndelete table {family} {name}\n")
}

/// Runs a batch; the kernel takes all of it or nothing.
pub(crate) fn run(options: &[&str], batch: &str) -> Result<()> {
    let fail = |what: &str, error: std::io::Error| NetError::Nft(format!("{what}: {error}"));
    let mut child = Command::new("nft")
        .args(options)
        .args(["-f", "-"])
        .env(
            "PATH",
            "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin:/usr/local/bin",
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| fail("cannot run it", error))?;
    let sent = child
        .stdin
        .take()
        .map_or(Ok(()), |mut pipe| pipe.write_all(batch.as_bytes()));
    let output = child
        .wait_with_output()
        .map_err(|error| fail("no result", error))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(NetError::Nft(
            text.lines()
                .next()
                .unwrap_or("failed without a word")
                .to_owned(),
        ));
    }
    sent.map_err(|error| fail("cannot send the batch", error))
}
