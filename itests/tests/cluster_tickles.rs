//! TCP clients of an address that moves learn of it at once: the node that takes the address tickles them.

mod clients;

use std::net::IpAddr;

use clients::{CLIENT, PORT, Program, can_run, now, owner, servers, time_of};
use ctdb_itests::cluster::{Cluster, Layout, Whom, wait_until};

/// The tickle, an ACK with a window of its own, and what the client's answer to it brings.
fn assert_tickled_and_reset(dump: &str, address: IpAddr) {
    println!("{dump}");
    for (kind, sign) in [("tickle", "win 1234"), ("reset", "Flags [R]")] {
        let from = format!("IP {address}.{PORT} > ");
        let mut lines = dump.lines().filter(|line| line.contains(&from));
        assert!(lines.any(|line| line.contains(sign)), "no {kind}");
    }
}

#[test]
fn a_client_of_a_lost_node_is_reset_by_the_next_one() {
    let name = "a_client_of_a_lost_node_is_reset_by_the_next_one";
    if !can_run(name) {
        return;
    }
    let mut layout = Layout::new("tickles", 3);
    layout.tunables = "TickleUpdateInterval=1\n".into();
    let cluster = Cluster::up(&layout);
    let (victim, other) = (1, 0);
    let address = *layout
        .public_addresses()
        .iter()
        .find(|address| owner(&cluster, other, **address) == Some(victim))
        .expect("the node has addresses");
    let text = address.to_string();
    let servers = servers(&cluster);
    let mut seen = clients::dump(&cluster);
    let python = cluster.client_command("python3");
    let mut client = Program::start(python, &["-c", CLIENT, &text, PORT]);
    let end = client.line();
    let server = format!("{text}:{PORT}");
    cluster.ctdb(victim, &["addtickle", &end, &server]).ok();
    let port = end.rsplit(':').next().expect("a port");
    wait_until(layout.daemon.patience(), "the others know it", || {
        let known = cluster.ctdb(other, &["gettickles", &text]).ok();
        known.contains(port)
    });

    let killed = now();
    assert!(cluster.kill(victim, Whom::All) > 0);
    let reset = time_of(&client.line(), "reset");
    let connected = time_of(&client.line(), "connected");
    println!(
        "a lost node's client: reset {:.3} s after the kill, connected anew {:.3} s later",
        reset - killed,
        connected - reset
    );
    // The client was reset, so that packet comes; what came before has been printed by then.
    let dump = seen.lines_until(&["Flags [R]"]);
    assert_tickled_and_reset(&dump, address);
    drop((client, servers, seen));
    cluster.assert_clean();
}
