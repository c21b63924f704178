//! A remote node, with the two lines of the admin's guide in its legacy configuration file.

use ctdb_itests::cluster::{Cluster, Daemon, Layout, Whom, have_root, wait_until};

const LINES: &str = "CTDB_CAPABILITY_LMASTER=no\nCTDB_CAPABILITY_RECMASTER=no\n";
/// 4.17 reads them from its own file.
const SECTION: &str = "[legacy]\n lmaster capability = false\n leader capability = false\n";

/// A cluster of three whose node 2 is remote.
fn up(name: &str, file: &str) -> Cluster {
    let layout = Layout::new(name, 3);
    let layout = match layout.daemon {
        Daemon::Ours => layout.with_file(Some(2), file, LINES),
        Daemon::Debian => layout.with_file(
            Some(2),
            "ctdb/ctdb.conf",
            &format!("[logging]\n location = file:/var/log/ctdb/log.ctdb\n{SECTION}"),
        ),
    };
    // Only a cluster without a lock fits both: Debian's remote node must agree with the others on it.
    Cluster::up(&Layout {
        lock: false,
        ..layout
    })
}

fn lmasters(cluster: &Cluster) -> Vec<String> {
    let status = cluster.ctdb(0, &["status"]).ok();
    let slots = status.lines().filter(|line| line.starts_with("hash:"));
    slots
        .filter_map(|line| line.rsplit(':').next().map(str::to_owned))
        .collect()
}

fn remote_node(name: &str, file: &str) {
    if !have_root(name) {
        return;
    }
    let cluster = up(name, file);
    assert_eq!(
        cluster.ctdb(2, &["getcapabilities"]).ok(),
        "LEADER: NO\nLMASTER: NO\n"
    );
    assert!(
        !lmasters(&cluster).iter().any(|node| node == "2"),
        "{:?}",
        lmasters(&cluster)
    );
    cluster.attach(0, &["remote.tdb"]);
    cluster
        .ctdb(2, &["writekey", "remote.tdb", "key", "far away"])
        .ok();
    assert!(
        cluster
            .ctdb(0, &["readkey", "remote.tdb", "key"])
            .ok()
            .contains("ptr:[far away]")
    );
    cluster
        .ctdb(0, &["writekey", "remote.tdb", "key", "near"])
        .ok();
    assert!(
        cluster
            .ctdb(2, &["readkey", "remote.tdb", "key"])
            .ok()
            .contains("ptr:[near]")
    );

    // Both other nodes in turn: the remote one never leads.
    for _ in 0..2 {
        let leader = cluster.leader(0).expect("a leader");
        assert_ne!(leader, 2);
        assert!(cluster.kill(leader, Whom::All) > 0);
        let other = 1 - leader;
        wait_until(
            cluster.layout().daemon.patience(),
            "the other one leads",
            || cluster.leader(other) == Some(other) && cluster.leader(2) == Some(other),
        );
        cluster.start(leader);
        cluster.wait_settled("all OK again");
    }
    assert!(!lmasters(&cluster).iter().any(|node| node == "2"));
    cluster.assert_clean();
}

#[test]
fn sysconfig() {
    remote_node("sysconfig", "sysconfig/ctdb");
}

#[test]
fn default() {
    remote_node("default", "default/ctdb");
}
