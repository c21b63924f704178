//! The servers, from their files to their end.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::Release;
use super::client::{PASSWORD, USER, client_conf};
use super::conf;
use crate::cluster::{Cluster, Layout, Output, wait_until};

/// How long a server may take to serve: it waits for recoveries, and starts anew when its daemon does.
const PATIENCE: Duration = Duration::from_secs(90);
/// The user's number on every node.
const UID: u32 = 4711;
/// As long as it exists a server is started again when it ends.
const WANTED: &str = "/run/samba/wanted";
/// Lines of each server's log that a failed test prints.
const LOG_LINES: usize = 40;

/// What an init system does: starts the server again whenever it ends, for example because its daemon did.
const SUPERVISOR: &str = r#"
while [ -e "$0" ]; do
    "$@" </dev/null >>/var/log/ctdb/smbd.out 2>&1
    echo "exit $?" >>/var/log/ctdb/smbd.exits
    sleep 0.2
done
"#;

/// A cluster of three nodes as Samba's tests want it: one address a node.
pub fn layout(name: &str) -> Layout {
    Layout {
        addresses: 3,
        ..Layout::new(name, 3)
    }
}

/// Samba on all nodes of a cluster.
#[derive(Debug)]
pub struct Samba<'a> {
    cluster: &'a Cluster,
    release: Release,
    supervisors: Vec<Option<Child>>,
}

impl<'a> Samba<'a> {
    /// Writes the files and starts a server on each node; they serve when this returns.
    pub fn up(cluster: &'a Cluster, release: Release) -> Self {
        let mut samba = Self::prepare(cluster, release);
        for node in cluster.nodes() {
            samba.start(node);
        }
        for node in cluster.nodes() {
            samba.wait_local(node);
        }
        samba.add_user();
        for node in cluster.nodes() {
            samba.wait_serving(node);
        }
        samba
    }

    /// Writes the files; nothing runs yet.
    pub fn prepare(cluster: &'a Cluster, release: Release) -> Self {
        let share = cluster.directory().join("shared/share");
        fs::create_dir_all(&share).expect("the share");
        fs::set_permissions(&share, fs::Permissions::from_mode(0o777)).expect("the share");
        chown(&share, Some(UID), Some(UID)).expect("the share");
        // Others may pass through on their way to the share.
        for directory in [
            cluster.directory().to_owned(),
            cluster.directory().join("shared"),
        ] {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("the lab");
        }
        client_conf(cluster);
        let text = conf::smb_conf(&share.to_string_lossy());
        for node in cluster.nodes() {
            let directory = cluster.directory().join(node.to_string());
            for name in conf::DIRECTORIES {
                fs::create_dir_all(directory.join("run/samba").join(name)).expect("directory");
            }
            let etc = directory.join("etc");
            fs::create_dir_all(etc.join("samba")).expect("directory");
            fs::write(etc.join("samba/smb.conf"), &text).expect("smb.conf");
            append(
                &etc.join("passwd"),
                &format!("{USER}:x:{UID}:{UID}::/:/bin/false\n"),
            );
            append(&etc.join("group"), &format!("{USER}:x:{UID}:\n"));
        }
        Self {
            cluster,
            release,
            supervisors: cluster.nodes().map(|_| None).collect(),
        }
    }

    /// The cluster it runs on.
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// The shared directory as the file system has it.
    pub fn share(&self) -> PathBuf {
        self.cluster.directory().join("shared/share")
    }

    /// Starts the server of a node and whatever starts it again.
    pub fn start(&mut self, node: usize) {
        self.cluster.run(node, &["touch", WANTED]).ok();
        let mut command = self.cluster.command(node, "sh");
        command
            .args(["-c", SUPERVISOR, WANTED])
            .args(self.release.words("smbd", &["-F", "--no-process-group"]))
            // Servers end by a signal to their group, which must not be that of the tests.
            .process_group(0)
            .stdin(Stdio::null());
        let child = command.spawn().expect("nsenter(1) runs");
        self.supervisors[node] = Some(child);
    }

    /// Ends the server of a node.
    pub fn stop(&mut self, node: usize) {
        self.cluster.run(node, &["rm", "-f", WANTED]).ok();
        wait_until(PATIENCE, "the end of smbd", || {
            let left = self.cluster.signal_program(node, "smbd", Signal::TERM)
                + self
                    .cluster
                    .signal_program(node, "samba-dcerpcd", Signal::TERM);
            std::thread::sleep(Duration::from_millis(100));
            left == 0
        });
        if let Some(mut supervisor) = self.supervisors[node].take() {
            supervisor.wait().expect("the supervisor's end");
        }
    }

    /// Ends all servers.
    pub fn stop_all(&mut self) {
        for node in self.cluster.nodes() {
            self.stop(node);
        }
    }

    /// Runs one of Samba's programs on a node.
    pub fn run(&self, node: usize, program: &str, args: &[&str]) -> Output {
        let words = self.release.words(program, args);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.cluster.run(node, &words)
    }

    /// How often the server of a node has ended.
    pub fn exits(&self, node: usize) -> usize {
        let path = format!("{node}/log/smbd.exits");
        let text = fs::read_to_string(self.cluster.directory().join(path));
        text.map_or(0, |text| text.lines().count())
    }

    /// Waits until a node serves its own guests.
    fn wait_local(&self, node: usize) {
        wait_until(PATIENCE, &format!("smbd on node {node}"), || {
            let args = ["-N", "-c", "ls", "//127.0.0.1/share"];
            self.run(node, "smbclient", &args).success()
        });
    }

    /// Waits until a node serves the user.
    pub fn wait_serving(&self, node: usize) -> Duration {
        let credentials = format!("{USER}%{PASSWORD}");
        wait_until(PATIENCE, &format!("smbd on node {node}"), || {
            let args = ["-U", &credentials, "-c", "ls", "//127.0.0.1/share"];
            self.run(node, "smbclient", &args).success()
        })
    }

    /// The user that tests log in as, known to all nodes through the password database.
    fn add_user(&self) {
        let script = format!("printf '{PASSWORD}\\n{PASSWORD}\\n' | \"$0\" \"$@\"");
        let words = self.release.words("smbpasswd", &["-s", "-a", USER]);
        let mut args = vec!["sh", "-c", &script];
        args.extend(words.iter().map(String::as_str));
        self.cluster.run(0, &args).ok();
    }

    fn print_logs(&self) {
        for node in self.cluster.nodes() {
            for file in ["smbd.out", "smbd.exits", "log.smbd"] {
                let path = self.cluster.directory().join(format!("{node}/log/{file}"));
                let log = fs::read(path).unwrap_or_default();
                let log = String::from_utf8_lossy(&log);
                let skipped = log.lines().count().saturating_sub(LOG_LINES);
                println!("--- smbd of node {node}: end of {file}");
                log.lines()
                    .skip(skipped)
                    .for_each(|line| println!("{line}"));
            }
        }
    }
}

impl Drop for Samba<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
        // What they started ends with the namespaces.
        for supervisor in self.supervisors.iter_mut().flatten() {
            let _ = supervisor.kill();
            let _ = supervisor.wait();
        }
    }
}

fn append(path: &Path, line: &str) {
    let mut text = fs::read_to_string(path).unwrap_or_default();
    text += line;
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
