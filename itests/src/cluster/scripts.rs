//! Event scripts of a node.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::Cluster;

/// Where Debian has its scripts.
const SHIPPED: &str = "/usr/share/ctdb/events/legacy";

impl Cluster {
    /// A file below a node's `/etc/ctdb`.
    pub fn etc(&self, node: usize, file: &str) -> PathBuf {
        self.directory().join(format!("{node}/etc/ctdb/{file}"))
    }

    /// Gives a node an event script, with its run bit.
    pub fn put_script(&self, node: usize, name: &str, body: &str) {
        let path = self.etc(node, &format!("events/legacy/{name}.script"));
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("script");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("run bit");
    }

    /// Enables a script that Debian ships, with the files that such scripts read.
    pub fn link_script(&self, node: usize, name: &str) {
        let file = format!("{name}.script");
        let link = self.etc(node, &format!("events/legacy/{file}"));
        if fs::symlink_metadata(&link).is_err() {
            std::os::unix::fs::symlink(format!("{SHIPPED}/{file}"), link).expect("link");
        }
        for file in ["functions", "nfs-linux-kernel-callout", "statd-callout"] {
            let to = self.etc(node, file);
            if !to.exists() {
                fs::copy(format!("/etc/ctdb/{file}"), to).expect("Debian's ctdb is installed");
            }
        }
    }

    /// Adds lines to what the scripts of a node read (`script.options`).
    pub fn add_options(&self, node: usize, lines: &str) {
        let path = self.etc(node, "script.options");
        let file = OpenOptions::new().create(true).append(true).open(path);
        let written = file.and_then(|mut file| file.write_all(lines.as_bytes()));
        written.expect("script.options");
    }

    /// A file that scripts of a node write below `/var/lib/ctdb`.
    pub fn var(&self, node: usize, file: &str) -> String {
        let path = self.directory().join(format!("{node}/var/{file}"));
        fs::read_to_string(path).unwrap_or_default()
    }
}
