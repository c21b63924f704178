//! A cold start of real daemons: all nodes OK, every address answers, and nothing is left afterwards.

use ctdb_itests::cluster::{Cluster, Layout, have_root, wait_until};

fn start(layout: &Layout) {
    let cluster = Cluster::build(layout);
    let begin = cluster.start_all();
    let patience = layout.daemon.patience();
    let addresses = layout.public_addresses();
    cluster.wait_settled("all nodes OK, every address has a node");
    let ok_s = begin.elapsed().as_secs_f64();
    wait_until(patience, "every address answers", || {
        cluster.all_answer(&addresses)
    });
    let answers_s = begin.elapsed().as_secs_f64();
    println!(
        "start of {} nodes ({:?}): all OK with addresses after {ok_s:.2} s, every address answers the client after \
         {answers_s:.2} s (promised: 3 s)",
        layout.nodes, layout.daemon
    );
    let leaders: Vec<_> = cluster.nodes().map(|node| cluster.leader(node)).collect();
    assert!(
        leaders[0].is_some() && leaders.windows(2).all(|pair| pair[0] == pair[1]),
        "{leaders:?}"
    );
    cluster.assert_clean();
}

#[test]
fn three_nodes_start() {
    if have_root("three_nodes_start") {
        start(&Layout::new("start", 3));
    }
}

#[test]
fn both_address_families_without_a_lock() {
    if have_root("both_address_families_without_a_lock") {
        start(&Layout {
            ipv6: true,
            lock: false,
            ..Layout::new("start-v6", 3)
        });
    }
}

#[test]
fn sixteen_nodes_start() {
    if std::env::var_os("CTDB_LONG").is_none() {
        println!("NOT RUN: sixteen_nodes_start: CTDB_LONG=1 is not set");
    } else if have_root("sixteen_nodes_start") {
        start(&Layout::new("start-16", 16));
    }
}
