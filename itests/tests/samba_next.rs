//! The next release of Samba, from Debian's backports, on the same daemons: admins upgrade without waiting for us.

use std::path::{Path, PathBuf};
use std::process::Command;

use ctdb_itests::cluster::{Cluster, have_root};
use ctdb_itests::samba::{Release, Samba, a_daemon_is_killed, a_node_dies_under_writers, layout};

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../conf/packaging/samba-backports"
);

/// Where it is unpacked: in `CTDB_TEST_SAMBA`, or with `CTDB_LONG` in the build tree, fetched when it is not there.
fn unpacked() -> Option<PathBuf> {
    let given = std::env::var_os("CTDB_TEST_SAMBA").map(PathBuf::from);
    let long = std::env::var_os("CTDB_LONG").is_some();
    let own = long.then(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("samba-backports"));
    let directory = given.or(own)?;
    let status = Command::new(SCRIPT).arg(&directory).status();
    assert!(status.expect("the script").success(), "{SCRIPT}");
    Some(directory)
}

/// The release, if the test can run.
fn release(name: &str) -> Option<Release> {
    if !have_root(name) {
        return None;
    }
    let directory = unpacked();
    if directory.is_none() {
        println!("NOT RUN: {name}: set CTDB_LONG, or CTDB_TEST_SAMBA to a directory");
    }
    directory.map(Release::Unpacked)
}

#[test]
fn the_next_release_of_samba_runs_unmodified() {
    let Some(release) = release("the_next_release_of_samba_runs_unmodified") else {
        return;
    };
    let cluster = Cluster::up(&layout("next"));
    let mut samba = Samba::up(&cluster, release);
    let version = samba.run(0, "smbd", &["--version"]).ok();
    println!("{}", version.trim());
    assert!(!version.contains(" 4.17."), "the installed one: {version}");
    samba.check_files();
    assert_eq!(samba.failures("smb2.lock"), 0);
    samba.stop_all();
    drop(samba);
    cluster.assert_clean();
}

#[test]
fn nothing_of_the_next_release_is_lost_when_a_node_dies() {
    let Some(release) = release("nothing_of_the_next_release_is_lost_when_a_node_dies") else {
        return;
    };
    let cluster = Cluster::up(&layout("next-writers"));
    a_node_dies_under_writers(&cluster, release);
    cluster.assert_clean();
}

#[test]
fn a_server_of_the_next_release_starts_anew_with_its_daemon() {
    let Some(release) = release("a_server_of_the_next_release_starts_anew_with_its_daemon") else {
        return;
    };
    let cluster = Cluster::up(&layout("next-anew"));
    a_daemon_is_killed(&cluster, release);
    cluster.assert_clean();
}
