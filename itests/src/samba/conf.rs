//! `smb.conf` of the nodes.

use std::fmt::Write;

/// Name of the share that tests use.
pub(super) const SHARE: &str = "share";

/// Directories of the server on a node; `/run` is the node's own.
pub(super) const DIRECTORIES: [&str; 6] = ["private", "lock", "state", "cache", "pid", "ncalrpc"];
/// Where they are.
pub(super) const HOME: &str = "/run/samba";

/// The same text for every node: clustered, with everything that would go through the common kernel switched off.
pub(super) fn smb_conf(share: &str) -> String {
    let mut text = String::from(GLOBAL);
    for (option, directory) in [
        ("private dir", "private"),
        ("lock directory", "lock"),
        ("state directory", "state"),
        ("cache directory", "cache"),
        ("pid directory", "pid"),
        ("ncalrpc dir", "ncalrpc"),
    ] {
        let _ = writeln!(text, " {option} = {HOME}/{directory}");
    }
    text + &format!("[{SHARE}]\n path = {share}\n read only = no\n guest ok = yes\n{OPTIONS}")
}

const GLOBAL: &str = "\
[global]
 clustering = yes
 ctdbd socket = /run/ctdb/ctdbd.socket
 netbios name = LAB
 workgroup = LABGROUP
 server role = standalone server
 passdb backend = tdbsam
 idmap config * : backend = tdb
 idmap config * : range = 100000-199999
 map to guest = Bad User
 disable netbios = yes
 disable spoolss = yes
 load printers = no
 printcap name = /dev/null
 bind interfaces only = no
 smb ports = 445
 log file = /var/log/ctdb/log.smbd
 max log size = 0
 log level = 1
 kernel oplocks = no
 kernel change notify = no
 posix locking = no
";

const OPTIONS: &str = " kernel share modes = no
 strict locking = yes
 durable handles = yes
 ea support = yes
 store dos attributes = yes
 map archive = no
 map hidden = no
 map system = no
 map readonly = no
 vfs objects = acl_xattr streams_xattr
 create mask = 0777
 directory mask = 0777
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directory_is_the_nodes_own() {
        let text = smb_conf("/shared");
        for directory in DIRECTORIES {
            assert!(text.contains(&format!(" = {HOME}/{directory}\n")), "{text}");
        }
        assert!(text.contains("[share]\n path = /shared\n"), "{text}");
    }
}
