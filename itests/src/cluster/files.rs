//! The files of a node.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::layout::{Daemon, Layout};

/// Event scripts that Debian's daemon needs to set addresses; ours does it itself.
const SCRIPTS: [&str; 2] = ["00.ctdb.script", "10.interface.script"];
const SCRIPT_SOURCE: &str = "/usr/share/ctdb/events/legacy";
/// The node's own directories: name below the node's, mount point.
const MOUNTS: [(&str, &str); 4] = [
    ("etc", "/etc"),
    ("run", "/run"),
    ("var", "/var/lib/ctdb"),
    ("log", "/var/log/ctdb"),
];

/// More public addresses than these may cost Debian's events their time limit of 30 s: `init` on a busy machine, and
/// each `releaseip` and `takeip` that waits for hundreds of others.
const MANY_ADDRESSES: usize = 200;
/// What they get instead.
const SLOW_TUNABLES: &str = "EventScriptTimeout=300\nTakeoverTimeout=300\n";

/// Stands in for ethtool(8), which 10.interface asks for the carrier, where that is not installed.
const ETHTOOL: &str = r#"
command -v ethtool >/dev/null || ethtool() {
    ip -o link show dev "$1" | grep -q LOWER_UP && echo "Link detected: yes"
}
"#;

/// Writes everything that node `index` has of its own; returns its mounts.
pub(super) fn prepare(layout: &Layout, lab: &Path, index: usize) -> Vec<(PathBuf, PathBuf)> {
    let node = lab.join(index.to_string());
    for name in [
        "run/ctdb",
        "var/volatile",
        "var/persistent",
        "var/state",
        "log",
    ] {
        fs::create_dir_all(node.join(name)).expect("node directory");
    }
    let status = Command::new("cp")
        .args(["-a", "/etc"])
        .arg(node.join("etc"))
        .status();
    assert!(status.expect("cp(1)").success(), "copy of /etc");
    let etc = node.join("etc/ctdb");
    let _ = fs::remove_dir_all(&etc);
    for file in ["etc/default/ctdb", "etc/sysconfig/ctdb"] {
        let _ = fs::remove_file(node.join(file));
    }
    fs::create_dir_all(etc.join("events/legacy")).expect("node directory");
    fs::create_dir_all(etc.join("events/notification")).expect("node directory");
    put(&etc.join("nodes"), &nodes(layout));
    put(&etc.join("public_addresses"), &public_addresses(layout));
    put(&etc.join("ctdb.conf"), &conf(layout, lab));
    let tunables = tunables(layout);
    if !tunables.is_empty() {
        put(&etc.join("ctdb.tunables"), &tunables);
    }
    if layout.daemon == Daemon::Debian {
        debian(&etc);
    }
    for file in &layout.files {
        if file.node.is_none_or(|owner| owner == index) {
            put(&node.join("etc").join(&file.path), &file.text);
        }
    }
    let mounts = MOUNTS.map(|(name, point)| (node.join(name), PathBuf::from(point)));
    for (_, point) in &mounts {
        fs::create_dir_all(point).expect("mount point");
    }
    mounts.to_vec()
}

/// Scripts and what they read.
fn debian(etc: &Path) {
    for script in SCRIPTS {
        let to = etc.join("events/legacy").join(script);
        std::os::unix::fs::symlink(Path::new(SCRIPT_SOURCE).join(script), to).expect("script");
    }
    for file in ["functions", "notify.sh", "debug-hung-script.sh"] {
        let from = Path::new("/etc/ctdb").join(file);
        if from.exists() {
            fs::copy(from, etc.join(file)).expect("script file");
        }
    }
    put(&etc.join("script.options"), ETHTOOL);
}

fn put(path: &Path, text: &str) {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).expect("node directory");
    }
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Debian's scripts work at addresses one by one, `init` at all of them; its daemon reads this file before.
fn tunables(layout: &Layout) -> String {
    let many = layout.public_addresses().len() > MANY_ADDRESSES;
    let slow = layout.daemon == Daemon::Debian && many;
    let own = if slow { SLOW_TUNABLES } else { "" };
    format!("{own}{}", layout.tunables)
}

fn nodes(layout: &Layout) -> String {
    let addresses = (0..layout.nodes).map(Layout::private_address);
    addresses.fold(String::new(), |mut text, address| {
        let _ = writeln!(text, "{address}");
        text
    })
}

fn public_addresses(layout: &Layout) -> String {
    let mut text = String::new();
    for address in layout.public_addresses() {
        let prefix = if address.is_ipv4() { 16 } else { 64 };
        let _ = writeln!(text, "{address}/{prefix} eth1");
    }
    text
}

fn conf(layout: &Layout, lab: &Path) -> String {
    let mut text =
        String::from("[logging]\n location = file:/var/log/ctdb/log.ctdb\n log level = NOTICE\n");
    if layout.lock {
        let lock = lab.join("shared/lock");
        let _ = write!(text, "[cluster]\n recovery lock = {}\n", lock.display());
    }
    text + &layout.conf + "\n"
}
