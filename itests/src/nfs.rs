//! An NFS server that Debian's `60.nfs` checks: all but the kernel's part, which would serve the whole machine.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::cluster::Cluster;

/// What the scripts of a node read: its port mapper answers unless the switch is on.
const OPTIONS: &str = "CTDB_NFS_CALLOUT=/etc/ctdb/nfs-callout
CTDB_NFS_SKIP_SHARE_CHECK=yes
rpcinfo() { [ ! -e /run/ctdb/nfs-down ] || { echo rpcinfo: RPC: Timed out; return 1; }; }
";

/// Gives all nodes Debian's list of checks. The script itself is enabled by `monitor`.
pub fn configure(cluster: &Cluster) {
    for node in cluster.nodes() {
        let from = "/etc/ctdb/nfs-checks.d";
        let copied = Command::new("cp")
            .arg("-a")
            .arg(from)
            .arg(cluster.etc(node, ""))
            .status();
        assert!(copied.expect("cp(1)").success(), "{from}");
    }
}

/// Enables the script on all nodes, before they start.
pub fn monitor(cluster: &Cluster) {
    configure(cluster);
    for node in cluster.nodes() {
        for script in ["00.ctdb", "10.interface", "60.nfs"] {
            cluster.link_script(node, script);
        }
        fs::remove_file(cluster.etc(node, "statd-callout")).expect("statd-callout");
        let callout = cluster.etc(node, "nfs-callout");
        fs::write(&callout, "#!/bin/sh\n").expect("callout");
        fs::set_permissions(callout, Permissions::from_mode(0o755)).expect("run bit");
        cluster.add_options(node, OPTIONS);
    }
}

/// The port mapper of a node does not answer any more.
pub fn fail(cluster: &Cluster, node: usize) {
    fs::write(switch(cluster, node), "").expect("switch");
}

/// It answers again.
pub fn mend(cluster: &Cluster, node: usize) {
    fs::remove_file(switch(cluster, node)).expect("switch");
}

fn switch(cluster: &Cluster, node: usize) -> PathBuf {
    cluster
        .directory()
        .join(format!("{node}/run/ctdb/nfs-down"))
}
