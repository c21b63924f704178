//! Servers that nobody but Debian's `50.samba` starts, checks and stops.

use std::fs;

use crate::cluster::Cluster;

/// A server of its own on each node, whatever this machine's is.
const SMB_CONF: &str = "[global]
 disable netbios = yes
 smb ports = 445
 load printers = no
 log file = /run/samba/log
 private dir = /run/samba
 lock directory = /run/samba
 state directory = /run/samba
 cache directory = /run/samba
 pid directory = /run/samba
 ncalrpc dir = /run/samba/ncalrpc
[share]
 path = /run/samba
";

/// Gives all nodes what such servers read. The script itself is enabled by `monitor`.
pub fn configure(cluster: &Cluster) {
    for node in cluster.nodes() {
        let own = cluster.directory().join(node.to_string());
        fs::create_dir_all(own.join("run/samba/ncalrpc")).expect("directory");
        fs::create_dir_all(own.join("etc/samba")).expect("directory");
        fs::write(own.join("etc/samba/smb.conf"), SMB_CONF).expect("smb.conf");
    }
}

/// Enables the script on all nodes, before they start.
pub fn monitor(cluster: &Cluster) {
    configure(cluster);
    for node in cluster.nodes() {
        for script in ["00.ctdb", "10.interface", "50.samba"] {
            cluster.link_script(node, script);
        }
    }
}
