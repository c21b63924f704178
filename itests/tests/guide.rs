//! The walk through a guide to `GlusterFS` of 2016: four nodes configured by `/etc/sysconfig/ctdb` alone, started by the init
//! script, with a lock file in a shared directory and Samba started by nobody but Debian's `50.samba`.

use std::fs;

use ctdb_itests::cluster::{Cluster, Daemon, Layout, Output, have_root, program, wait_until};
use ctdb_itests::samba::{Release, Samba};

/// What the guide writes, with our lab's shared directory.
fn sysconfig(cluster: &Cluster) -> String {
    let lock = cluster.directory().join("shared/lock");
    format!(
        "CTDB_RECOVERY_LOCK={}\nCTDB_NODES=/etc/ctdb/nodes\n\
         CTDB_PUBLIC_ADDRESSES=/etc/ctdb/public_addresses\nCTDB_MANAGES_SAMBA=yes\n",
        lock.display()
    )
}

/// Four nodes with the files of the guide; nothing runs.
fn build(layout: &Layout) -> Cluster {
    let cluster = Cluster::build(layout);
    let init = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/init/ctdb");
    for node in cluster.nodes() {
        fs::remove_file(cluster.etc(node, "ctdb.conf")).expect("the lab's own file");
        let etc = cluster.directory().join(format!("{node}/etc"));
        fs::create_dir_all(etc.join("sysconfig")).expect("directory");
        fs::write(etc.join("sysconfig/ctdb"), sysconfig(&cluster)).expect("file");
        fs::copy(init, etc.join("init.d/ctdb")).expect("the init script");
        for script in ["00.ctdb", "10.interface", "50.samba"] {
            cluster.link_script(node, script);
        }
    }
    cluster
}

/// `service ctdb …`
fn service(cluster: &Cluster, node: usize, word: &str) -> Output {
    let daemon = format!("CTDBD={}", program("ctdbd").display());
    cluster.run(node, &["env", &daemon, "/etc/init.d/ctdb", word])
}

fn servers(cluster: &Cluster, node: usize) -> bool {
    cluster.run(node, &["pgrep", "-x", "smbd"]).success()
}

/// Each of `lines` begins a line of `text`, in that order.
fn holds_in_order(text: &str, lines: &[&str]) {
    let mut rest = text.lines();
    for line in lines {
        let found = rest.any(|candidate| {
            let words: Vec<&str> = candidate.split_whitespace().collect();
            words.join(" ").starts_with(line)
        });
        assert!(found, "{line:?} is missing or too early in\n{text}");
    }
}

fn shows_the_guides_status(cluster: &Cluster) {
    let lines = [
        "Number of nodes:4",
        "pnn:0 10.99.0.1 OK (THIS NODE)",
        "pnn:1 10.99.0.2 OK",
        "pnn:2 10.99.0.3 OK",
        "pnn:3 10.99.0.4 OK",
        "hash:0 lmaster:0",
        "hash:1 lmaster:1",
        "hash:2 lmaster:2",
        "hash:3 lmaster:3",
        "Recovery mode:NORMAL (0)",
        "Recovery master:",
    ];
    holds_in_order(&cluster.our_ctdb(0, &["status"]).ok(), &lines);
}

/// The guide prints `node[3] active[] available[eth2] configured[eth2]` for each address, own ones with their interface.
fn shows_the_guides_addresses(cluster: &Cluster) {
    let text = cluster.our_ctdb(0, &["ip", "-v"]).ok();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("Public IPs on node 0"));
    let owners = cluster.owners(0).expect("addresses");
    for (address, owner) in &owners {
        let node = owner.expect("each address is served");
        let active = if node == 0 { "eth1" } else { "" };
        let line =
            format!("{address} node[{node}] active[{active}] available[eth1] configured[eth1]");
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    assert_eq!(lines.count(), 8, "two addresses a node\n{text}");
    for node in cluster.nodes() {
        let held = owners.values().filter(|owner| **owner == Some(node));
        assert_eq!(held.count(), 2, "two addresses a node\n{text}");
    }
}

/// `response from 0 time=0.000084 sec  (4 clients)`
fn shows_the_guides_pings(cluster: &Cluster) {
    let text = cluster.our_ctdb(0, &["ping", "-n", "all"]).ok();
    for (node, line) in text.lines().enumerate() {
        let rest = line.strip_prefix(&format!("response from {node} time="));
        let (time, clients) = rest
            .and_then(|rest| rest.split_once(" sec  ("))
            .expect(line);
        assert!(time.parse::<f64>().is_ok(), "{line}");
        let clients = clients.strip_suffix(" clients)").expect(line);
        assert!(clients.parse::<u32>().is_ok(), "{line}");
    }
    assert_eq!(text.lines().count(), 4, "{text}");
}

#[test]
fn the_guides_walk_through() {
    let layout = Layout {
        conf: String::new(),
        ..Layout::new("guide", 4)
    };
    if !have_root("the_guides_walk_through") || layout.daemon == Daemon::Debian {
        return;
    }
    let cluster = build(&layout);
    let samba = Samba::prepare(&cluster, Release::Installed);
    for node in cluster.nodes() {
        // Where Debian's service script looks for it.
        let conf = cluster
            .directory()
            .join(format!("{node}/etc/samba/smb.conf"));
        let text = fs::read_to_string(&conf).expect("smb.conf");
        fs::write(conf, text.replace("/run/samba/pid\n", "/run/samba\n")).expect("smb.conf");
        assert!(!servers(&cluster, node), "nobody else starts Samba");
    }
    for node in cluster.nodes() {
        service(&cluster, node, "start").ok();
    }
    cluster.wait_settled("all OK with addresses, Samba's ports answer");
    wait_until(layout.daemon.patience(), "two addresses a node", || {
        let owners = cluster.owners(0).unwrap_or_default();
        cluster.nodes().all(|node| {
            owners
                .values()
                .filter(|owner| **owner == Some(node))
                .count()
                == 2
        })
    });
    shows_the_guides_status(&cluster);
    shows_the_guides_addresses(&cluster);
    shows_the_guides_pings(&cluster);
    let lock = cluster.directory().join("shared/lock");
    assert!(lock.exists(), "the lock file is in the shared directory");
    for (address, owner) in cluster.owners(0).expect("addresses") {
        let node = owner.expect("served");
        assert!(servers(&cluster, node), "started by 50.samba");
        let file = format!("from-{node}");
        let commands = format!("put /etc/hostname {file}; get {file} -; rm {file}");
        samba.smbclient(address, &commands).ok();
    }
    // The service ends with the daemon, and its addresses are served by the others.
    service(&cluster, 3, "stop").ok();
    assert!(!servers(&cluster, 3), "stopped by 50.samba");
    wait_until(
        layout.daemon.patience(),
        "addresses of node 3 on others",
        || {
            let owners = cluster.owners(0).unwrap_or_default();
            owners.len() == 8
                && owners
                    .values()
                    .all(|owner| owner.is_some_and(|node| node != 3))
        },
    );
    // An smbd that dies costs its node the addresses: the guide's reason for CTDB.
    cluster.run(2, &["pkill", "-KILL", "-x", "smbd"]).ok();
    let moved = cluster.wait_unhealthy(2, 0);
    println!(
        "smbd killed: UNHEALTHY and without addresses after {:.1} s",
        moved.as_secs_f64()
    );
    for node in 0..3 {
        service(&cluster, node, "stop").ok();
    }
    drop(samba);
    cluster.assert_clean();
}
