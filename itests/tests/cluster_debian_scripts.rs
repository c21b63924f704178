//! Debian's unmodified event scripts on running nodes: each runs, and what they check moves the addresses.

use std::fs;
use std::os::unix::fs::FileExt;

use ctdb_itests::cluster::{Cluster, Layout, Output, have_root, wait_until};
use ctdb_itests::nfs;
use ctdb_itests::samba::monitored;

/// Where Debian has them.
const SHIPPED: &str = "/usr/share/ctdb/events/legacy";

/// Events that scripts act on, with arguments.
const EVENTS: [&[&str]; 6] = [
    &["startup"],
    &["takeip", "eth1", "10.88.0.250", "16"],
    &["releaseip", "eth1", "10.88.0.250", "16"],
    &["ipreallocated"],
    &["monitor"],
    &["shutdown"],
];

/// Words in the failures of scripts whose service is not installed here.
const NO_SERVICE: [&str; 3] = [
    "unrecognized service",
    "rpcinfo: not found",
    "requires socket path",
];

/// Nodes with the scripts that all others rest on and the files that they read.
fn build(layout: &Layout) -> Cluster {
    let cluster = Cluster::build(layout);
    monitored::configure(&cluster);
    nfs::configure(&cluster);
    for node in cluster.nodes() {
        cluster.link_script(node, "00.ctdb");
        cluster.link_script(node, "10.interface");
    }
    cluster
}

/// Runs an event; a check gives way to events of the daemon, however long they take, and is asked for again then.
fn run(cluster: &Cluster, event: &[&str]) -> Output {
    let words = [&["event", "run", "60", "legacy"], event].concat();
    let mut end = None;
    wait_until(
        cluster.layout().daemon.patience(),
        "the event's turn",
        || {
            let run = cluster.ctdb(0, &words);
            let had_its_turn = !run.stdout.contains("got cancelled");
            end = had_its_turn.then_some(run);
            had_its_turn
        },
    );
    end.expect("it had its turn")
}

