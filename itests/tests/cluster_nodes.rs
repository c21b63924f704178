//! The nodes of a running cluster change: appended, commented out, back again (`ctdb reloadnodes`).

use std::fmt::Write;
use std::fs;

use ctdb_itests::cluster::{Cluster, Daemon, Layout, have_root, wait_until};

/// The first `lines` of four nodes, the `deleted` one commented out.
fn nodes_file(lines: usize, deleted: Option<usize>) -> String {
    (0..lines).fold(String::new(), |mut text, node| {
        let mark = if deleted == Some(node) { "#" } else { "" };
        let _ = writeln!(text, "{mark}{}", Layout::private_address(node));
        text
    })
}

/// Writes the same file on all nodes.
fn put_nodes(cluster: &Cluster, lines: usize, deleted: Option<usize>) {
    for node in cluster.nodes() {
        fs::write(cluster.etc(node, "nodes"), nodes_file(lines, deleted)).expect("nodes file");
    }
}

/// `reloadnodes` on node 0 is refused with these words.
fn assert_refused(cluster: &Cluster, words: &str) {
    let refused = cluster.our_ctdb(0, &["reloadnodes"]);
    assert!(refused.stderr.contains(words), "{refused:?}");
}

/// A node reads the record that node 0 wrote at the beginning.
fn assert_record(cluster: &Cluster, node: usize) {
    let value = cluster.our_ctdb(node, &["readkey", "kept.tdb", "key"]).ok();
    assert!(value.contains("value"), "node {node}: {value}");
}

/// Waits until all of `nodes` see exactly these as OK nodes of the cluster, with all addresses served.
fn wait_cluster(cluster: &Cluster, nodes: &[usize], what: &str) {
    wait_until(Daemon::Ours.patience(), what, || {
        cluster.settled_among(nodes)
    });
}

/// Names of the nodes in `ctdb listnodes`-style order as node 0 has them.
fn pnns(cluster: &Cluster) -> Vec<usize> {
    let status = cluster.status(0).unwrap_or_default();
    status.iter().map(|node| node.pnn).collect()
}

#[test]
fn nodes_come_and_go_while_the_others_serve() {
    let layout = Layout::new("nodes", 4);
    if !have_root("nodes_come_and_go_while_the_others_serve") || layout.daemon == Daemon::Debian {
        return;
    }
    let cluster = Cluster::build(&layout);
    put_nodes(&cluster, 3, None);
    for node in 0..3 {
        cluster.start(node);
    }
    wait_cluster(&cluster, &[0, 1, 2], "three nodes");
    cluster.attach(0, &["kept.tdb"]);
    cluster
        .our_ctdb(0, &["writekey", "kept.tdb", "key", "value"])
        .ok();
    let watch = cluster.watch();

    // A fourth line, but not everywhere yet.
    put_nodes(&cluster, 4, None);
    fs::write(cluster.etc(1, "nodes"), nodes_file(3, None)).expect("nodes file");
    assert_refused(&cluster, "Nodes file on node 1 differs");
    assert_eq!(pnns(&cluster), [0, 1, 2]);

    put_nodes(&cluster, 4, None);
    assert_eq!(
        cluster.our_ctdb(0, &["reloadnodes"]).ok(),
        "Node 3 is NEW\n"
    );
    let again = cluster.our_ctdb(0, &["reloadnodes"]).ok();
    assert!(again.starts_with("No change in nodes file"), "{again}");
    cluster.start(3);
    wait_cluster(&cluster, &[0, 1, 2, 3], "four nodes");
    assert_record(&cluster, 3);

    // A node that is connected is not deleted; one that is shut down is, by Debian's tool.
    put_nodes(&cluster, 4, Some(2));
    assert_refused(&cluster, "shut it down before");
    cluster.stop(2);
    let deleted = cluster.ctdb(0, &["reloadnodes"]).ok();
    assert!(deleted.contains("Node 2 is DELETED"), "{deleted}");
    wait_cluster(&cluster, &[0, 1, 3], "three nodes of four lines");
    let status = cluster.our_ctdb(3, &["status"]).ok();
    assert!(
        status.contains("Number of nodes:4 (including 1 deleted nodes)"),
        "{status}"
    );
    assert_eq!(pnns(&cluster), [0, 1, 3]);

    // Back again, with its records and addresses.
    put_nodes(&cluster, 4, None);
    assert_eq!(
        cluster.our_ctdb(3, &["reloadnodes"]).ok(),
        "Node 2 is UNDELETED\n"
    );
    cluster.start(2);
    wait_cluster(&cluster, &[0, 1, 2, 3], "four nodes again");
    assert_record(&cluster, 2);
    let seen = watch.end();
    println!(
        "longest silence of an address: {:?} s",
        seen.longest_gap_s()
    );
    assert!(seen.dual.addresses.is_empty(), "{:?}", seen.dual);
    cluster.assert_clean();
}

/// A node that starts with another file than the others is named on all nodes, with the line; until it is reloaded.
#[test]
fn a_node_with_another_nodes_file_is_named() {
    let name = "a_node_with_another_nodes_file_is_named";
    let layout = Layout::new("nodes-differ", 4);
    if !have_root(name) || layout.daemon == Daemon::Debian {
        return;
    }
    let cluster = Cluster::build(&layout);
    put_nodes(&cluster, 3, None);
    fs::write(cluster.etc(1, "nodes"), nodes_file(4, None)).expect("nodes file");
    for node in 0..3 {
        cluster.start(node);
    }
    let names = |node: usize, other: usize, words: &str| {
        let log = cluster.log(node);
        let start = format!("Nodes file of node {other} differs");
        let mut lines = log.lines().filter(|line| line.contains("nodes.differ"));
        lines.any(|line| line.contains(&start) && line.contains(words))
    };
    let fourth = Layout::private_address(3);
    let (more, less) = (
        format!("node 3 is {fourth} there and nothing here"),
        format!("node 3 is nothing there and {fourth} here"),
    );
    cluster.wait("each node names who differs from it", || {
        names(0, 1, &more) && names(2, 1, &more) && names(1, 0, &less) && names(1, 2, &less)
    });
    let innocent = "Nodes file of node 2 differs";
    assert!(!cluster.log(0).contains(innocent), "they are alike");

    put_nodes(&cluster, 4, None);
    cluster.our_ctdb(0, &["reloadnodes"]).ok();
    cluster.wait("all say that they agree", || {
        let agrees = |node: &usize| cluster.log(*node).contains("nodes.agree");
        [0, 1, 2].iter().all(agrees)
    });
    cluster.start(3);
    wait_cluster(&cluster, &[0, 1, 2, 3], "four nodes");
    cluster.assert_clean();
}
