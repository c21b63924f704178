//! Programs of a client, in the client's namespace.

use std::fmt::Write;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use super::Samba;
use super::conf::SHARE;
use crate::cluster::{Cluster, Output, wait_until};

/// The user that tests log in as.
pub const USER: &str = "tester";
/// Its password.
pub const PASSWORD: &str = "Secret.1";

/// What the client's programs keep, and nothing of this machine's own configuration.
pub(super) fn client_conf(cluster: &Cluster) -> PathBuf {
    let home = cluster.directory().join("client");
    let path = home.join("smb.conf");
    if !path.exists() {
        fs::create_dir_all(&home).expect("the client's directory");
        let mut text = String::from("[global]\n workgroup = LABGROUP\n netbios name = CLIENT\n");
        for option in [
            "private dir",
            "lock directory",
            "state directory",
            "cache directory",
        ] {
            let _ = writeln!(text, " {option} = {}", home.display());
        }
        fs::write(&path, text).expect("the client's smb.conf");
    }
    path
}

impl Samba<'_> {
    /// A public address of each node, as soon as the cluster has shared them out.
    ///
    /// # Panics
    /// If a node gets none.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let cluster = self.cluster();
        let mut addresses = Vec::new();
        wait_until(
            cluster.layout().daemon.patience(),
            "an address on each node",
            || {
                let owners = cluster.owners(0).unwrap_or_default();
                let of = |node| owners.iter().find(|(_, owner)| **owner == Some(node));
                addresses = cluster
                    .nodes()
                    .filter_map(of)
                    .map(|(address, _)| *address)
                    .collect();
                addresses.len() == cluster.nodes().len()
            },
        );
        addresses
    }

    /// Runs smbclient(1) on the client with some of its commands.
    pub fn smbclient(&self, address: IpAddr, commands: &str) -> Output {
        let conf = client_conf(self.cluster());
        let conf = conf.to_string_lossy();
        let credentials = format!("{USER}%{PASSWORD}");
        let service = format!("//{address}/{SHARE}");
        let args = [
            "smbclient",
            "-s",
            &conf,
            "-U",
            &credentials,
            &service,
            "-c",
            commands,
        ];
        self.cluster().on_client(&args)
    }
}

/// A connection that lasts until it is ended.
#[derive(Debug)]
pub struct Session(Child);

impl Session {
    /// Whether it runs still.
    pub fn runs(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Ends it.
    pub fn end(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

impl Samba<'_> {
    /// A client that logs in and then does nothing.
    pub fn session(&self, address: IpAddr) -> Session {
        self.start_client(address, None)
    }

    /// Starts smbclient(1) with some of its commands; without any it waits for its end.
    pub fn start_client(&self, address: IpAddr, commands: Option<&str>) -> Session {
        let mut command = self.cluster().client_command("smbclient");
        command
            .arg("-s")
            .arg(client_conf(self.cluster()))
            .args([
                "-U",
                &format!("{USER}%{PASSWORD}"),
                &format!("//{address}/{SHARE}"),
            ])
            .args(commands.into_iter().flat_map(|commands| ["-c", commands]))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Session(command.spawn().expect("nsenter(1) runs"))
    }
}