fn shipped() -> Vec<String> {
    let entries = fs::read_dir(SHIPPED).expect("Debian's ctdb");
    let names = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        Some(name.strip_suffix(".script")?.to_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn each_script_runs_and_fails_only_for_want_of_its_service() {
    if !have_root("each_script_runs_and_fails_only_for_want_of_its_service") {
        return;
    }
    let cluster = build(&Layout::new("debian-scripts", 2));
    cluster.start_all();
    cluster.wait_settled("OK with addresses");
    for name in shipped() {
        let always = ["00.ctdb", "10.interface"].contains(&&*name);
        cluster
            .ctdb(0, &["event", "script", "enable", "legacy", &name])
            .ok();
        for event in EVENTS {
            if run(&cluster, event).success() {
                continue;
            }
            let status = cluster
                .ctdb(0, &["event", "status", "legacy", event[0]])
                .stdout;
            println!("{name} {}: {}", event[0], status.replace('\n', "\n    "));
            let service = NO_SERVICE.iter().any(|word| status.contains(word));
            assert!(service, "{name} {event:?}: {status}");
        }
        if !always {
            cluster
                .ctdb(0, &["event", "script", "disable", "legacy", &name])
                .ok();
        }
    }
    cluster.assert_clean();
}

/// Makes a service of node 0 fail, then mends it; prints how long the addresses took to move.
fn fails_and_comes_back(
    cluster: &Cluster,
    what: &str,
    reason: &str,
    fail: impl Fn(),
    mend: impl Fn(),
) {
    fail();
    let took_s = cluster.wait_unhealthy(0, 1).as_secs_f64();
    println!("{what}: addresses moved {took_s:.1} s after the fault");
    let status = cluster.ctdb(0, &["scriptstatus"]).stdout;
    assert!(status.contains(reason), "{status}");
    mend();
    cluster.wait_settled("all OK again");
}

#[test]
fn a_killed_smbd_moves_the_addresses() {
    if !have_root("a_killed_smbd_moves_the_addresses") {
        return;
    }
    let cluster = build(&Layout::new("debian-samba", 2));
    monitored::monitor(&cluster);
    cluster.start_all();
    cluster.wait_settled("OK with addresses and smbd");
    let on_node = |command: &str| {
        cluster.run(0, &["sh", "-c", command]);
    };
    fails_and_comes_back(
        &cluster,
        "50.samba, smbd killed",
        "samba not listening on TCP port 445",
        || on_node("killall -9 smbd"),
        || on_node("service smbd start"),
    );
    for node in cluster.nodes() {
        cluster.stop(node);
        let left = cluster.run(node, &["pidof", "smbd"]);
        assert_eq!(left.stdout, "", "the script stops it at shutdown");
    }
    cluster.assert_clean();
}

#[test]
fn a_dead_nfs_service_moves_the_addresses() {
    if !have_root("a_dead_nfs_service_moves_the_addresses") {
        return;
    }
    let cluster = Cluster::build(&Layout::new("debian-nfs", 2));
    nfs::monitor(&cluster);
    cluster.start_all();
    cluster.wait_settled("OK with addresses");
    fails_and_comes_back(
        &cluster,
        "60.nfs, port mapper dead",
        "portmapper failed RPC check",
        || nfs::fail(&cluster, 0),
        || nfs::mend(&cluster, 0),
    );
    cluster.assert_clean();
}

/// `05.system` with both thresholds: the lower one is only said, the upper one moves the addresses.
#[test]
fn a_full_file_system_moves_the_addresses() {
    if !have_root("a_full_file_system_moves_the_addresses") {
        return;
    }
    let options = "CTDB_MONITOR_FILESYSTEM_USAGE=/mnt:50:90\nCTDB_MONITOR_MEMORY_USAGE=100\n";
    let layout = Layout::new("debian-system", 2).with_file(None, "ctdb/script.options", options);
    let cluster = build(&layout);
    for node in cluster.nodes() {
        cluster.link_script(node, "05.system");
        let export = ["mount", "-t", "tmpfs", "-o", "size=4m", "export", "/mnt"];
        cluster.run(node, &export).ok();
    }
    cluster.start_all();
    cluster.wait_settled("OK with addresses");
    let fill = |percent: u32| {
        let script = format!("head -c {} /dev/zero >/mnt/data", 41_943 * percent);
        cluster.run(0, &["sh", "-c", &script]).ok();
    };
    fill(60);
    cluster.wait("the warning", || {
        cluster
            .log(0)
            .contains("WARNING: Filesystem /mnt utilization 6")
    });
    assert!(cluster.settled(), "{}", cluster.ctdb(0, &["status"]).stdout);
    fails_and_comes_back(
        &cluster,
        "05.system, file system full",
        "ERROR: Filesystem /mnt utilization 9",
        || fill(95),
        || fill(10),
    );
    cluster.assert_clean();
}

/// What `/proc/meminfo` says when so many percent of the memory are used: always as many bytes.
fn meminfo(percent: u32) -> String {
    let available = 10_000 * (100 - percent);
    format!(
        "MemTotal: 1000000 kB\nMemFree: 10000 kB\nMemAvailable: {available:>7} kB\nBuffers: 0 kB\nCached: 0 kB\n\
         SwapTotal: 0 kB\nSwapFree: 0 kB\n"
    )
}

/// The same with memory: the node's kernel says what the test wants.
#[test]
fn scarce_memory_moves_the_addresses() {
    if !have_root("scarce_memory_moves_the_addresses") {
        return;
    }
    // Debian's script would have the machine's kernel print its memory.
    let options = "CTDB_MONITOR_FILESYSTEM_USAGE=/mnt:99\nCTDB_MONITOR_MEMORY_USAGE=60:90\nset_proc() { :; }\n";
    let cluster = build(&Layout::new("debian-memory", 2));
    for node in cluster.nodes() {
        cluster.link_script(node, "05.system");
        cluster.add_options(node, options);
    }
    let file = cluster.directory().join("0/run/ctdb/meminfo");
    let use_up = |percent: u32| {
        // In place: a check that reads it meanwhile must not find it empty.
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(&file);
        let text = meminfo(percent);
        let written = file.and_then(|file| file.write_all_at(text.as_bytes(), 0));
        written.expect("meminfo");
    };
    use_up(50);
    let over = ["mount", "--bind", "/run/ctdb/meminfo", "/proc/meminfo"];
    cluster.run(0, &over).ok();
    cluster.start_all();
    cluster.wait_settled("OK with addresses");
    use_up(70);
    cluster.wait("the warning", || {
        cluster
            .log(0)
            .contains("WARNING: System memory utilization 70% >= threshold 60%")
    });
    assert!(cluster.settled(), "{}", cluster.ctdb(0, &["status"]).stdout);
    fails_and_comes_back(
        &cluster,
        "05.system, memory scarce",
        "ERROR: System memory utilization 95% >= threshold 90%",
        || use_up(95),
        || use_up(20),
    );
    cluster.assert_clean();
}
